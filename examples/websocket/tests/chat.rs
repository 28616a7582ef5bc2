//! Checks that the chat works only with a valid token, and only while the session is active.

use std::time::Duration;

use actix_web::rt::{System, time::timeout};
use awc::ws::{Frame, Message};
use awc::{Client, error::WsProtocolError};
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use serde_json::{Value, json};
use support::Example;

const TIMEOUT: Duration = Duration::from_secs(60);
const ACCOUNT: &str = r#"{"username": "alice", "password": "glacier violin marmalade"}"#;

trait Socket: Sink<Message> + Stream<Item = Result<Frame, WsProtocolError>> + Unpin {}
impl<S: Sink<Message> + Stream<Item = Result<Frame, WsProtocolError>> + Unpin> Socket for S {}

async fn connect(example: &Example) -> impl Socket {
    let url = format!("http://{}/chat", example.address);
    Client::new()
        .ws(url)
        .connect()
        .await
        .expect("a WebSocket")
        .1
}

async fn send(socket: &mut impl Socket, message: Value) {
    assert!(
        socket
            .send(Message::Text(message.to_string().into()))
            .await
            .is_ok()
    );
}

async fn receive(socket: &mut impl Socket) -> Frame {
    let frame = timeout(TIMEOUT, socket.next())
        .await
        .expect("a frame in time");
    frame.expect("a frame").expect("a valid frame")
}

async fn text(socket: &mut impl Socket) -> Value {
    let Frame::Text(text) = receive(socket).await else {
        panic!("expected a text message")
    };
    serde_json::from_slice(&text).expect("JSON")
}

/// Returns the reason why the server closed the connection.
async fn close_reason(socket: &mut impl Socket) -> String {
    let Frame::Close(Some(reason)) = receive(socket).await else {
        panic!("expected a close frame")
    };
    assert_eq!(u16::from(reason.code), 1008);
    reason.description.expect("a reason")
}

async fn token(example: &Example) -> String {
    let form = [
        ("username", "alice"),
        ("password", "glacier violin marmalade"),
    ];
    let mut response = post(example, "/token")
        .send_form(&form)
        .await
        .expect("a response");
    let body: Value =
        serde_json::from_slice(&response.body().await.expect("a body")).expect("JSON");
    body["access_token"].as_str().expect("a token").to_owned()
}

fn post(example: &Example, path: &str) -> awc::ClientRequest {
    Client::new()
        .post(format!("http://{}{path}", example.address))
        .timeout(TIMEOUT)
}

fn run(test: impl AsyncFnOnce(&Example)) {
    let example = Example::start(env!("CARGO_BIN_EXE_websocket"), &[]);
    System::new().block_on(async {
        let account = post(&example, "/users").content_type("application/json");
        assert_eq!(
            account
                .send_body(ACCOUNT)
                .await
                .expect("a response")
                .status(),
            201
        );
        test(&example).await
    });
}

#[test]
fn messages_reach_all_connections_until_the_session_ends() {
    run(async |example| {
        let (mut first, mut second) = (connect(example).await, connect(example).await);
        let (token_1, token_2) = (token(example).await, token(example).await);
        send(&mut first, json!({ "token": token_1 })).await;
        send(&mut first, json!({ "text": "hello" })).await;
        let hello = json!({ "from": "alice", "text": "hello" });
        assert_eq!(text(&mut first).await, hello);

        // The second connection gets no message that was sent before its token. Its own message
        // shows that it is authenticated.
        send(&mut second, json!({ "token": token_2 })).await;
        send(&mut second, json!({ "text": "hello" })).await;
        assert_eq!(text(&mut second).await, hello);
        assert_eq!(text(&mut first).await, hello);

        let revoked = post(example, "/revoke")
            .send_form(&[("token", &token_1)])
            .await;
        assert_eq!(revoked.expect("a response").status(), 200);
        assert_eq!(close_reason(&mut first).await, "the session has ended");

        // Another token of the user keeps the connection open.
        let token_3 = token(example).await;
        send(&mut second, json!({ "token": token_3 })).await;
        send(&mut second, json!({ "text": "still here" })).await;
        assert_eq!(text(&mut second).await["text"], "still here");
        let sessions = format!("http://{}/users/me/sessions", example.address);
        let ended = Client::new()
            .delete(sessions)
            .bearer_auth(token_3)
            .send()
            .await;
        assert_eq!(ended.expect("a response").status(), 204);
        assert_eq!(close_reason(&mut second).await, "the session has ended");
    });
}

#[test]
fn connection_without_a_valid_token_is_closed() {
    run(async |example| {
        for (message, reason) in [
            (json!({ "token": "wrong" }), "the token is not valid"),
            (
                json!({ "text": "hello" }),
                "the first message must be a token",
            ),
            (
                json!({ "text": "x".repeat(5000) }),
                "the first message must be a token",
            ),
        ] {
            let mut socket = connect(example).await;
            send(&mut socket, message).await;
            assert_eq!(close_reason(&mut socket).await, reason);
        }
        let mut silent = connect(example).await;
        assert_eq!(
            close_reason(&mut silent).await,
            "the first message must be a token"
        );
    });
}

#[test]
fn readme_commands_print_the_output_in_the_readme() {
    let example = Example::start(env!("CARGO_BIN_EXE_websocket"), &[]);
    example.run_file(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md"));
    example.run(IMPERSONATION);
}

/// Registrations with a zero-width space and with a trailing space in the username.
const IMPERSONATION: &str = r#"
```console
$ curl -s -w ' %{http_code}' --json '{"username": "john\u200bdoe", "password": "glacier violin marmalade"}' http://127.0.0.1:8080/users
{"detail":"it contains a control or invisible character"} 400
$ curl -s -w ' %{http_code}' --json '{"username": "johndoe ", "password": "glacier violin marmalade"}' http://127.0.0.1:8080/users
{"detail":"it begins or ends with white space"} 400
```
"#;
