//! `POST /token`: issues tokens.

use std::collections::HashMap;

use actix_web::{HttpRequest, HttpResponse, Resource, Responder, body::BoxBody, dev::Payload, http::header};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::{
    OpenApi,
    openapi::{
        self, RefOr, Required, Schema,
        schema::{ArrayBuilder, KnownFormat, ObjectBuilder, SchemaFormat, Type},
    },
};

use crate::{
    auth::{
        Auth, Tokens,
        grants::{GrantRequest, GrantType},
    },
    domain::{secret::RefreshToken, user::AuthUser},
    http::{
        endpoints::Endpoint,
        error::{ApiError, ErrorBody, OAuth2ErrorBody, ValidationErrorBody},
        extract::{client_info::client_info, device_cookie, field_reader::FieldReader},
        openapi::responses::{InvalidBody, Unavailable},
    },
};

pub(super) fn endpoint<U: AuthUser>() -> Endpoint<U> {
    Endpoint {
        path: "/token",
        is_enabled: |auth| !auth.grants().is_empty(),
        resource: |auth, path| auth.token_endpoint(path),
        openapi,
    }
}

impl<U: AuthUser> Auth<U> {
    /// Returns the token endpoint ([RFC 6749 section 3.2](https://www.rfc-editor.org/rfc/rfc6749#section-3.2)) at
    /// `path`.
    pub fn token_endpoint(&self, path: &str) -> Resource {
        self.post(path, token)
    }
}

async fn token<U: AuthUser>(
    auth: &Auth<U>,
    request: &HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let mut reader = FieldReader::read(request, payload, auth.error_format()).await?;
    // Errors are listed in the order in which fields are read.
    let supported = supported_grants(auth);
    let names: Vec<_> = supported.iter().map(|grant| grant.name()).collect();
    let name = reader.grant_type(auth.requires_grant_type(), &names);
    let grant = supported.into_iter().find(|grant| Some(grant.name()) == name.as_deref());
    let grant = grant.unwrap_or(GrantType::Password);
    let parameters: HashMap<_, _> = grant
        .parameters()
        .iter()
        .map(|parameter| (parameter.name, reader.required(parameter.name).into()))
        .collect();
    let scopes = reader.scopes();
    let audiences = if auth.has_audiences() { reader.audiences() } else { Vec::new() };
    let credentials = reader.client(request);
    reader.finish()?;
    let client_info = client_info(request);
    let client = auth.client(&credentials, &client_info).await?;
    let grant_request = GrantRequest { parameters, scopes, audiences, client, client_info };
    let tokens = auth.grant(grant, grant_request).await?;
    Ok(TokenResponse::from(tokens).respond_to(request))
}

/// Returns the grants that a form may request. They include the password grant even if it is disabled, because it is
/// the default.
fn supported_grants<U: AuthUser>(auth: &Auth<U>) -> Vec<GrantType> {
    let is_supported = |grant: &GrantType| *grant == GrantType::Password || grant.is_enabled(auth);
    GrantType::ALL.iter().copied().filter(is_supported).collect()
}

/// The response to a token request ([RFC 6749 section 5.1](https://www.rfc-editor.org/rfc/rfc6749#section-5.1)), for
/// your own endpoints.
#[derive(Clone, Debug)]
pub struct TokenResponse {
    tokens: Tokens,
    extra: Map<String, Value>,
}

impl From<Tokens> for TokenResponse {
    fn from(tokens: Tokens) -> Self {
        Self { tokens, extra: Map::new() }
    }
}

impl TokenResponse {
    /// Adds a custom field to the response.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.extra.insert(name.into(), value.into());
        self
    }
}

impl Serialize for TokenResponse {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Fields<'a> {
            access_token: &'a str,
            token_type: &'static str,
            #[serde(skip_serializing_if = "Option::is_none")]
            expires_in: Option<u64>,
            #[serde(skip_serializing_if = "Option::is_none")]
            refresh_token: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            scope: Option<String>,
            #[serde(flatten)]
            extra: &'a Map<String, Value>,
        }
        let Self { tokens, extra } = self;
        let fields = Fields {
            access_token: tokens.access_token.expose(),
            token_type: "bearer",
            expires_in: tokens.expires_in.map(|lifetime| lifetime.as_secs()),
            refresh_token: tokens.refresh_token.as_ref().map(RefreshToken::expose),
            scope: tokens.granted_scopes.scope(),
            extra,
        };
        fields.serialize(serializer)
    }
}

