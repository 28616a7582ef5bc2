//! The WebSocket connections. The first message of a client is its token.

use std::{sync::Arc, time::Duration};

use actix_web::{HttpRequest, HttpResponse, get, rt, web};
use actix_ws::{AggregatedMessage as Message, AggregatedMessageStream, CloseCode, Session};
use gatepass::auth::{AuthenticatedUser, Authentication};
use gatepass::cache::{CacheInvalidator, Invalidation};
use gatepass::{AccessToken, Auth, AuthUser, Timestamp, sql::User};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::broadcast::{Receiver, Sender};
use tokio::{select, time};

const TIME_TO_AUTHENTICATE: Duration = Duration::from_secs(5);
/// The interval at which the expiry of tokens is checked.
const CHECK_INTERVAL: Duration = Duration::from_secs(30);
/// The time after which a client that does not read is disconnected.
const TIME_TO_READ: Duration = Duration::from_secs(5);
const MAX_BYTES: usize = 4096;

/// A message from a client.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Request {
    Token(String),
    Text(String),
}

/// The state that all connections of this process share.
pub struct Chat {
    pub messages: Sender<String>,
    pub changes: Sender<Invalidation>,
}

/// A listener that forwards changes to sessions and users to the connections. Sending fails only if no connection is
/// open.
pub struct Changes(pub Sender<Invalidation>);

impl CacheInvalidator for Changes {
    fn invalidate(&self, change: &Invalidation) {
        let _ = self.0.send(change.clone());
    }

    fn synced_until(&self, _: Timestamp) {}

    fn disconnected(&self) {}

    fn reconnected(&self) {
        let _ = self.0.send(Invalidation::Everything);
    }
}

#[get("/chat")]
pub async fn chat(
    auth: Auth<User>,
    chat: web::Data<Chat>,
    request: HttpRequest,
    body: web::Payload,
) -> actix_web::Result<HttpResponse> {
    let (response, session, stream) = actix_ws::handle(&request, body)?;
    let stream = stream.max_frame_size(MAX_BYTES).aggregate_continuations();
    let connection = Connection {
        auth,
        inbox: chat.messages.subscribe(),
        changes: chat.changes.subscribe(),
        chat,
        session: session.clone(),
        stream: stream.max_continuation_size(MAX_BYTES),
    };
    rt::spawn(async move {
        let reason = connection.run().await;
        let close = session.close(Some((CloseCode::Policy, reason).into()));
        // An error means that the client has closed the connection, or does not read.
        let _ = time::timeout(TIME_TO_READ, close).await;
    });
    Ok(response)
}

struct Connection {
    auth: Auth<User>,
    chat: web::Data<Chat>,
    inbox: Receiver<String>,
    changes: Receiver<Invalidation>,
    session: Session,
    stream: AggregatedMessageStream,
}

/// A valid token and its user.
type SignedIn = (AccessToken, Arc<AuthenticatedUser<User>>);

impl Connection {
    /// Serves the connection, and returns the reason for closing it.
    async fn run(mut self) -> &'static str {
        let first = receive(&mut self.stream, &mut self.session);
        let Ok(Some(Request::Token(token))) = time::timeout(TIME_TO_AUTHENTICATE, first).await
        else {
            return "the first message must be a token";
        };
        let Some(mut signed_in) = self.authenticate(token.into()).await else {
            return "the token is not valid";
        };
        // Messages that were sent before this client signed in are not for it.
        self.inbox = self.inbox.resubscribe();
        let mut check = time::interval(CHECK_INTERVAL);
        loop {
            let must_check = select! {
                request = receive(&mut self.stream, &mut self.session) => match request {
                    Some(Request::Token(token)) => match self.authenticate(token.into()).await {
                        Some(new) if new.1.claims.subject == signed_in.1.claims.subject => {
                            signed_in = new;
                            false
                        }
                        _ => return "the token is not valid",
                    },
                    Some(Request::Text(text)) => {
                        let message = json!({ "from": signed_in.1.user.username, "text": text });
                        let _ = self.chat.messages.send(message.to_string());
                        false
                    }
                    None => return "invalid message",
                },
                message = self.inbox.recv() => {
                    // An error means that this connection is too slow and has missed messages.
                    if let Ok(message) = message {
                        let send = time::timeout(TIME_TO_READ, self.session.text(message));
                        if !matches!(send.await, Ok(Ok(()))) {
                            return "the client reads too slowly";
                        }
                    }
                    false
                }
                change = self.changes.recv() => match change {
                    Ok(change) => is_about(&change, &signed_in.1),
                    Err(_) => true, // some changes were missed
                },
                _ = check.tick() => true,
            };
            if must_check {
                match self.authenticate(signed_in.0).await {
                    Some(valid) => signed_in = valid,
                    None => return "the session has ended",
                }
            }
        }
    }

    /// Returns a token and its user if the token is valid and has the scope, and its session is active.
    async fn authenticate(&self, token: AccessToken) -> Option<SignedIn> {
        match self.auth.authenticate(&token).await {
            Ok(Authentication::Valid(user))
                if user.user.is_active() && user.granted_scopes.covers(["chat"]) =>
            {
                Some((token, user))
            }
            _ => None,
        }
    }
}

/// Receives the next request. Returns `None` if the client has closed the connection or sent anything else.
async fn receive(stream: &mut AggregatedMessageStream, session: &mut Session) -> Option<Request> {
    loop {
        match stream.recv().await?.ok()? {
            Message::Text(text) => return serde_json::from_str(&text).ok(),
            Message::Ping(bytes) => session.pong(&bytes).await.ok()?,
            Message::Pong(_) => {}
            Message::Binary(_) | Message::Close(_) => return None,
        }
    }
}

fn is_about(change: &Invalidation, user: &AuthenticatedUser<User>) -> bool {
    match change {
        Invalidation::User(subject) => *subject == user.claims.subject,
        Invalidation::Session(id) => Some(id) == user.claims.session_id.as_ref(),
        Invalidation::Client(id) => Some(id) == user.claims.client_id.as_ref(),
        Invalidation::Everything => true,
    }
}
