//! `PUT /users/me/password`: a user changes their password.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, dev::Payload, web};
use utoipa::{OpenApi, ToSchema};

use crate::{
    auth::{Auth, PasswordChange},
    domain::{
        backend_error::BackendError,
        ports::{PasswordHasher, PasswordStore, TokenService},
        secret::Password,
        user::AuthUser,
    },
    http::{
        client_info::client_info,
        clock,
        current_user::{ActiveUser, RequiredScopes},
        endpoint,
        error::{ApiError, FormOrUserErrorBody, OAuth2ErrorBody},
        field_reader::FieldReader,
        form_data::FormData,
        responses::{BodyNotTaken, NotAllowed, Unavailable},
        validation::FieldError,
    },
};

/// Whether a new password is good enough for this user; if not, why, in a sentence.
pub type PasswordRule<U> = Arc<dyn Fn(&Password, &U) -> Result<(), String> + Send + Sync>;

impl<S: PasswordStore, H: PasswordHasher, T: TokenService> Auth<S, H, T> {
    /// The route `PUT /users/me/password`, for the active user with the scopes `R`: the current password and the new
    /// one in a form. `rule` says whether the new one is good enough, and may take its time. The change ends every
    /// session of the user. It belongs behind [`Auth::bearer`].
    pub fn password_route<R: RequiredScopes>(
        &self,
        rule: PasswordRule<S::User>,
    ) -> impl FnOnce(&mut web::ServiceConfig) + use<S, H, T, R> {
        let auth = self.clone();
        move |config| {
            let handler = move |me: ActiveUser<S::User, R>, request: HttpRequest, payload: web::Payload| {
                let (auth, rule) = (auth.clone(), Arc::clone(&rule));
                async move {
                    let answer =
                        change_password(&auth, me.into_inner(), rule, &request, payload.into_inner());
                    auth.uncached(answer.await)
                }
            };
            config.service(endpoint::at("/users/me/password", "PUT").route(web::put().to(handler)));
        }
    }
}

async fn change_password<S: PasswordStore, H: PasswordHasher, T: TokenService>(
    auth: &Auth<S, H, T>,
    me: S::User,
    rule: PasswordRule<S::User>,
    request: &HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let mut reader = FieldReader::new(FormData::read(request, payload).await?);
    let current = Password::from(reader.required("current_password"));
    let new = Password::from(reader.required("new_password"));
    reader.finish()?;
    let subject = me.subject();
    let (new, verdict) = web::block(move || {
        let verdict = rule(&new, &me);
        (new, verdict)
    })
    .await
    .map_err(BackendError::from)?;
    if let Err(reason) = verdict {
        return Err(ApiError::InvalidForm(vec![FieldError::refused("new_password", reason)]));
    }
    let (client_info, now) = (&client_info(request), clock::now());
    let change = PasswordChange { subject: &subject, current: &current, new: &new, client_info, now };
    auth.change_password(change).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// What a user sends to change their password.
#[derive(ToSchema)]
#[schema(as = PasswordChangeForm)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct PasswordChangeFormSchema {
    /// The password that the user has.
    #[schema(format = Password, min_length = 1)]
    current_password: String,
    /// The password that the user wants: at least 8 characters, and not a common one.
    #[schema(format = Password, min_length = 8)]
    new_password: String,
}

/// The documentation of `PUT /users/me/password` as the service has it, to merge into your own document.
#[derive(Debug, OpenApi)]
#[openapi(paths(change_password_operation))]
pub struct PasswordApi;

/// Invalidation your password
///
/// Ends all your sessions, the one of this request among them: sign in with the new password.
#[utoipa::path(
    put,
    path = "/users/me/password",
    tag = "Users",
    operation_id = "change_password",
    security(("OAuth2PasswordBearer" = ["me"])),
    request_body(content = PasswordChangeFormSchema, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 204, description = "The new password counts",
            headers(("Cache-Control" = String, description = "no-store"))),
        (status = 400, body = FormOrUserErrorBody,
            description = "The current password is another one; the new one is missing or too weak \
                (`invalid_request`); or the user is disabled",
            example = json!({ "detail": "Incorrect password" })),
        NotAllowed,
        BodyNotTaken,
        (status = 429, body = OAuth2ErrorBody,
            description = "`temporarily_unavailable`: the current password was wrong too often",
            headers(("Retry-After" = String, description = "Seconds to wait"))),
        Unavailable,
    ),
)]
#[expect(dead_code, reason = "carries the documentation of the generic handler")]
fn change_password_operation() {}