/// Responds with status 200 and `Cache-Control: no-store`. If login throttling is enabled, the response to a sign-in
/// also sets the device cookie.
impl Responder for TokenResponse {
    type Body = BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        let mut response = HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(&self);
        device_cookie::add(&mut response, request, self.tokens.device_cookie.as_ref());
        response
    }
}

/// Returns the OpenAPI document for the endpoint, with the grants that `auth` supports.
fn openapi<U: AuthUser>(auth: &Auth<U>) -> openapi::OpenApi {
    #[derive(OpenApi)]
    #[openapi(paths(token_operation_fastapi))]
    struct FastApi;
    #[derive(OpenApi)]
    #[openapi(paths(token_operation))]
    struct OAuth2;
    let mut document = if auth.error_format().is_fastapi() { FastApi::openapi() } else { OAuth2::openapi() };
    // The macro cannot mark a body without a Rust type as required.
    let operation = document.paths.paths.get_mut("/token").and_then(|path| path.post.as_mut());
    if let Some(RefOr::T(body)) = operation.and_then(|operation| operation.request_body.as_mut()) {
        body.required = Some(Required::True);
    }
    let schemas = &mut document.components.get_or_insert_default().schemas;
    schemas.insert("TokenRequestForm".into(), RefOr::T(request_schema(auth)));
    schemas.insert("TokenResponse".into(), RefOr::T(response_schema(auth)));
    document
}

fn text(description: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).description(Some(description))
}

/// Adds an empty default value. Without it, Swagger UI would send the text `string`.
fn optional(schema: ObjectBuilder) -> ObjectBuilder {
    schema.default(Some("".into()))
}

fn password(description: &str) -> ObjectBuilder {
    text(description).format(Some(SchemaFormat::KnownFormat(KnownFormat::Password)))
}

/// Returns the schema of the form with the parameters of all grants. A parameter is marked as required only if a single
/// grant is enabled.
fn request_schema<U: AuthUser>(auth: &Auth<U>) -> Schema {
    let grants = auth.grants();
    let names: Vec<_> = grants.iter().map(|grant| grant.name()).collect();
    // The default is the password grant.
    let is_required = auth.requires_grant_type() || !grants.contains(&GrantType::Password);
    let (alternatives, suffix) = (names.join("|"), if is_required { "" } else { "?" });
    let grant_type =
        text(if is_required { "The grant type." } else { "The grant type. The default is `password`." })
            .pattern(Some(format!("^({alternatives}){suffix}$")))
            .examples(names.first().copied());
    let mut form =
        ObjectBuilder::new().description(Some("A token request.")).property("grant_type", grant_type);
    if is_required {
        form = form.required("grant_type");
    }
    for parameter in grants.iter().flat_map(|grant| grant.parameters()) {
        let schema = if parameter.is_password { password } else { text }(parameter.description);
        let schema = match parameter.example {
            Some(example) => schema.min_length(Some(1)).examples([example]),
            None => optional(schema),
        };
        form = form.property(parameter.name, schema);
        if grants.len() == 1 {
            form = form.required(parameter.name);
        }
    }
    if auth.has_audiences() {
        let description =
            "The audiences of the access token (RFC 8707). The parameter `audience` has the same meaning.";
        let resource = ArrayBuilder::new().items(ObjectBuilder::new().schema_type(Type::String));
        form = form.property("resource", resource.description(Some(description)));
    }
    form.property("scope", optional(text("The requested scopes, separated by spaces.")))
        .property("client_id", optional(text("The client identifier, if HTTP Basic is not used.")))
        .property("client_secret", optional(password("The client secret, if HTTP Basic is not used.")))
        .into()
}

