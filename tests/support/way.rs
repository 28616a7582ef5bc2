//! A way to PostgreSQL that can be closed, blocked and opened again.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    os::unix::net::UnixStream,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

use super::postgres::Database;

/// Listens on TCP and leads to PostgreSQL's Unix socket.
pub struct Way {
    address: SocketAddr,
    passage: Arc<Passage>,
}

struct Passage {
    state: Mutex<State>,
    /// How often everybody on the way was stranded.
    strandings: AtomicU32,
    turned: Condvar,
    clients: Mutex<Vec<TcpStream>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// Whoever comes is sent away.
    Closed,
    /// Whoever comes is let in, and nothing passes: a network that loses every packet.
    Blocked,
}

impl Way {
    /// A way to this database and the URL by which it leads there, or why there is none.
    pub fn to(database: &Database) -> Result<(Self, String), String> {
        // postgres://postgres@localhost/DATABASE?host=FOLDER
        let (url, folder) = database.url.split_once("?host=").ok_or("PostgreSQL has no Unix socket")?;
        let name = url.rsplit('/').next().unwrap_or_default();
        let way = Self::to_socket(format!("{folder}/.s.PGSQL.5432"));
        let url = format!("postgres://postgres:hush@{}/{name}?sslmode=disable", way.address);
        Ok((way, url))
    }

    fn to_socket(socket: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let passage = Arc::new(Passage {
            state: Mutex::new(State::Open),
            strandings: AtomicU32::new(0),
            turned: Condvar::new(),
            clients: Mutex::default(),
        });
        let way = Self { address: listener.local_addr().unwrap(), passage: Arc::clone(&passage) };
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if passage.let_in(&client) {
                    let (passage, socket) = (Arc::clone(&passage), socket.clone());
                    let since = passage.strandings.load(Ordering::SeqCst);
                    thread::spawn(move || {
                        if passage.wait(since) {
                            let server = UnixStream::connect(&socket).expect("PostgreSQL answers");
                            join(client, server, &passage, since);
                        }
                    });
                }
            }
        });
        way
    }

    /// Ends every connection, and lets none begin.
    pub fn close(&self) {
        self.passage.turn(State::Closed);
        for client in self.passage.clients.lock().unwrap().drain(..) {
            let _ = client.shutdown(Shutdown::Both);
        }
    }

    /// Keeps every connection, lets others begin, and lets nothing through until it is open again.
    pub fn block(&self) {
        self.passage.turn(State::Blocked);
    }

    /// Lets nothing through any more on the connections that are there, and others begin and go on as if nothing were: a
    /// firewall that forgot them.
    pub fn strand(&self) {
        self.passage.strandings.fetch_add(1, Ordering::SeqCst);
    }

    pub fn open(&self) {
        self.passage.turn(State::Open);
    }
}

impl Passage {
    fn turn(&self, state: State) {
        *self.state.lock().unwrap() = state;
        self.turned.notify_all();
    }

    fn let_in(&self, client: &TcpStream) -> bool {
        let state = self.state.lock().unwrap();
        if *state == State::Closed {
            return false;
        }
        self.clients.lock().unwrap().push(client.try_clone().unwrap());
        true
    }

    /// Waits while nothing passes for who came after so many strandings; whether it is open then.
    fn wait(&self, since: u32) -> bool {
        let state = self.state.lock().unwrap();
        let waits =
            |state: &mut State| *state == State::Blocked || self.strandings.load(Ordering::SeqCst) > since;
        *self.turned.wait_while(state, waits).unwrap() == State::Open
    }
}

/// Passes on what either says, until one hangs up.
fn join(client: TcpStream, server: UnixStream, passage: &Arc<Passage>, since: u32) {
    let (from_client, to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let back = Arc::clone(passage);
    thread::spawn(move || {
        pass(&from_client, &to_server, &back, since);
        to_server.shutdown(Shutdown::Both)
    });
    pass(&server, &client, passage, since);
    let _ = client.shutdown(Shutdown::Both);
}

fn pass(mut from: impl Read, mut to: impl Write, passage: &Passage, since: u32) {
    let mut buffer = [0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        if !passage.wait(since) || to.write_all(&buffer[..read]).is_err() {
            return;
        }
    }
}
