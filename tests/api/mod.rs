//! Tests of the library and the tutorial profile. The module `fastapi` compares the tutorial profile with FastAPI.

mod clients;
mod documents;
mod example;
mod library;
mod limits;
mod rfc;
mod testing;
mod todos;
mod tutorial;
