//! With Actix, by the bearer extractor that its users take.

use std::net::SocketAddr;

use actix_web::{App, HttpServer, error::ErrorUnauthorized, rt::System, web};
use actix_web_httpauth::extractors::bearer::BearerAuth;

use super::recogniser::{Recogniser, User};
use crate::support::Failure;

async fn read_users_me(
    bearer: BearerAuth,
    recogniser: web::Data<Recogniser>,
) -> Result<web::Json<User>, actix_web::Error> {
    let user = recogniser.recognise(bearer.token()).await;
    user.map(web::Json).ok_or_else(|| ErrorUnauthorized("Not authenticated"))
}

pub(super) fn serve(
    address: SocketAddr,
    recogniser: impl AsyncFnOnce() -> Result<Recogniser, Failure>,
) -> Result<(), Failure> {
    let why = |error: std::io::Error| error.to_string();
    System::new().block_on(async {
        let recogniser = web::Data::new(recogniser().await?);
        let application =
            move || App::new().app_data(recogniser.clone()).route("/users/me", web::get().to(read_users_me));
        HttpServer::new(application).workers(1).bind(address).map_err(why)?.run().await.map_err(why)
    })
}
