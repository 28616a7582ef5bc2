//! Timeouts for slow clients, and the maximum number of connections.
//!
//! Actix limits only the time for the head of the first request, and the idle time afterwards. This module also closes
//! the connections of clients that send a later request head slowly, read a response slowly, or keep sending the body
//! of a refused request.

use std::{
    any::Any,
    cell::{Cell, RefCell},
    collections::BTreeMap,
    net::Shutdown,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::{
    body::{BodySize, MessageBody},
    dev::{Extensions, ServiceRequest},
    rt::{self, net::TcpStream, task::JoinHandle, time::sleep},
    web::Bytes,
};
use socket2::{SockRef, Socket};

/// The maximum number of concurrent requests on one connection, since Actix has no limit for HTTP/2. Further requests
/// get 503.
const MAX_REQUESTS: usize = 100;

/// The number of concurrent requests above which the connection is closed.
const TOO_MANY_REQUESTS: usize = 1000;

/// The maximum number of response bytes passed to Actix at once. Actix copies them, so this limits the memory that a
/// slow client can occupy.
const CHUNK: usize = 16 * 1024;

/// The timeouts for a connection.
#[derive(Clone, Copy)]
pub(crate) struct ConnectionTimeouts {
    /// The maximum time from the end of a response, or from opening the connection, to the headers of the next request.
    pub(crate) next_request: Duration,
    /// The maximum time from receiving a request's headers to sending the end of its response.
    pub(crate) response: Duration,
}

/// A connection with a task that closes it after a timeout.
struct Connection {
    state: Rc<State>,
    task: JoinHandle<()>,
}

struct State {
    socket: Socket,
    /// The start time of each request in flight, by number. The first request is the oldest.
    requests: RefCell<BTreeMap<u64, Instant>>,
    next_number: Cell<u64>,
    idle_since: Cell<Instant>,
}

/// A request in flight.
pub(super) struct InFlight {
    state: Rc<State>,
    number: u64,
    /// True if the connection has more than [`MAX_REQUESTS`] requests in flight.
    pub(super) is_over_limit: bool,
}

/// A response body. Its request counts as in flight until the body is dropped.
pub(super) struct TrackedBody<B> {
    body: B,
    /// The part of the last chunk that has not been passed to Actix yet.
    rest: Bytes,
    _in_flight: Option<InFlight>,
}

/// Returns the callback for [`HttpServer::on_connect`](actix_web::HttpServer::on_connect).
pub(super) fn on_connect(timeouts: ConnectionTimeouts) -> impl Fn(&dyn Any, &mut Extensions) + Send + Sync {
    move |io, extensions| {
        let tls = || Some(io.downcast_ref::<TlsStream<TcpStream>>()?.get_ref().0);
        let Some(stream) = io.downcast_ref::<TcpStream>().or_else(tls) else { return };
        let socket = SockRef::from(stream);
        match socket.try_clone() {
            Ok(clone) => {
                extensions.insert(Connection::new(clone, timeouts));
            }
            Err(error) => {
                log::warn!("closing a new connection: cannot set up its timeouts: {error}");
                let _ = socket.shutdown(Shutdown::Both);
            }
        }
    }
}

/// Starts the response timeout of a request. Returns `None` for requests without a connection, as in tests.
pub(super) fn track(request: &ServiceRequest) -> Option<InFlight> {
    request.conn_data::<Connection>().map(|connection| State::begin(&connection.state))
}

impl<B> TrackedBody<B> {
    pub(super) fn new(body: B, in_flight: Option<InFlight>) -> Self {
        Self { body, rest: Bytes::new(), _in_flight: in_flight }
    }
}

impl Connection {
    fn new(socket: Socket, timeouts: ConnectionTimeouts) -> Self {
        let state = Rc::new(State {
            socket,
            requests: RefCell::default(),
            next_number: Cell::new(0),
            idle_since: Cell::new(Instant::now()),
        });
        let task = rt::spawn(Rc::clone(&state).close_when_late(timeouts));
        Self { state, task }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl State {
    fn begin(this: &Rc<Self>) -> InFlight {
        let number = this.next_number.get();
        this.next_number.set(number + 1);
        let mut requests = this.requests.borrow_mut();
        requests.insert(number, Instant::now());
        if requests.len() > TOO_MANY_REQUESTS {
            this.close("too many concurrent requests");
        }
        InFlight { state: Rc::clone(this), number, is_over_limit: requests.len() > MAX_REQUESTS }
    }

    async fn close_when_late(self: Rc<Self>, timeouts: ConnectionTimeouts) {
        loop {
            let oldest = self.requests.borrow().first_key_value().map(|(_, start)| *start);
            let deadline = match oldest {
                Some(start) => start + timeouts.response,
                None => self.idle_since.get() + timeouts.next_request,
            };
            let remaining = deadline.saturating_duration_since(Instant::now());
            if remaining.is_zero() {
                let no_request = "timed out waiting for a request";
                return self.close(oldest.map_or(no_request, |_| "timed out sending a response"));
            }
            sleep(remaining).await;
        }
    }

    /// Shuts down the socket. Actix notices this at its next read or write, and closes the connection.
    fn close(&self, reason: &str) {
        log::debug!("closing a connection: {reason}");
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut requests = self.state.requests.borrow_mut();
        requests.remove(&self.number);
        if requests.is_empty() {
            self.state.idle_since.set(Instant::now());
        }
    }
}

impl<B: MessageBody + Unpin> MessageBody for TrackedBody<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_next(context)) {
                Some(Ok(bytes)) => self.rest = bytes,
                other => return Poll::Ready(other),
            }
        }
        let length = self.rest.len().min(CHUNK);
        Poll::Ready(Some(Ok(self.rest.split_to(length))))
    }
}

/// Returns the number of client connections that this process can have, at most `wanted`. If necessary, raises the file
/// descriptor limit of the process as far as the system allows. Each client connection and each database connection
/// uses two file descriptors.
#[cfg(unix)]
pub(super) fn limit(wanted: u32, database_connections: u32) -> u32 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    // File descriptors for logs, keys, the runtime and background tasks.
    const OTHER_FILES: u64 = 108;
    let reserved = OTHER_FILES + u64::from(database_connections) * 2;
    let needed = u64::from(wanted) * 2 + reserved;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let Some(current) = current.filter(|current| *current < needed) else { return wanted };
    let raised = maximum.map_or(needed, |maximum| maximum.min(needed));
    let is_raised = setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum }).is_ok();
    let files = if is_raised { raised } else { current };
    if files >= needed {
        return wanted;
    }
    let affordable = u32::try_from(files.saturating_sub(reserved) / 2).unwrap_or(wanted).max(1);
    log::warn!(
        "accepting at most {affordable} connections instead of {wanted}: the limit on open files is {files}; \
         raise it, or lower --max-connections"
    );
    affordable
}

#[cfg(not(unix))]
pub(super) fn limit(wanted: u32, _database_connections: u32) -> u32 {
    wanted
}
