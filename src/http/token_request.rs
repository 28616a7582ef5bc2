//! What a client sends to the token endpoint: one of two grants.

use actix_web::{HttpRequest, dev::Payload};
use utoipa::ToSchema;

use crate::{
    domain::secret::RefreshToken,
    http::{
        client_credentials::ClientCredentials,
        error::ApiError,
        field_reader::FieldReader,
        form::{GrantType, PasswordRequestForm},
        form_data::FormData,
    },
};

/// A form at the token endpoint.
pub(crate) enum TokenRequest {
    /// The password grant.
    Password(PasswordRequestForm),
    /// The refresh token grant ([RFC 6749 section 6](https://www.rfc-editor.org/rfc/rfc6749#section-6)).
    Refresh { token: RefreshToken, scopes: Vec<String>, client: ClientCredentials },
}

impl TokenRequest {
    /// Reads the body. Where there are no refresh tokens, every form is one of the password grant.
    pub(crate) async fn read(
        request: &HttpRequest,
        payload: Payload,
        require_grant_type: bool,
        has_refresh_tokens: bool,
    ) -> Result<Self, ApiError> {
        let fields = FormData::read(request, payload).await?;
        let is_refresh = has_refresh_tokens && fields.says("grant_type", "refresh_token");
        let mut reader = FieldReader::new(fields);
        if is_refresh {
            let token = reader.required("refresh_token").into();
            let scopes = reader.scopes();
            let client = reader.client(request);
            reader.finish()?;
            return Ok(Self::Refresh { token, scopes, client });
        }
        let pattern = if has_refresh_tokens { "^(password|refresh_token)$" } else { "^password$" };
        let grant_type_is = GrantType { is_required: require_grant_type, pattern };
        PasswordRequestForm::validate(reader, request, grant_type_is).map(Self::Password)
    }
}

/// What a client sends to sign a user in, or to go on with a refresh token.
#[derive(ToSchema)]
#[schema(as = TokenRequestForm)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct TokenRequestFormSchema {
    /// `password`, or `refresh_token`. Left out, or empty, it is `password`.
    #[schema(pattern = "^(password|refresh_token)?$", example = "password", nullable = false)]
    grant_type: Option<String>,
    /// The user's name, to sign in.
    #[schema(example = "johndoe", nullable = false)]
    username: Option<String>,
    /// The user's password, to sign in.
    #[schema(format = Password, example = "secret", nullable = false)]
    password: Option<String>,
    /// The refresh token, to go on.
    #[schema(nullable = false)]
    refresh_token: Option<String>,
    /// The scopes to ask for, separated by spaces.
    #[schema(default = "", nullable = false)]
    scope: Option<String>,
    /// The client's name; better by HTTP Basic.
    #[schema(nullable = false)]
    client_id: Option<String>,
    /// The client's secret; better by HTTP Basic.
    #[schema(format = Password, nullable = false)]
    client_secret: Option<String>,
}
