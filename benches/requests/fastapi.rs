//! The applications of two chapters of FastAPI's tutorial, if their Python packages can be installed.

use crate::support::{On, Result, Server, machine, python};

/// "Simple OAuth2 with Password and Bearer".
pub const SIMPLE: &str = "chapter:app";
/// "OAuth2 with Password (and hashing), Bearer with JWT tokens".
pub const JWT: &str = "jwt_chapter:app";

pub fn start(on: On, application: &str) -> Result<Server> {
    Server::start(on, python::program("uvicorn")?, |command, address| {
        command
            .args(["--app-dir", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fastapi"), application])
            .args(["--loop", "uvloop", "--http", "httptools", "--workers", "1"])
            .args(["--no-access-log", "--log-level", "critical"])
            .args(["--host", "127.0.0.1", "--port", &address.port().to_string()])
            .env("PYTHONDONTWRITEBYTECODE", "1");
    })
}

pub fn versions() -> String {
    const VERSIONS: &str = "import platform, fastapi, uvicorn, uvloop, httptools; print(\
        f'Python {platform.python_version()}, FastAPI {fastapi.__version__}, uvicorn {uvicorn.__version__}, '\
        f'uvloop {uvloop.__version__}, httptools {httptools.__version__}')";
    let python = python::program("python");
    python.map_or("left out".to_owned(), |python| machine::output_of(&python, &["-c", VERSIONS]))
}
