//! A port of FastAPI's chapter "Simple OAuth2 with Password and Bearer". INSECURE, like the chapter: passwords are not
//! hashed, and the token is the username.

use std::{env, error::Error};

use actix_web::{App, HttpServer, get, web};
use gatepass::tutorial::{InsecureFakeHasher, InsecureSubjectTokens, TutorialUser, TutorialUsers};
use gatepass::{ActiveUser, Auth, ErrorFormat, docs};
use utoipa::OpenApi;

#[utoipa::path(
    security(("OAuth2PasswordBearer" = [])),
    responses((status = 200, body = TutorialUser)),
)]
#[get("/users/me")]
async fn read_users_me(current_user: ActiveUser<TutorialUser>) -> web::Json<TutorialUser> {
    web::Json(current_user.into_inner())
}

#[derive(OpenApi)]
#[openapi(paths(read_users_me))]
struct Document;

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let auth = Auth::builder(TutorialUsers::default()) // johndoe, and alice, who is disabled
        .passwords(InsecureFakeHasher::default())
        .tokens(InsecureSubjectTokens)
        .error_format(ErrorFormat::FastApi)
        .inactive_users_sign_in(true)
        .build()?;
    let docs = docs::routes(&Document::openapi().merge_from(auth.openapi()))?;
    let app = move || {
        App::new()
            .configure(auth.routes())
            .configure(docs.clone())
            .service(read_users_me)
    };
    let address = env::var("BIND").unwrap_or("127.0.0.1:8080".into());
    Ok(HttpServer::new(app).bind(address)?.run().await?)
}
