//! Gatepass beside FastAPI: both get the same bytes and have to give the same answer.
//!
//! `chapter.py` is the tutorial's own program. Compared are the status, `Content-Type`, `WWW-Authenticate`,
//! `Allow`, `Location` and the body, byte for byte. `differences.rs` holds both sides to what is different on
//! purpose, or because FastAPI's answer is an accident of Python:
//!
//! - HEAD works wherever GET does, and `Allow` says so.
//! - `/` is a start page. There is no ReDoc.
//! - A body of more than 1 MiB is refused with 413, whatever is in it.
//! - A body that does not come within 10 seconds is 408.
//! - A token comes with `Cache-Control: no-store`.
//! - Where a file stands in the place of text, `input` is its name and its size, not the insides of a Python
//!   object.
//! - Bytes beyond ASCII in an urlencoded form are UTF-8, as the URL Standard says, not Latin-1.
//! - The charsets of a multipart form are those of the Encoding Standard, which browsers know, not Python's.
//! - `%2F` in a path is no slash, and `%0A` at its end is part of it.
//! - Any word is a method. What is no HTTP, or no URL, is answered 400 without words by the server itself.
//! - A redirect goes to the host that a trusted proxy names in `X-Forwarded-Host`.

mod authorization;
mod differences;
mod document;
mod forms;
mod multipart;
mod paths;
mod random;
mod servers;
