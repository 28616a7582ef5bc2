//! The cluster: replicas on one PostgreSQL and one folder of keys, and nginx in front of them.

use std::{
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener},
    process,
    sync::atomic::{AtomicU8, Ordering},
};

use crate::{
    cluster::{names::Names, nginx::Nginx},
    support::{
        left_out, postgres,
        program::Gatepass,
        secure_profile::{Service, add_johndoe, free_address, serve_command},
    },
};

pub struct Cluster {
    /// What a client knows: nginx.
    pub address: SocketAddr,
    pub names: Names,
    gatepass: Gatepass,
    port: u16,
    network: [u8; 3],
    /// The number of the next replica, which is the end of its address.
    next: u8,
    _nginx: Nginx,
}

/// One of several services.
pub struct Replica {
    pub service: Service,
    pub address: Ipv4Addr,
}

impl Cluster {
    /// One with johndoe and no replica, or `None`, and said so, where something is missing here.
    pub fn create(test: &str) -> Option<Self> {
        Self::try_create().inspect_err(|why| left_out(test, why)).ok()
    }

    fn try_create() -> Result<Self, String> {
        static NUMBER: AtomicU8 = AtomicU8::new(0);
        let names = Names::serve();
        // Each replica has an address of its own and all have one port, as in Docker's network. All of 127.0.0.0/8 is
        // this machine.
        let port = free_address().port();
        let [.., process] = process::id().to_be_bytes();
        let network @ [a, b, c] = [127, 1 + NUMBER.fetch_add(1, Ordering::Relaxed), process];
        TcpListener::bind((Ipv4Addr::new(a, b, c, 1), port))
            .map_err(|error| format!("this machine has no other loopback address than 127.0.0.1: {error}"))?;
        let nginx = Nginx::start(names.address, port)?;
        let gatepass = Gatepass::on_postgres(postgres::Database::create()?);
        add_johndoe(&gatepass);
        Ok(Self { address: nginx.address, names, gatepass, port, network, next: 1, _nginx: nginx })
    }

    /// Another replica, which has told its address to the name server.
    pub fn replica(&mut self) -> Replica {
        let [a, b, c] = self.network;
        let address = Ipv4Addr::new(a, b, c, self.next);
        self.next += 1;
        let bind = SocketAddrV4::new(address, self.port).to_string();
        let arguments =
            ["--bind", &bind, "--issuer", "https://auth.example.com", "--trusted-proxies", "127.0.0.1"];
        let service = Service::run(&mut serve_command(&self.gatepass, &arguments));
        self.names.add(address);
        Replica { service, address }
    }
}
