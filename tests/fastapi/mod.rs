//! Compares the tutorial profile with FastAPI: both receive the same bytes and must return the same response.
//!
//! `chapter.py` is the program of FastAPI's tutorial. The tests compare the status, `Content-Type`, `WWW-Authenticate`,
//! `Allow`, `Location` and the body. `differences.rs` tests most of the differences, which are deliberate or due to
//! peculiarities of Python:
//!
//! - HEAD works wherever GET does, and `Allow` contains it.
//! - `/` is a start page. `/docs` and `/redoc` load nothing from other origins.
//! - A request with a body of more than 1 MiB gets 413, whatever the type of the body.
//! - A request whose body is not received within the timeout gets 408.
//! - A token response has `Cache-Control: no-store`.
//! - If a file is sent instead of text, `input` contains its name and size instead of a Python object.
//! - Non-ASCII bytes in a urlencoded form are UTF-8, as the URL Standard requires, not Latin-1.
//! - The charsets of a multipart form are those of the Encoding Standard, as in browsers, not Python's.
//! - `%2F` in a path does not separate segments, and `%0A` at the end of a path is part of the path.
//! - A method can be any token. Actix responds to invalid HTTP and URLs with 400 and an empty body.
//! - A redirect uses the host that a trusted proxy sends in `X-Forwarded-Host`.

mod authorization;
mod differences;
mod document;
mod forms;
mod multipart;
mod paths;
mod random;
mod servers;
