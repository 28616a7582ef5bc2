//! The pages of the book: their links, their commands, and the reference that is generated from the program.

mod links;
mod page;
mod reference;
mod shell;
