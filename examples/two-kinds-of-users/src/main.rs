//! Customers and staff in one application with one key set. README.md shows how to run and use it.

mod users;

use std::{env, error::Error, fs::OpenOptions, os::unix::fs::OpenOptionsExt, sync::Arc};

use actix_web::http::StatusCode;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpResponse, HttpServer, ResponseError, Result, get, post, web};
use gatepass::error::ApiError;
use gatepass::passwords::{Argon2Hasher, StrengthPolicy};
use gatepass::web::{TrustedProxies, access_log, fallback};
use gatepass::{ActiveUser, Auth, ClientInfo, NoScope, Password, Username, jwt::JwtTokens};
use serde::Deserialize;
use sqlx::SqlitePool;

use crate::users::{Customer, Kind, Staff, Users};

#[derive(Deserialize)]
struct Registration {
    email: Username,
    password: Password,
}

#[post("/customers")]
async fn register(
    auth: Auth<Customer>,
    customers: web::Data<Users<Customer>>,
    client: ClientInfo,
    new: web::Json<Registration>,
) -> Result<HttpResponse> {
    auth.check_rate(&client).await?;
    let email = new.email.as_str();
    let is_hidden = |c: char| c.is_whitespace() || c.is_control();
    if !email.contains('@') || email.contains(is_hidden) {
        return Err(ApiError::new(StatusCode::BAD_REQUEST, "Invalid email address").into());
    }
    let hash = auth.hash_password(&new.password, &[email]).await?;
    match customers.add(email, &hash).await? {
        Some(customer) => Ok(HttpResponse::Created().json(customer)),
        None => Err(ApiError::new(StatusCode::CONFLICT, "The address is taken").into()),
    }
}

#[get("/profile")]
async fn profile(me: ActiveUser<Customer>) -> web::Json<Customer> {
    web::Json(me.into_inner())
}

// Only staff can list customers: `main` wraps the scope of this service in `require`.
#[get("/customers")]
async fn list_customers(customers: web::Data<Users<Customer>>) -> Result<web::Json<Vec<Customer>>> {
    Ok(web::Json(customers.list().await?))
}

fn auth<K: Kind>(
    users: Arc<Users<K>>,
    hasher: &Argon2Hasher,
    tokens: &JwtTokens,
) -> Result<Auth<K>, gatepass::error::BuildError> {
    Auth::builder(Arc::clone(&users))
        .password_policy(StrengthPolicy::new(hasher))
        .passwords(hasher.clone())
        .tokens(tokens.clone())
        .build()
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    env_logger::init_from_env(env_logger::Env::default().default_filter_or("info"));
    let address = env::var("BIND").unwrap_or("127.0.0.1:8080".into());
    let issuer = env::var("ISSUER").unwrap_or(format!("http://{address}"));
    let proxies = env::var("TRUSTED_PROXIES").unwrap_or_default();
    let proxies = web::Data::new(proxies.parse::<TrustedProxies>()?);
    // The file contains password hashes: no other user of the machine may read it.
    let mut file = OpenOptions::new();
    file.append(true).create(true).mode(0o600).open("app.db")?;
    let pool = SqlitePool::connect("sqlite:app.db").await?;

    // Both `Auth` values share the keys, and the threads that hash passwords.
    let (tokens, hasher) = (JwtTokens::open("keys", issuer)?, Argon2Hasher::default());
    let customers = Arc::new(Users::<Customer>::open(&pool).await?);
    let staff = Arc::new(Users::<Staff>::open(&pool).await?);
    let customer_auth = auth(Arc::clone(&customers), &hasher, &tokens)?;
    let staff_auth = auth(Arc::clone(&staff), &hasher, &tokens)?;
    if let (Ok(email), Ok(password)) = (
        env::var("FIRST_STAFF_EMAIL"),
        env::var("FIRST_STAFF_PASSWORD"),
    ) && staff.list().await?.is_empty()
    {
        let hash = staff_auth
            .hash_password(&password.into(), &[&email])
            .await?;
        staff.add(&email, &hash).await?;
    }

    let app = move || {
        let json = web::JsonConfig::default().limit(4096);
        let json = json
            .error_handler(|error, _| ApiError::new(error.status_code(), error.to_string()).into());
        let for_staff = web::scope("")
            .wrap(staff_auth.require::<NoScope>())
            .service(list_customers);
        App::new()
            .wrap(from_fn(access_log))
            .app_data(proxies.clone())
            .app_data(json)
            .app_data(web::Data::from(Arc::clone(&customers)))
            .service(
                web::scope("/staff")
                    .configure(staff_auth.routes())
                    .service(for_staff),
            )
            .configure(customer_auth.routes())
            .service((register, profile))
            .default_service(web::to(fallback))
    };
    Ok(HttpServer::new(app).bind(address)?.run().await?)
}