fn response_schema<U: AuthUser>(auth: &Auth<U>) -> Schema {
    let lifetime = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0));
    let mut response = ObjectBuilder::new()
        .description(Some("The response to a token request."))
        .property("access_token", text("The access token. Send it in the header `Authorization: Bearer …`."))
        .required("access_token")
        .property("token_type", text("Always `bearer`.").examples(["bearer"]))
        .required("token_type")
        .property(
            "expires_in",
            lifetime.description(Some(
                "The lifetime of the access token in seconds. Absent if it does not expire.",
            )),
        );
    if auth.grants().contains(&GrantType::RefreshToken) {
        let description =
            "The refresh token, if the scope `offline_access` was requested. It can be used only once.";
        response = response.property("refresh_token", text(description));
    }
    response
        .property(
            "scope",
            text("The granted scopes, separated by spaces. Absent if the service has no scopes."),
        )
        .into()
}

/// Sign in
///
/// Takes a username and a password and returns an access token.
#[utoipa::path(
    post,
    path = "/token",
    tag = "OAuth2",
    operation_id = "sign_in",
    request_body(
        content = ref("#/components/schemas/TokenRequestForm"),
        content_type = "application/x-www-form-urlencoded",
    ),
    responses(
        (status = 200, description = "The access token", body = ref("#/components/schemas/TokenResponse"),
            headers(("Cache-Control" = String, description = "no-store")),
            example = json!({ "access_token": "johndoe", "token_type": "bearer" })),
        (status = 400, description = "Incorrect username or password, or a malformed body", body = ErrorBody,
            example = json!({ "detail": "Incorrect username or password" })),
        (status = 408, description = "The request body was not received in time", body = ErrorBody,
            example = json!({ "detail": "Timed out reading the request body" })),
        (status = 413, description = "The request body is larger than 1 MiB", body = ErrorBody,
            example = json!({ "detail": "The request body is larger than 1048576 bytes" })),
        (status = 422, description = "Fields are missing or invalid", body = ValidationErrorBody,
            example = json!({ "detail": [
                { "type": "missing", "loc": ["body", "username"], "msg": "Field required", "input": null },
            ] })),
    ),
)]
#[expect(dead_code, reason = "carries the documentation of the generic handler")]
fn token_operation_fastapi() {}

/// Issue tokens
///
/// Exchanges a username and a password, a refresh token, or the credentials of a client for an access token (RFC 6749).
#[utoipa::path(
    post,
    path = "/token",
    tag = "OAuth2",
    operation_id = "sign_in",
    request_body(
        content = ref("#/components/schemas/TokenRequestForm"),
        content_type = "application/x-www-form-urlencoded",
    ),
    responses(
        (status = 200, description = "The tokens", body = ref("#/components/schemas/TokenResponse"),
            headers(
                ("Cache-Control" = String, description = "no-store"),
                ("Set-Cookie" = String, description = "A device cookie for login throttling: failed attempts from \
                    other devices do not delay sign-ins with this cookie"),
            ),
            example = json!({
                "access_token": "eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJFZERTQSJ9.…",
                "token_type": "bearer",
                "expires_in": 900,
                "scope": "me users:read",
            })),
        (status = 400, body = OAuth2ErrorBody,
            description = "`invalid_grant`: incorrect username or password, an inactive user, or an invalid refresh \
                token. `invalid_scope`: none of the requested scopes can be granted. `invalid_target`: a requested \
                audience is unknown or not allowed. `unauthorized_client`: the client may not use the grant. \
                `unsupported_grant_type`: the grant type is unknown or turned off. `invalid_request`: fields are \
                missing, or the body is malformed",
            example = json!({
                "detail": "Incorrect username or password",
                "error": "invalid_grant",
                "error_description": "Incorrect username or password",
            })),
        (status = 401, description = "`invalid_client`: client authentication failed", body = OAuth2ErrorBody,
            headers(("WWW-Authenticate" = String, description = "`Basic`, if the client used HTTP Basic")),
            example = json!({
                "detail": "Incorrect client credentials",
                "error": "invalid_client",
                "error_description": "Incorrect client credentials",
            })),
        InvalidBody,
        (status = 429, body = OAuth2ErrorBody,
            description = "`temporarily_unavailable`: too many failed attempts for this account or client, or too many \
                requests from this address",
            headers(("Retry-After" = String, description = "The time to wait, in seconds")),
            example = json!({
                "detail": "Too many attempts, try again later",
                "error": "temporarily_unavailable",
                "error_description": "Too many attempts, try again later",
            })),
        Unavailable,
    ),
)]
#[expect(dead_code, reason = "carries the documentation of the generic handler")]
fn token_operation() {}
