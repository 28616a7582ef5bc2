//! A cluster: replicas behind nginx that share a PostgreSQL database and a key directory.

use std::{
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener},
    process,
    sync::atomic::{AtomicU8, Ordering},
};

use crate::{
    cluster::{name_server::NameServer, nginx::Nginx},
    support::{
        postgres,
        program::Gatepass,
        secure_profile::{Service, add_johndoe, free_address, serve_command},
        skip,
    },
};

pub struct Cluster {
    /// The address of nginx.
    pub address: SocketAddr,
    pub names: NameServer,
    gatepass: Gatepass,
    port: u16,
    network: [u8; 3],
    /// The last byte of the next replica's address.
    next: u8,
    _nginx: Nginx,
}

pub struct Replica {
    pub service: Service,
    pub address: Ipv4Addr,
}

impl Cluster {
    /// Creates a cluster without replicas that has the users johndoe and alice. Returns `None`, which skips the test,
    /// if nginx, PostgreSQL or a second loopback address is missing.
    pub fn create() -> Option<Self> {
        Self::try_create().inspect_err(|why| skip(why)).ok()
    }

    fn try_create() -> Result<Self, String> {
        static NUMBER: AtomicU8 = AtomicU8::new(0);
        let names = NameServer::start();
        // As in a Docker network, replicas have different addresses and the same port. All of 127.0.0.0/8 is local.
        let port = free_address().port();
        let [.., process] = process::id().to_be_bytes();
        let network @ [a, b, c] = [127, 1 + NUMBER.fetch_add(1, Ordering::Relaxed), process];
        TcpListener::bind((Ipv4Addr::new(a, b, c, 1), port))
            .map_err(|error| format!("cannot listen on loopback addresses other than 127.0.0.1: {error}"))?;
        let nginx = Nginx::start(names.address, port)?;
        let gatepass = Gatepass::on_postgres(postgres::Database::create()?);
        add_johndoe(&gatepass);
        gatepass.add("alice", &[]).done();
        Ok(Self { address: nginx.address, names, gatepass, port, network, next: 1, _nginx: nginx })
    }

    /// Starts a replica and adds its address to the name server.
    pub fn start_replica(&mut self) -> Replica {
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
