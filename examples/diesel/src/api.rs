//! The endpoints. All errors have the default format: `{"detail": …}`.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError, Result, get, post, web};
use gatepass::error::ApiError;
use gatepass::{ActiveUser, Auth, ClientInfo, Password, Username, required_scopes};
use serde::Deserialize;

use crate::users::{User, Users};

required_scopes! {
    pub struct Me = ["me"];
    struct ReadUsers = ["users:read"];
}

#[derive(Deserialize)]
struct Registration {
    email: Username,
    full_name: String,
    password: Password,
}

#[post("/users")]
async fn register(
    auth: Auth<User>,
    users: web::Data<Users>,
    client: ClientInfo,
    new: web::Json<Registration>,
) -> Result<HttpResponse> {
    auth.check_rate(&client).await?;
    let email = new.email.as_str();
    let is_text = |text: &str| !text.is_empty() && !text.contains(char::is_control);
    let is_email = email.contains('@') && !email.contains(char::is_whitespace);
    if !is_text(&new.full_name) || !is_text(email) || !is_email {
        return Err(ApiError::new(StatusCode::BAD_REQUEST, "Invalid name or email address").into());
    }
    let known_words = [email, &new.full_name];
    let hash = auth.hash_password(&new.password, &known_words).await?;
    match users.add(email, &new.full_name, &hash).await? {
        Some(user) => Ok(HttpResponse::Created().json(user)),
        None => Err(ApiError::new(StatusCode::CONFLICT, "The address is taken").into()),
    }
}

#[get("/users")]
async fn list_users(
    _: ActiveUser<User, ReadUsers>,
    users: web::Data<Users>,
) -> Result<web::Json<Vec<User>>> {
    Ok(web::Json(users.list().await?))
}

pub fn routes(config: &mut web::ServiceConfig) {
    let json = web::JsonConfig::default().limit(4096);
    let json =
        json.error_handler(|error, _| ApiError::new(error.status_code(), error.to_string()).into());
    config.app_data(json).service((register, list_users));
}
