//! An HTTP/1.1 client that sends and returns exact bytes.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
};

use serde_json::Value;
use socket2::{Domain, Socket, Type};

use super::{secrets, wait::TIMEOUT};

/// A response.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    /// Returns the value of a header. Multiple values are joined with commas.
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
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("not JSON ({error}): {self:?}"))
    }
}

/// A request under construction.
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

/// Returns a POST request with a URL-encoded form.
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

    /// Returns the bytes of the request, including `Connection: close`.
    pub fn bytes(&self) -> Vec<u8> {
        let has_host = self.headers.iter().any(|(name, _)| name == "Host");
        let host = if has_host { "" } else { "Host: localhost\r\n" };
        let mut bytes =
            format!("{} {} HTTP/1.1\r\n{host}Connection: close\r\n", self.method, self.target).into_bytes();
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

    /// Sends the request. Returns `None` if the service exits before it responds.
    pub fn try_send(&self, address: SocketAddr) -> Option<Reply> {
        try_exchange(address, &self.bytes())
    }
}

/// Sends bytes on a new connection and reads one response.
pub fn exchange(address: SocketAddr, bytes: &[u8]) -> Reply {
    try_exchange(address, bytes).unwrap_or_else(|| {
        panic!("no HTTP response to {:?}", String::from_utf8_lossy(&bytes[..bytes.len().min(400)]))
    })
}

fn try_exchange(address: SocketAddr, bytes: &[u8]) -> Option<Reply> {
    let mut stream = try_connect(address)?;
    // A service may respond and close the connection before it has read the whole request.
    let _ = stream.write_all(bytes);
    secrets::record_request(bytes);
    let reply = read_reply(&mut stream)?;
    secrets::record_reply(&reply.body);
    let cookies = reply.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
    cookies.for_each(|(_, value)| secrets::record_cookies(value));
    Some(reply)
}

/// Reads a response up to its Content-Length or the end of the connection.
pub fn read_reply(stream: &mut TcpStream) -> Option<Reply> {
    let mut response = Vec::new();
    let mut buffer = [0; 64 * 1024];
    loop {
        let read = stream.read(&mut buffer).unwrap_or(0);
        response.extend(&buffer[..read]);
        let reply = parse(&response);
        let is_complete = reply.as_ref().is_some_and(|reply| {
            reply.header("content-length").and_then(|length| length.parse().ok()) == Some(reply.body.len())
        });
        if is_complete || read == 0 {
            return reply;
        }
    }
}

/// Sends a sign-in request for johndoe without the end of its body, `&password=secret`. Returns once the service is
/// waiting for the rest of the body. The service must have a single worker.
pub fn send_incomplete_sign_in(address: SocketAddr) -> TcpStream {
    let mut stream = connect(address);
    let head = "POST /token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 32\r\n\
                Content-Type: application/x-www-form-urlencoded\r\n\r\nusername=johndoe";
    stream.write_all(head.as_bytes()).unwrap();
    assert_eq!(get("/users/me").send(address).status, 401);
    stream
}

/// Connects from `source`, an address in the loopback network.
pub fn connect_from(source: &str, address: SocketAddr) -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::new(source.parse().unwrap(), 0).into()).unwrap();
    socket.connect(&address.into()).unwrap();
    socket.set_read_timeout(Some(TIMEOUT)).unwrap();
    socket
}

pub fn connect(address: SocketAddr) -> TcpStream {
    try_connect(address).expect("the service accepts connections")
}

fn try_connect(address: SocketAddr) -> Option<TcpStream> {
    let stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    stream.set_write_timeout(Some(TIMEOUT)).unwrap();
    Some(stream)
}

/// Parses the head of a response, and treats everything after the head as the body.
fn parse(response: &[u8]) -> Option<Reply> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(length) = head.parse(response).ok()? else {
        return None;
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some(Reply {
        status: head.code?,
        headers: head.headers.iter().map(|header| (header.name.into(), text(header.value))).collect(),
        body: response[length..].to_vec(),
    })
}
