//! A name server, as Docker has one: it answers every question with the addresses of the replicas.

use std::{
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    sync::{Arc, Mutex},
    thread,
};

pub struct Names {
    pub address: SocketAddr,
    replicas: Arc<Mutex<Vec<Ipv4Addr>>>,
}

impl Names {
    pub fn serve() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let address = socket.local_addr().unwrap();
        let replicas = Arc::<Mutex<Vec<_>>>::default();
        let known = Arc::clone(&replicas);
        thread::spawn(move || {
            let mut question = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut question) {
                let answer = answer(&question[..length], &known.lock().unwrap());
                let _ = socket.send_to(&answer, from);
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

/// The answer to one question for addresses (RFC 1035 section 4): its own words, and a record for each address.
fn answer(question: &[u8], addresses: &[Ipv4Addr]) -> Vec<u8> {
    const RESPONSE: [u8; 2] = [0x81, 0x80];
    const NAME_OF_THE_QUESTION: [u8; 2] = [0xc0, 12];
    const ADDRESS_ON_THE_INTERNET: [u8; 4] = [0, 1, 0, 1];
    const SECONDS_AND_LENGTH: [u8; 6] = [0, 0, 0, 1, 0, 4];
    let count = u16::try_from(addresses.len()).unwrap().to_be_bytes();
    let mut answer = [&question[..2], &RESPONSE, &[0, 1], &count, &[0; 4], &question[12..]].concat();
    for address in addresses {
        answer.extend(NAME_OF_THE_QUESTION);
        answer.extend(ADDRESS_ON_THE_INTERNET);
        answer.extend(SECONDS_AND_LENGTH);
        answer.extend(address.octets());
    }
    answer
}
