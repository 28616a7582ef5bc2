//! What is wrong with a form, as FastAPI says it.

use std::{borrow::Cow, fmt};

use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

const PATTERN_MISMATCH: &str = "string_pattern_mismatch";

/// One field that is missing or wrong.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ValidationError)]
pub struct FieldError {
    /// The kind of fault, such as `missing`.
    #[serde(rename = "type")]
    #[schema(example = "missing")]
    kind: &'static str,
    /// Where it is: `body` and the field's name.
    #[schema(value_type = Vec<String>, example = json!(["body", "username"]))]
    loc: [&'static str; 2],
    /// The fault in a sentence.
    #[schema(value_type = String, example = "Field required")]
    msg: Cow<'static, str>,
    /// What was sent in the field's place.
    #[schema(value_type = Value)]
    input: Value,
    /// What the field was held against.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>, nullable = false, example = json!({ "pattern": "^password$" }))]
    ctx: Option<Value>,
}

impl FieldError {
    /// The field was not sent, or sent empty.
    pub fn missing(field: &'static str) -> Self {
        Self {
            kind: "missing",
            loc: ["body", field],
            msg: "Field required".into(),
            input: Value::Null,
            ctx: None,
        }
    }

    /// A file was sent in the place of text.
    pub(crate) fn not_text(field: &'static str, file: Value) -> Self {
        Self {
            kind: "string_type",
            loc: ["body", field],
            msg: "Input should be a valid string".into(),
            input: file,
            ctx: None,
        }
    }

    /// The grant type is none that is taken.
    pub(crate) fn unsupported_grant_type(input: String, pattern: &'static str) -> Self {
        Self {
            kind: PATTERN_MISMATCH,
            loc: ["body", "grant_type"],
            msg: format!("String should match pattern '{pattern}'").into(),
            input: input.into(),
            ctx: Some(json!({ "pattern": pattern })),
        }
    }

    /// What was sent cannot be taken, for this reason. A secret is not repeated.
    pub(crate) fn refused(field: &'static str, reason: String) -> Self {
        Self { kind: "value_error", loc: ["body", field], msg: reason.into(), input: Value::Null, ctx: None }
    }

    /// Whether another grant than the password grant is asked for.
    pub(crate) fn is_about_the_grant_type(&self) -> bool {
        self.kind == PATTERN_MISMATCH
    }
}

/// The fault in a sentence that names the field.
impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.loc[1], self.msg)
    }
}
