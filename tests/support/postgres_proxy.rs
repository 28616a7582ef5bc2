//! A TCP proxy to PostgreSQL that can simulate several kinds of outages.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    os::unix::net::UnixStream,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
    thread,
};

use super::postgres::Database;

/// A proxy from TCP to PostgreSQL's Unix socket.
pub struct PostgresProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    /// Only connections of the current generation carry data.
    generation: AtomicU32,
    activity: AtomicUsize,
    clients: Mutex<Vec<TcpStream>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// New connections are closed immediately.
    Closed,
    /// Connections are accepted but carry no data, as if every packet were lost.
    Blocked,
}

impl PostgresProxy {
    /// Starts a proxy to a database. Returns the proxy, and the URL of the database through the proxy.
    pub fn start(database: &Database) -> Result<(Self, String), String> {
        // postgres://postgres@localhost/DATABASE?host=FOLDER
        let (url, folder) = database.url.split_once("?host=").ok_or("PostgreSQL has no Unix socket")?;
        let name = url.rsplit('/').next().unwrap_or_default();
        let proxy = Self::to_socket(format!("{folder}/.s.PGSQL.5432"));
        let url = format!("postgres://postgres:hush@{}/{name}?sslmode=disable", proxy.address);
        Ok((proxy, url))
    }

    fn to_socket(socket: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let shared = Arc::new(Shared {
            state: Mutex::new(State::Open),
            changed: Condvar::new(),
            generation: AtomicU32::new(0),
            activity: AtomicUsize::new(0),
            clients: Mutex::default(),
        });
        let proxy = Self { address: listener.local_addr().unwrap(), shared: Arc::clone(&shared) };
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if shared.accept(&client) {
                    let (shared, socket) = (Arc::clone(&shared), socket.clone());
                    let generation = shared.generation.load(Ordering::SeqCst);
                    thread::spawn(move || {
                        if shared.wait_until_open(generation) {
                            let server =
                                UnixStream::connect(&socket).expect("PostgreSQL accepts connections");
                            forward_both_ways(client, server, &shared, generation);
                        }
                    });
                }
            }
        });
        proxy
    }

    /// Closes all connections, and refuses new connections.
    pub fn close(&self) {
        self.shared.set(State::Closed);
        for client in self.shared.clients.lock().unwrap().drain(..) {
            let _ = client.shutdown(Shutdown::Both);
        }
    }

    /// Holds back all data on existing and new connections until the proxy is opened again.
    pub fn block(&self) {
        self.shared.set(State::Blocked);
    }

    /// Drops all further data on existing connections without closing them, like a firewall that has forgotten these
    /// connections. New connections work.
    pub fn drop_silently(&self) {
        self.shared.generation.fetch_add(1, Ordering::SeqCst);
    }

    /// Returns the number of connections accepted so far, plus the number of chunks received so far.
    pub fn activity(&self) -> usize {
        self.shared.activity.load(Ordering::SeqCst)
    }

    pub fn open(&self) {
        self.shared.set(State::Open);
    }
}

impl Shared {
    fn set(&self, state: State) {
        *self.state.lock().unwrap() = state;
        self.changed.notify_all();
    }

    fn accept(&self, client: &TcpStream) -> bool {
        let state = self.state.lock().unwrap();
        if *state == State::Closed {
            return false;
        }
        self.clients.lock().unwrap().push(client.try_clone().unwrap());
        self.activity.fetch_add(1, Ordering::SeqCst);
        true
    }

    /// Waits while connections of this generation carry no data. Returns `false` if the proxy was closed.
    fn wait_until_open(&self, generation: u32) -> bool {
        let is_blocked = |state: &mut State| {
            *state == State::Blocked || self.generation.load(Ordering::SeqCst) > generation
        };
        *self.changed.wait_while(self.state.lock().unwrap(), is_blocked).unwrap() == State::Open
    }
}

/// Forwards data in both directions until one side closes its connection.
fn forward_both_ways(client: TcpStream, server: UnixStream, shared: &Arc<Shared>, generation: u32) {
    let (from_client, to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let shared_too = Arc::clone(shared);
    thread::spawn(move || {
        forward(&from_client, &to_server, &shared_too, generation);
        to_server.shutdown(Shutdown::Both)
    });
    forward(&server, &client, shared, generation);
    let _ = client.shutdown(Shutdown::Both);
}

fn forward(mut from: impl Read, mut to: impl Write, shared: &Shared, generation: u32) {
    let mut buffer = [0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        shared.activity.fetch_add(1, Ordering::SeqCst);
        if !shared.wait_until_open(generation) || to.write_all(&buffer[..read]).is_err() {
            return;
        }
    }
}
