//! The pages of the book: their links, their commands, and the reference that is generated from the program.

pub mod links;
pub mod page;
mod reference;
mod shell;
