//! A name server like Docker's, which responds to every query with the addresses of the replicas.

use std::{
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    sync::{Arc, Mutex},
    thread,
};

pub struct NameServer {
    pub address: SocketAddr,
    replicas: Arc<Mutex<Vec<Ipv4Addr>>>,
}

impl NameServer {
    pub fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let address = socket.local_addr().unwrap();
        let replicas = Arc::<Mutex<Vec<_>>>::default();
        let known = Arc::clone(&replicas);
        thread::spawn(move || {
            let mut query = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut query) {
                let response = response(&query[..length], &known.lock().unwrap());
                let _ = socket.send_to(&response, from);
            }
        });
        Self { address, replicas }
    }

    pub fn add(&self, replica: Ipv4Addr) {
        self.replicas.lock().unwrap().push(replica);
    }

    pub fn remove(&self, replica: Ipv4Addr) {
        self.replicas.lock().unwrap().retain(|known| *known != replica);
    }
}

/// Returns the response to a query for addresses (RFC 1035 section 4): the query, and then a record for each address.
fn response(query: &[u8], addresses: &[Ipv4Addr]) -> Vec<u8> {
    const IS_RESPONSE: [u8; 2] = [0x81, 0x80];
    const NAME_OF_QUERY: [u8; 2] = [0xc0, 12];
    const TYPE_A_CLASS_IN: [u8; 4] = [0, 1, 0, 1];
    const TTL_AND_LENGTH: [u8; 6] = [0, 0, 0, 1, 0, 4];
    let count = u16::try_from(addresses.len()).unwrap().to_be_bytes();
    let mut response = [&query[..2], &IS_RESPONSE, &[0, 1], &count, &[0; 4], &query[12..]].concat();
    for address in addresses {
        response.extend(NAME_OF_QUERY);
        response.extend(TYPE_A_CLASS_IN);
        response.extend(TTL_AND_LENGTH);
        response.extend(address.octets());
    }
    response
}
