//! The bare Actix handlers: GET /users/me with nothing in front of it. This program runs one as a process of
//! its own.

use std::{fmt::Display, sync::LazyLock};

use actix_web::{App, HttpResponse, HttpServer, rt::System, web};
use gatepass::tutorial::TutorialUser;

use crate::{peer::USER, support::Failure};

/// What this program is started with to be a bare handler; its kind and the address follow.
pub const ARGUMENT: &str = "--bare";
/// The handler that has its answer ready.
pub const READY: &str = "ready";
/// The handler that writes its answer as JSON every time, as GET /users/me does.
pub const JSON: &str = "json";

/// Serves until the process is ended.
pub fn serve(kind: &str, address: &str) -> Result<(), Failure> {
    let why = |error: &dyn Display| error.to_string();
    let writes = kind == JSON;
    let application = move || {
        App::new().route("/users/me", if writes { web::get().to(json) } else { web::get().to(ready) })
    };
    System::new().block_on(async {
        let server = HttpServer::new(application).workers(1).bind(address).map_err(|error| why(&error))?;
        server.run().await.map_err(|error| why(&error))
    })
}

async fn ready() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(USER)
}

async fn json() -> HttpResponse {
    static JOHN: LazyLock<TutorialUser> = LazyLock::new(|| TutorialUser {
        username: "johndoe".into(),
        email: "johndoe@example.com".into(),
        full_name: "John Doe".into(),
        disabled: false,
        hashed_password: "fakehashedsecret".into(),
    });
    HttpResponse::Ok().json(&*JOHN)
}
