//! `gatepass healthcheck`: whether a service answers, for containers without curl.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    time::{Duration, Instant},
};

const TIMEOUT: Duration = Duration::from_secs(3);

/// Asks the service at `address` for its document.
///
/// # Errors
/// Where it does not answer with 200 within three seconds.
pub fn healthcheck(address: SocketAddr) -> io::Result<()> {
    let address = SocketAddr::new(reachable(address.ip()), address.port());
    let unhealthy = |cause: String| io::Error::other(format!("no healthy service at {address}: {cause}"));
    match status_line(address) {
        Ok(line) if line.starts_with(b"HTTP/1.1 200 ") => Ok(()),
        Ok(line) => Err(unhealthy(format!("it answers {:?}", String::from_utf8_lossy(&line)))),
        Err(error) => Err(unhealthy(error.to_string())),
    }
}

fn status_line(address: SocketAddr) -> io::Result<Vec<u8>> {
    let end = Instant::now() + TIMEOUT;
    let left = || match end.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(io::Error::from(io::ErrorKind::TimedOut)),
        left => Ok(left),
    };
    let mut stream = TcpStream::connect_timeout(&address, left()?)?;
    stream.set_write_timeout(Some(left()?))?;
    let request = format!("HEAD /openapi.json HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;

    let mut line = Vec::new();
    let mut byte = [0];
    while !line.ends_with(b"\r\n") && line.len() < 1024 {
        stream.set_read_timeout(Some(left()?))?;
        if stream.read(&mut byte)? == 0 {
            break;
        }
        line.extend(byte);
    }
    Ok(line.trim_ascii_end().to_vec())
}

/// A service that listens on every address is asked on this machine's own.
fn reachable(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(address) if address.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        address => address,
    }
}
