//! HTTP/1.1 to the byte: what is sent is what a test wrote, what is read is what the service wrote.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use serde_json::Value;

use super::secrets;

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    /// The value of a header, its values joined where there are several.
    pub fn header(&self, name: &str) -> Option<String> {
        let values: Vec<_> = self
            .headers
            .iter()
            .filter(|(header, _)| header.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("the body is UTF-8")
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("no JSON ({error}): {self:?}"))
    }
}

/// A request in the making.
#[derive(Clone, Debug)]
pub struct Request {
    method: String,
    target: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Option<Vec<u8>>,
}

pub fn request(method: &str, target: &str) -> Request {
    Request { method: method.into(), target: target.into(), headers: Vec::new(), body: None }
}

pub fn get(target: &str) -> Request {
    request("GET", target)
}

/// A POST of an urlencoded form.
pub fn post_form(target: &str, form: impl AsRef<[u8]>) -> Request {
    request("POST", target).header("Content-Type", "application/x-www-form-urlencoded").body(form)
}

impl Request {
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.into(), value.as_ref().to_vec()));
        self
    }

    pub fn bearer(self, token: &str) -> Self {
        self.header("Authorization", format!("Bearer {token}"))
    }

    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = Some(body.as_ref().to_vec());
        self
    }

    /// The request's bytes, as the first and last of its connection.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!(
            "{} {} HTTP/1.1\r\nHost: gatepass.test\r\nConnection: close\r\n",
            self.method, self.target
        )
        .into_bytes();
        for (name, value) in &self.headers {
            bytes.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
        if let Some(body) = &self.body {
            bytes.extend(format!("Content-Length: {}\r\n", body.len()).into_bytes());
        }
        bytes.extend(b"\r\n");
        bytes.extend(self.body.iter().flatten());
        bytes
    }

    pub fn send(&self, address: SocketAddr) -> Reply {
        exchange(address, &self.bytes())
    }

    /// Sends it to a service that may end meanwhile.
    pub fn try_send(&self, address: SocketAddr) -> Option<Reply> {
        let mut stream = TcpStream::connect(address).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let bytes = self.bytes();
        stream.write_all(&bytes).ok()?;
        secrets::note_request(&bytes);
        let reply = read_reply(&mut stream)?;
        secrets::note_reply(&reply.body);
        Some(reply)
    }
}

/// Sends these bytes on a connection of their own and reads the one answer.
pub fn exchange(address: SocketAddr, bytes: &[u8]) -> Reply {
    let mut stream = connect(address);
    // A service may answer and close before it has read everything; the answer counts.
    let _ = stream.write_all(bytes);
    let reply = read_reply(&mut stream).unwrap_or_else(|| {
        panic!("no HTTP answer to {:?}", String::from_utf8_lossy(&bytes[..bytes.len().min(400)]))
    });
    secrets::note_request(bytes);
    secrets::note_reply(&reply.body);
    reply
}

/// The next answer: until its Content-Length is there, or the connection ends.
pub fn read_reply(stream: &mut TcpStream) -> Option<Reply> {
    let mut answer = Vec::new();
    let mut buffer = [0; 64 * 1024];
    loop {
        let read = stream.read(&mut buffer).unwrap_or(0);
        answer.extend(&buffer[..read]);
        let reply = parse(&answer);
        let whole = reply.as_ref().is_some_and(|reply| {
            reply.header("content-length").and_then(|length| length.parse().ok()) == Some(reply.body.len())
        });
        if whole || read == 0 {
            return reply;
        }
    }
}

pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the service accepts connections");
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// A whole answer: its head and the rest.
fn parse(answer: &[u8]) -> Option<Reply> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(length) = head.parse(answer).ok()? else {
        return None;
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some(Reply {
        status: head.code?,
        headers: head.headers.iter().map(|header| (header.name.into(), text(header.value))).collect(),
        body: answer[length..].to_vec(),
    })
}
