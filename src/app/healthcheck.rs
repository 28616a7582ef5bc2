//! `gatepass healthcheck`: whether a service answers, for containers without curl.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use rustls::{ClientConnection, Stream};

use crate::app::{failure::Failure, settings::Settings, tls};

const TIMEOUT: Duration = Duration::from_secs(3);

/// Asks the service that has these settings for its document.
///
/// # Errors
/// Where it does not answer with 200 within three seconds.
pub fn healthcheck(settings: &Settings) -> Result<(), Failure> {
    let address = SocketAddr::new(reachable(settings.bind.ip()), settings.bind.port());
    let unhealthy = |cause: String| Failure::failed(format!("no healthy service at {address}: {cause}"));
    let has_tls = settings.edge.tls()?.is_some();
    match status_line(address, has_tls) {
        Ok(line) if line.starts_with(b"HTTP/1.1 200 ") => Ok(()),
        Ok(line) => Err(unhealthy(format!("it answers {:?}", String::from_utf8_lossy(&line)))),
        Err(error) => Err(unhealthy(error.to_string())),
    }
}

fn status_line(address: SocketAddr, has_tls: bool) -> io::Result<Vec<u8>> {
    let end = Instant::now() + TIMEOUT;
    let mut stream = Timed { stream: TcpStream::connect_timeout(&address, TIMEOUT)?, end };
    if !has_tls {
        return ask(&mut stream, address);
    }
    // Whoever has the port of this machine is meant, and is told no secret.
    let config = tls::unverified_client().map_err(io::Error::other)?;
    let mut connection =
        ClientConnection::new(config.into(), address.ip().into()).map_err(io::Error::other)?;
    ask(&mut Stream::new(&mut connection, &mut stream), address)
}

fn ask(stream: &mut (impl Read + Write), address: SocketAddr) -> io::Result<Vec<u8>> {
    let request = format!("HEAD /openapi.json HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;

    let mut line = Vec::new();
    let mut byte = [0];
    while !line.ends_with(b"\r\n") && line.len() < 1024 {
        if stream.read(&mut byte)? == 0 {
            break;
        }
        line.extend(byte);
    }
    Ok(line.trim_ascii_end().to_vec())
}

/// A connection that has ended at a moment, however it goes.
struct Timed {
    stream: TcpStream,
    end: Instant,
}

impl Timed {
    fn left(&self) -> io::Result<Option<Duration>> {
        match self.end.saturating_duration_since(Instant::now()) {
            Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
            left => Ok(Some(left)),
        }
    }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        self.stream.read(buffer)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// A service that listens on every address is asked on this machine's own.
fn reachable(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(address) if address.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        address => address,
    }
}
