//! `gatepass healthcheck`: whether a service answers, for containers without curl.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    time::Duration,
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
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let request = format!("HEAD /openapi.json HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut head = Vec::new();
    stream.take(1024).read_to_end(&mut head)?;
    head.truncate(head.iter().position(|byte| *byte == b'\r').unwrap_or(head.len()));
    Ok(head)
}

/// A service that listens on every address is asked on this machine's own.
fn reachable(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(address) if address.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        address => address,
    }
}
