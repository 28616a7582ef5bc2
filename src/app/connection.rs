//! A connection: how long it may keep the service waiting.
//!
//! Actix times the head of the first request, and idleness after it. Whoever sends the second head slowly, reads
//! an answer slowly, or goes on with a body that was refused, is timed here.

use std::{
    any::Any,
    cell::{Cell, RefCell},
    net::Shutdown,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::{
    body::{BodySize, MessageBody},
    dev::{Extensions, ServiceRequest},
    rt::{self, net::TcpStream, task::JoinHandle, time::sleep},
    web::Bytes,
};
use socket2::{SockRef, Socket};

use crate::app::tick;

/// The most requests that one connection may have going at once: HTTP/2 sets no bound here.
const MAX_REQUESTS: usize = 1000;

/// The most bytes of an answer that are passed on at once: Actix copies them for each client, however slow it is.
const PIECE: usize = 16 * 1024;

/// How long a connection may take.
#[derive(Clone, Copy)]
pub(crate) struct Patience {
    /// From one answer to the head of the next request.
    pub(crate) idle: Duration,
    /// From the head of a request to the end of its answer.
    pub(crate) answer: Duration,
}

/// A connection that is watched for as long as this exists.
struct Connection {
    state: Rc<State>,
    watch: JoinHandle<()>,
}

struct State {
    socket: Socket,
    /// The requests that are not answered yet, and the tick at which each began; the first is the oldest.
    requests: RefCell<Vec<(u64, Duration)>>,
    begun: Cell<u64>,
    idle_since: Cell<Duration>,
}

/// A request that is not answered yet.
pub(super) struct InFlight {
    state: Rc<State>,
    number: u64,
}

/// A body that knows when it was sent, all but what is in buffers.
pub(super) struct Watched<B> {
    body: B,
    /// What came of the body and is not passed on yet; apart, since it is rare and an answer is moved often.
    rest: Option<Box<Bytes>>,
    _in_flight: Option<InFlight>,
}

/// What [`HttpServer::on_connect`](actix_web::HttpServer::on_connect) takes.
pub(super) fn watch(patience: Patience) -> impl Fn(&dyn Any, &mut Extensions) + Send + Sync {
    move |io, extensions| {
        let tls = || Some(io.downcast_ref::<TlsStream<TcpStream>>()?.get_ref().0);
        let Some(stream) = io.downcast_ref::<TcpStream>().or_else(tls) else { return };
        let socket = SockRef::from(stream);
        match socket.try_clone() {
            Ok(twin) => {
                extensions.insert(Connection::new(twin, patience));
            }
            Err(error) => {
                log::warn!("a connection is closed that cannot be watched: {error}");
                let _ = socket.shutdown(Shutdown::Both);
            }
        }
    }
}

/// Notes that a request has come; the first thing that is done with one. None where nobody watches.
pub(super) fn begin(request: &ServiceRequest) -> Option<InFlight> {
    request.conn_data::<Connection>().map(|connection| State::begin(&connection.state))
}

impl<B> Watched<B> {
    /// The body of an answer, which ends the request once it is sent.
    pub(super) fn new(body: B, in_flight: Option<InFlight>) -> Self {
        Self { body, rest: None, _in_flight: in_flight }
    }
}

impl Connection {
    fn new(socket: Socket, patience: Patience) -> Self {
        let state = Rc::new(State {
            socket,
            requests: RefCell::default(),
            begun: Cell::new(0),
            idle_since: Cell::new(tick::last()),
        });
        let watch = rt::spawn(Rc::clone(&state).close_when_late(patience));
        Self { state, watch }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

impl State {
    fn begin(this: &Rc<Self>) -> InFlight {
        let number = this.begun.get();
        this.begun.set(number + 1);
        let mut requests = this.requests.borrow_mut();
        requests.push((number, tick::last()));
        if requests.len() > MAX_REQUESTS {
            this.close("too many requests at once");
        }
        InFlight { state: Rc::clone(this), number }
    }

    async fn close_when_late(self: Rc<Self>, patience: Patience) {
        loop {
            let oldest = self.requests.borrow().first().map(|(_, begun)| *begun);
            let end = match oldest {
                Some(begun) => begun + patience.answer,
                None => self.idle_since.get() + patience.idle,
            };
            let left = end.saturating_sub(tick::last());
            if left.is_zero() {
                return self.close(if oldest.is_some() {
                    "an answer is not taken"
                } else {
                    "no request comes"
                });
            }
            sleep(left).await;
        }
    }

    /// Actix, which reads and writes the same socket, notices.
    fn close(&self, why: &str) {
        log::debug!("a connection is closed: {why}");
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut requests = self.state.requests.borrow_mut();
        requests.retain(|(number, _)| *number != self.number);
        if requests.is_empty() {
            self.state.idle_since.set(tick::last());
        }
    }
}

impl<B: MessageBody + Unpin> MessageBody for Watched<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let mut bytes = match self.rest.take() {
            Some(rest) => *rest,
            None => match Pin::new(&mut self.body).poll_next(context) {
                Poll::Ready(Some(Ok(bytes))) => bytes,
                other => return other,
            },
        };
        if bytes.len() > PIECE {
            let rest = bytes.split_off(PIECE);
            self.rest = Some(rest.into());
        }
        Poll::Ready(Some(Ok(bytes)))
    }
}

/// How many connections this process may have, of `wanted`: each takes two of the files that it may open, and so does each
/// connection to the database that requests share. As many as the system lets a process ask for are asked for.
#[cfg(unix)]
pub(super) fn affordable(wanted: u32, of_database: u32) -> u32 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    const OTHERS: u64 = 108;
    let others = OTHERS + u64::from(of_database) * 2;
    let needed = u64::from(wanted) * 2 + others;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let Some(current) = current.filter(|current| *current < needed) else { return wanted };
    let raised = maximum.map_or(needed, |maximum| maximum.min(needed));
    let files = match setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum }) {
        Ok(()) => raised,
        Err(_) => current,
    };
    if files >= needed {
        return wanted;
    }
    let affordable = u32::try_from(files.saturating_sub(others) / 2).unwrap_or(wanted).max(1);
    log::warn!("at most {affordable} connections, not {wanted}: this process may open {files} files only");
    affordable
}

#[cfg(not(unix))]
pub(super) fn affordable(wanted: u32, _of_database: u32) -> u32 {
    wanted
}
