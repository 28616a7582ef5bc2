//! Validation errors for forms, in FastAPI's format.

use std::{borrow::Cow, fmt};

use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

const PATTERN_MISMATCH: &str = "string_pattern_mismatch";

/// A field that is missing or invalid.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ValidationError)]
pub struct FieldError {
    /// The kind of error, such as `missing`.
    #[serde(rename = "type")]
    #[schema(example = "missing")]
    kind: &'static str,
    /// The location of the error: `body` and the name of the field.
    #[schema(value_type = Vec<String>, example = json!(["body", "username"]))]
    loc: [&'static str; 2],
    /// A human-readable error message.
    #[schema(value_type = String, example = "Field required")]
    msg: Cow<'static, str>,
    /// The value that was sent, or `null` if the field is missing or its value may be a secret.
    #[schema(value_type = Value)]
    input: Value,
    /// The constraint that the value violates, such as the pattern that it must match.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>, nullable = false, example = json!({ "pattern": "^password$" }))]
    ctx: Option<Value>,
}

impl FieldError {
    /// Returns an error for a field that is missing or empty.
    pub fn missing(field: &'static str) -> Self {
        Self::new("missing", field, "Field required", Value::Null)
    }

    /// Returns an error for a field that contains a file instead of text.
    pub(crate) fn not_text(field: &'static str, file: Value) -> Self {
        Self::new("string_type", field, "Input should be a valid string", file)
    }

    /// Returns an error for an unsupported grant type.
    pub(crate) fn unsupported_grant_type(input: String, pattern: &str) -> Self {
        let message = format!("String should match pattern '{pattern}'");
        let error = Self::new(PATTERN_MISMATCH, "grant_type", message, input.into());
        Self { ctx: Some(json!({ "pattern": pattern })), ..error }
    }

    /// Returns an error for an invalid value. The value may be a secret, so the error does not include it.
    pub fn invalid(field: &'static str, reason: impl Into<Cow<'static, str>>) -> Self {
        Self::new("value_error", field, reason, Value::Null)
    }

    fn new(
        kind: &'static str,
        field: &'static str,
        message: impl Into<Cow<'static, str>>,
        input: Value,
    ) -> Self {
        Self { kind, loc: ["body", field], msg: message.into(), input, ctx: None }
    }

    /// Returns the name of the field.
    #[cfg(feature = "service")]
    pub(crate) fn field(&self) -> &'static str {
        self.loc[1]
    }

    /// Returns whether this is the error for an unsupported grant type.
    pub(crate) fn is_unsupported_grant_type(&self) -> bool {
        self.kind == PATTERN_MISMATCH
    }
}

/// Writes the name of the field and the error message.
impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.loc[1], self.msg)
    }
}
