//! FastAPI's applications of its two chapters, where an environment for them can be made.

use crate::{
    peer::{On, Peer},
    support::{Failure, load::Exchange, python},
};

#[derive(Clone, Copy)]
pub enum Chapter {
    /// "Simple OAuth2 with Password and Bearer".
    Simple,
    /// "OAuth2 with Password (and hashing), Bearer with JWT tokens".
    Jwt,
}

pub fn start(on: On<'_>, chapter: Chapter) -> Result<Peer, Failure> {
    let application = match chapter {
        Chapter::Simple => "chapter:app",
        Chapter::Jwt => "jwt_chapter:app",
    };
    Peer::start(on, &python::program("uvicorn")?, |command, address| {
        command
            .args(["--app-dir", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fastapi"), application])
            .args(["--loop", "uvloop", "--http", "httptools", "--workers", "1"])
            .args(["--no-access-log", "--log-level", "critical"])
            .args(["--host", "127.0.0.1", "--port", &address.port().to_string()])
            .env("PYTHONDONTWRITEBYTECODE", "1");
    })
}

/// The chapter with JWT has a slash at the end.
pub fn jwt_read_users_me(token: &str) -> Exchange {
    Exchange::new(
        &format!("GET /users/me/ HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\r\n"),
        r#"{"username":"johndoe","email":"johndoe@example.com","full_name":"John Doe","disabled":false}"#,
    )
}
