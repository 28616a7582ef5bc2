//! `POST /revoke`: a token is given up ([RFC 7009](https://www.rfc-editor.org/rfc/rfc7009)).

use actix_web::{HttpRequest, HttpResponse, Resource, dev::Payload};
use utoipa::ToSchema;

use crate::{
    auth::Auth,
    domain::ports::{TokenService, UserStore},
    http::{
        client_info::client_info,
        clock,
        error::{ApiError, OAuth2ErrorBody},
        field_reader::FieldReader,
        form_data::FormData,
        oauth_endpoint,
        responses::{BodyNotTaken, Unavailable},
    },
};

/// The endpoint `POST /revoke`.
pub(crate) fn endpoint<S: UserStore, H: 'static, T: TokenService>(auth: &Auth<S, H, T>) -> Resource {
    oauth_endpoint::post(auth, "/revoke", revoke)
}

async fn revoke<S: UserStore, H: 'static, T: TokenService>(
    auth: &Auth<S, H, T>,
    request: &HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let mut reader = FieldReader::new(FormData::read(request, payload).await?);
    let token = reader.required("token");
    let client = reader.client(request);
    // What kind of token it is shows by itself: `token_type_hint` is a hint.
    reader.finish()?;
    let client_id = auth.client(&client).await?;
    let client_info = client_info(request);
    auth.revoke(&token, client_id.as_ref(), &client_info, clock::now())
        .await
        .map_err(|error| client.refused(error))?;
    Ok(HttpResponse::Ok().finish())
}

/// What a client sends to revoke a token, or to ask about one.
#[derive(ToSchema)]
#[schema(as = TokenForm)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct TokenFormSchema {
    /// The token.
    #[schema(min_length = 1)]
    token: String,
    /// Which kind it is; not needed, and no matter if it is wrong.
    #[schema(example = "refresh_token", nullable = false)]
    token_type_hint: Option<String>,
    /// The client's name; better by HTTP Basic.
    #[schema(nullable = false)]
    client_id: Option<String>,
    /// The client's secret; better by HTTP Basic.
    #[schema(format = Password, nullable = false)]
    client_secret: Option<String>,
}

/// Revoke a token
///
/// Takes an access token or a refresh token, which counts no more from the answer on. With a refresh token its whole
/// session ends, access tokens and all. A token that a client was given is taken from that client alone.
#[utoipa::path(
    post,
    path = "/revoke",
    tag = "OAuth2",
    operation_id = "revoke_token",
    request_body(content = TokenFormSchema, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "The token counts no more, if it ever did",
            headers(("Cache-Control" = String, description = "no-store"))),
        (status = 400, body = OAuth2ErrorBody,
            description = "`invalid_request`: no token, or a broken body. `invalid_grant`: the token of another client"),
        (status = 401, description = "`invalid_client`: the client did not prove itself", body = OAuth2ErrorBody,
            headers(("WWW-Authenticate" = String, description = "Basic, where the client tried it"))),
        BodyNotTaken,
        Unavailable,
    ),
)]
#[expect(dead_code, reason = "carries the documentation of the generic handler")]
pub(crate) fn revoke_token_operation() {}
