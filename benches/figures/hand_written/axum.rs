//! With axum.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Json, Router,
    extract::FromRequestParts,
    http::{StatusCode, header::AUTHORIZATION, request::Parts},
    routing::get,
    serve::ListenerExt,
};
use tokio::{net::TcpListener, runtime::Builder};

use super::recogniser::{Recogniser, User};
use crate::support::Failure;

struct CurrentUser(User);

impl FromRequestParts<Arc<Recogniser>> for CurrentUser {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, recogniser: &Arc<Recogniser>) -> Result<Self, StatusCode> {
        let header = parts.headers.get(AUTHORIZATION).and_then(|header| header.to_str().ok());
        let token =
            header.and_then(|header| header.strip_prefix("Bearer ")).ok_or(StatusCode::UNAUTHORIZED)?;
        recogniser.recognise(token).await.map(Self).ok_or(StatusCode::UNAUTHORIZED)
    }
}

async fn read_users_me(CurrentUser(user): CurrentUser) -> Json<User> {
    Json(user)
}

pub(super) fn serve(
    address: SocketAddr,
    recogniser: impl AsyncFnOnce() -> Result<Recogniser, Failure>,
) -> Result<(), Failure> {
    let why = |error: std::io::Error| error.to_string();
    // One worker.
    let runtime = Builder::new_current_thread().enable_all().build().map_err(why)?;
    runtime.block_on(async {
        let recogniser = Arc::new(recogniser().await?);
        let router = Router::new().route("/users/me", get(read_users_me)).with_state(recogniser);
        // As Actix has it.
        let listener = TcpListener::bind(address).await.map_err(why)?.tap_io(|stream| {
            let _ = stream.set_nodelay(true);
        });
        axum::serve(listener, router).await.map_err(why)
    })
}
