//! A client: one keep-alive connection, one request under way at any time.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use serde_json::Value;

use crate::support::Failure;

const TIMEOUT: Duration = Duration::from_secs(10);

pub struct Client(TcpStream);

impl Client {
    pub fn connect(address: SocketAddr) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).and_then(|stream| {
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(TIMEOUT))?;
            Ok(stream)
        });
        stream.map(Self).map_err(|error| format!("no connection to {address}: {error}"))
    }

    /// GET /users/me, which has to be answered with this user.
    pub fn users_me(&mut self, token: &str, username: &str) -> Result<(), Failure> {
        let head =
            format!("GET /users/me HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\r\n");
        let user = self.ask(&head)?;
        if user["username"] == username { Ok(()) } else { Err(format!("another user: {user}")) }
    }

    /// A POST of a form, which has to be answered with 200.
    pub fn post(&mut self, path: &str, form: &str) -> Result<Value, Failure> {
        self.ask(&format!(
            "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\n\r\n{form}",
            form.len()
        ))
    }

    /// The JSON of a good answer; null for one without a body.
    fn ask(&mut self, request: &str) -> Result<Value, Failure> {
        let (status, body) = self.exchange(request).map_err(|error| format!("no answer: {error}"))?;
        if status != 200 {
            return Err(format!("{status}: {}", String::from_utf8_lossy(&body)));
        }
        if body.is_empty() {
            Ok(Value::Null)
        } else {
            serde_json::from_slice(&body).map_err(|e| e.to_string())
        }
    }

    fn exchange(&mut self, request: &str) -> std::io::Result<(u16, Vec<u8>)> {
        self.0.write_all(request.as_bytes())?;
        let (mut answer, mut part) = (Vec::new(), [0; 8192]);
        loop {
            let length = self.0.read(&mut part)?;
            if length == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            answer.extend(&part[..length]);
            if let Some(whole) = whole(&answer) {
                return Ok(whole);
            }
        }
    }
}

/// The status and the body, once all of it is there.
fn whole(answer: &[u8]) -> Option<(u16, Vec<u8>)> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut headers);
    let Ok(httparse::Status::Complete(begin)) = head.parse(answer) else { return None };
    let length = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"))?;
    let length: usize = std::str::from_utf8(length.value).ok()?.parse().ok()?;
    let body = answer.get(begin..begin + length)?;
    Some((head.code?, body.to_vec()))
}
