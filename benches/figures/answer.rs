//! An answer of Gatepass, byte by byte: what a bare handler has to send too.

use std::net::SocketAddr;

use crate::support::{Failure, load::Exchange};

pub struct Answer {
    /// All but those that differ from answer to answer or that a server adds itself.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    /// The one that `address` gives to the next request.
    pub fn of(exchange: &Exchange, address: SocketAddr) -> Result<Self, Failure> {
        Self::read(&exchange.answer(address)?)
    }

    fn read(bytes: &[u8]) -> Result<Self, Failure> {
        let (head, body) = split(bytes)?;
        let headers = head.lines().skip(1).filter_map(|line| line.split_once(": "));
        let headers = headers.filter(|(name, _)| !["date", "content-length"].contains(name));
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Ok(Self { headers, body: body.to_owned() })
    }
}

/// Fails where the bare handler's bytes are not Gatepass's: the order of the headers and the date apart.
pub fn compare(gatepass: &[u8], bare: &[u8]) -> Result<(), Failure> {
    let parts = |bytes| -> Result<(Vec<String>, String), Failure> {
        let (head, body) = split(bytes)?;
        // The date has one length, whatever it is.
        let line = |line: &str| if line.starts_with("date: ") { "date".to_owned() } else { line.to_owned() };
        let mut lines: Vec<_> = head.lines().map(line).collect();
        lines.sort();
        Ok((lines, body.to_owned()))
    };
    if gatepass.len() == bare.len() && parts(gatepass)? == parts(bare)? {
        return Ok(());
    }
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    Err(format!("the bare handler does not answer what Gatepass does:\n{}\n\n{}", text(gatepass), text(bare)))
}

fn split(bytes: &[u8]) -> Result<(&str, &str), Failure> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    text.split_once("\r\n\r\n").ok_or_else(|| format!("no whole answer: {text:?}"))
}
