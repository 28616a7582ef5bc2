//! The endpoints. All errors have the default format: `{"detail": …}`.

use actix_web::http::StatusCode;
use actix_web::web::{self, Data, Json};
use actix_web::{HttpResponse, ResponseError, Result, get, post};
use gatepass::error::ApiError;
use gatepass::{ActiveUser, Auth, ClientInfo, Password, Username, required_scopes};
use serde::Deserialize;
use utoipa::{OpenApi, ToSchema};

use crate::users::{User, Users};

required_scopes! {
    pub struct Me = ["me"];
    struct ReadUsers = ["users:read"];
}

#[derive(OpenApi)]
#[openapi(paths(register, list_users))]
pub struct Document;

#[derive(Deserialize, ToSchema)]
struct Registration {
    email: Username,
    full_name: String,
    password: Password,
}

#[utoipa::path(responses((status = 201, body = User), (status = 409, description = "Taken")))]
#[post("/users")]
async fn register(
    auth: Auth<User>,
    users: Data<Users>,
    client: ClientInfo,
    new: Json<Registration>,
) -> Result<HttpResponse> {
    auth.check_rate(&client).await?;
    let email = new.email.as_str();
    let is_email = email.contains('@') && !email.contains(char::is_whitespace);
    if !is_email || new.full_name.is_empty() || new.full_name.contains(char::is_control) {
        return Err(ApiError::new(StatusCode::BAD_REQUEST, "Invalid name or email address").into());
    }
    let known_words = [email, &new.full_name];
    let hash = auth.hash_password(&new.password, &known_words).await?;
    match users.add(email, &new.full_name, &hash).await? {
        Some(user) => Ok(HttpResponse::Created().json(user)),
        None => Err(ApiError::new(StatusCode::CONFLICT, "The address is taken").into()),
    }
}

#[utoipa::path(
    security(("OAuth2PasswordBearer" = ["users:read"])),
    responses((status = 200, body = Vec<User>)),
)]
#[get("/users")]
async fn list_users(_: ActiveUser<User, ReadUsers>, users: Data<Users>) -> Result<Json<Vec<User>>> {
    Ok(Json(users.list().await?))
}

pub fn routes(config: &mut web::ServiceConfig) {
    let json = web::JsonConfig::default()
        .limit(4096)
        .error_handler(|error, _| ApiError::new(error.status_code(), error.to_string()).into());
    config.app_data(json).service((register, list_users));
}
