//! The search for users by a part of their fields.

use unicode_normalization::UnicodeNormalization;

use crate::adapters::sql::{engine::Statement, user::User, username_key::username_key};

/// A string that the username, the email address or the full name must contain, ignoring case.
///
/// The database only narrows the search, because SQLite folds only ASCII: in the patterns for email addresses and names,
/// wildcards replace the other characters, and [`matches`](Self::matches) compares the fields.
#[derive(Debug)]
pub(super) struct UserSearch {
    key: String,
    key_pattern: String,
    field_pattern: String,
}

impl UserSearch {
    pub(super) fn new(text: &str) -> Self {
        let key = username_key(text);
        let field: String = text.trim().nfc().collect();
        let key_pattern = containing(&key);
        let field_pattern = containing(&field.to_ascii_lowercase()).replace(|c: char| !c.is_ascii(), "%");
        Self { key, key_pattern, field_pattern }
    }

    /// Appends a condition that few other users fulfill. It misses email addresses and names in which a non-ASCII character
    /// folds to ASCII, such as `ß` to `ss`.
    pub(super) fn push_condition<'a>(&'a self, select: &mut Statement<'a>) {
        select.push(" AND (username_key LIKE ").push_bind(&*self.key_pattern).push(ESCAPED);
        for column in ["email", "full_name"] {
            select.push(&format!(" OR LOWER({column}) LIKE ")).push_bind(&*self.field_pattern).push(ESCAPED);
        }
        select.push(")");
    }

    pub(super) fn matches(&self, username_key_of_user: &str, user: &User) -> bool {
        let fields = [&user.email, &user.full_name].into_iter().flatten();
        username_key_of_user.contains(&self.key)
            || fields.map(|field| username_key(field)).any(|field| field.contains(&self.key))
    }
}

const ESCAPED: &str = r" ESCAPE '\'";

/// Returns the LIKE pattern for values that contain `text`.
fn containing(text: &str) -> String {
    format!("%{}%", text.replace('\\', r"\\").replace('%', r"\%").replace('_', r"\_"))
}
