//! The words in which a request is refused.

/// How errors are worded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ErrorFormat {
    /// FastAPI's: `{"detail": …}` and nothing else.
    #[default]
    FastApi,
    /// The standards' fields beside `detail`: `error` and `error_description`
    /// ([RFC 6749 section 5.2](https://www.rfc-editor.org/rfc/rfc6749#section-5.2)), and challenges that say
    /// what is wrong ([RFC 6750 section 3](https://www.rfc-editor.org/rfc/rfc6750#section-3)).
    OAuth2,
}
