//! What is wrong with a form, as FastAPI says it.

use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

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
    #[schema(example = "Field required")]
    msg: &'static str,
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
        Self { kind: "missing", loc: ["body", field], msg: "Field required", input: Value::Null, ctx: None }
    }

    /// A file was sent in the place of text.
    pub(crate) fn not_text(field: &'static str, file: Value) -> Self {
        Self {
            kind: "string_type",
            loc: ["body", field],
            msg: "Input should be a valid string",
            input: file,
            ctx: None,
        }
    }

    /// The grant type is not `password`.
    pub(crate) fn not_the_password_grant(input: String) -> Self {
        Self {
            kind: "string_pattern_mismatch",
            loc: ["body", "grant_type"],
            msg: "String should match pattern '^password$'",
            input: input.into(),
            ctx: Some(json!({ "pattern": "^password$" })),
        }
    }
}
