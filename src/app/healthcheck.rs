//! `gatepass healthcheck`: checks that a service responds, for containers without curl.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    sync::mpsc,
    thread,
    time::Duration,
};

use rustls::{ClientConnection, StreamOwned};

use crate::app::{failure::Failure, settings::ListenSettings, tls};

const TIMEOUT: Duration = Duration::from_secs(3);

/// Requests the OpenAPI document of the service that listens on this address.
///
/// # Errors
/// If the service does not respond with 200 within three seconds.
pub(crate) fn run(listen: &ListenSettings) -> Result<(), Failure> {
    let address = SocketAddr::new(reachable(listen.bind.ip()), listen.bind.port());
    let has_tls = listen.tls()?.is_some();
    // One timeout covers connecting, TLS and the response. If it expires, the thread ends together with the process.
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(status_line(address, has_tls)));
    let cause = match receiver.recv_timeout(TIMEOUT) {
        Ok(Ok(line)) if line.starts_with("HTTP/1.1 200 ") => return Ok(()),
        Ok(Ok(line)) => format!("it responded with {:?}", line.trim_end()),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("it did not respond within {} s", TIMEOUT.as_secs()),
    };
    Err(Failure::failed(format!("no healthy service at {address}: {cause}")))
}

fn status_line(address: SocketAddr, has_tls: bool) -> io::Result<String> {
    let stream = TcpStream::connect(address)?;
    if !has_tls {
        return request(stream, address);
    }
    // The certificate is not verified: the request contains no secret.
    let config = tls::unverified_client().map_err(io::Error::other)?;
    let connection = ClientConnection::new(config.into(), address.ip().into()).map_err(io::Error::other)?;
    request(StreamOwned::new(connection, stream), address)
}

fn request(mut stream: impl Read + Write, address: SocketAddr) -> io::Result<String> {
    let request = format!("HEAD /openapi.json HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut line = Vec::new();
    BufReader::new(stream.take(1024)).read_until(b'\n', &mut line)?;
    Ok(String::from_utf8_lossy(&line).into_owned())
}

/// Returns the address to connect to: loopback if the service listens on all addresses.
fn reachable(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(address) if address.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        address => address,
    }
}
