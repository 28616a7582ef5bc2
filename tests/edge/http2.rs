//! The limits for HTTP/2: concurrent requests on a connection, and the memory used by their bodies.

use std::{net::SocketAddr, sync::Arc};

use actix_web::web::Bytes;
use h2::{SendStream, client};
use http::{Request, Response};
use rcgen::generate_simple_self_signed;
use rustls::{ClientConfig, RootCertStore, pki_types::CertificateDer};
use tokio::{net::TcpStream, sync::mpsc};
use tokio_rustls::TlsConnector;

use crate::support::{
    folder::Folder,
    program::Gatepass,
    secure_profile::{add_johndoe, serve_command},
    service::{Program, TIMEOUT},
};

struct Server {
    program: Program,
    address: SocketAddr,
    tls: TlsConnector,
    _gatepass: Gatepass,
    _folder: Folder,
}

fn server() -> Server {
    let (gatepass, folder) = (Gatepass::on_sqlite(), Folder::create());
    add_johndoe(&gatepass);
    let certificate = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let cert = folder.write("cert.pem", certificate.cert.pem());
    let key = folder.write("key.pem", certificate.signing_key.serialize_pem());
    let timeouts = ["--body-timeout", "120", "--response-timeout", "120"];
    let tls = ["--tls-cert", &cert, "--tls-key", &key];
    let program = Program::run(&mut serve_command(&gatepass, &[&timeouts[..], &tls].concat()));
    let address = program.address_after("listening on https://");

    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(certificate.cert.der().to_vec())).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = versions.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Server { program, address, tls: Arc::new(config).into(), _gatepass: gatepass, _folder: folder }
}

/// Sends requests with incomplete bodies on one connection, and waits until `until` of them have a response. Returns
/// the bodies, which keep the other requests open, and the statuses.
async fn send(server: &Server, requests: usize, until: usize) -> (Vec<SendStream<Bytes>>, Vec<u16>) {
    let stream = TcpStream::connect(server.address).await.unwrap();
    let stream = server.tls.connect("localhost".try_into().unwrap(), stream).await.unwrap();
    let (mut client, connection) = client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let (status, mut statuses) = mpsc::unbounded_channel();
    let mut bodies = Vec::new();
    for _ in 0..requests {
        let request = Request::post("https://localhost/token")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("content-length", "65536");
        client = client.ready().await.unwrap();
        let (response, mut body) = client.send_request(request.body(()).unwrap(), false).unwrap();
        body.send_data(vec![b'a'; 65535].into(), false).unwrap();
        bodies.push(body);
        let status = status.clone();
        tokio::spawn(async move {
            let _ = status.send(response.await.map_or(0, |response: Response<_>| response.status().as_u16()));
        });
    }
    let mut received = Vec::new();
    while received.len() < until {
        let next = tokio::time::timeout(TIMEOUT, statuses.recv()).await;
        received.push(next.expect("a response").expect("a status"));
    }
    (bodies, received)
}

#[actix_web::test]
async fn connection_with_150_concurrent_requests_returns_503_for_50_of_them() {
    let server = server();
    let (_bodies, statuses) = send(&server, 150, 50).await;
    assert_eq!(statuses, [503; 50]);
}

#[actix_web::test]
async fn incomplete_bodies_on_four_connections_use_less_than_64_mib() {
    let server = server();
    // Warm-up: the first connection causes one-time allocations, which must not count as growth.
    send(&server, 1, 0).await;
    let before = server.program.resident_bytes();
    let mut bodies = Vec::new();
    let mut statuses = Vec::new();
    for connection in 0..4 {
        // The first connections use up the budget for bodies, so that requests on the last one get 503.
        let (more, received) = send(&server, 100, if connection < 3 { 0 } else { 50 }).await;
        bodies.extend(more);
        statuses.extend(received);
    }
    let growth = server.program.resident_bytes().saturating_sub(before);
    eprintln!("{} MiB for the bodies of 400 requests on four connections", growth / 1024 / 1024);
    assert!(
        growth < 64 * 1024 * 1024,
        "expected memory to grow by less than 64 MiB, but it grew by {growth} bytes"
    );
    assert_eq!(statuses, [503; 50]);
}
