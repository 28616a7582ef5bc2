//! Test suites for your own stores: functions that check the rules of each trait.
//!
//! A suite uses the store only through the trait. It stops at the first [`Violation`], whose text quotes the violated
//! rule from the documentation of the trait:
//!
//! ```
//! # #[derive(Clone)] struct Member { id: i64 }
//! # impl gatepass::AuthUser for Member {
//! #     fn subject(&self) -> gatepass::Subject { self.id.into() }
//! #     fn is_active(&self) -> bool { true }
//! #     fn allowed_scopes(&self) -> gatepass::GrantedScopes { gatepass::GrantedScopes::All }
//! # }
//! use gatepass::testing::{TestUsers, contract};
//!
//! # actix_web::rt::System::new().block_on(async {
//! // In your test: your store, on an empty test database.
//! let store = TestUsers::new([("johndoe", "secret", Member { id: 1 }), ("alice", "secret2", Member { id: 2 })]);
//! contract::user_store(&store, ["johndoe", "alice"]).await.unwrap();
//! # });
//! ```

mod clients;
mod failed_attempts;
mod passwords;
mod sessions;
mod users;

use std::{error::Error, fmt, str::FromStr};

use crate::domain::backend_error::BackendError;

pub use self::{
    clients::client_registry, failed_attempts::failed_attempt_store, passwords::password_store,
    sessions::session_store, users::user_store,
};

/// A rule that a store violates, with a description of the violation. `Debug` prints the same text as `Display`, so
/// that `unwrap` shows it.
pub struct Violation {
    contract: Contract,
    rule: &'static str,
    found: String,
}

impl Violation {
    /// Returns the name of the rule, as in the documentation of the trait.
    pub fn rule(&self) -> &'static str {
        self.rule
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { contract, rule, found } = self;
        write!(
            f,
            "the store violates the rule `{rule}` of {}: {found}\n  {rule}: {}",
            contract.name,
            contract.text(rule)
        )
    }
}

impl fmt::Debug for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for Violation {}

/// A trait whose documentation contains rules.
#[derive(Clone, Copy)]
struct Contract {
    name: &'static str,
    /// The source file of the trait.
    source: &'static str,
}

impl Contract {
    async fn check(self, rule: &'static str, check: impl Future<Output = Check>) -> Result<(), Violation> {
        check.await.map_err(|Failure(found)| Violation { contract: self, rule, found })
    }

    /// Returns the text of a rule, `- **rule**: text`, in the documentation of the trait.
    fn text(self, rule: &str) -> String {
        let end = self.source.find(&format!("pub trait {}:", self.name)).unwrap_or_default();
        let start = self.source[..end].rfind("\n\n").unwrap_or_default();
        let mut lines =
            self.source[start..end].lines().map(|line| line.strip_prefix("///").unwrap_or("").trim());
        let label = format!("- **{rule}**: ");
        let first = lines.find_map(|line| line.strip_prefix(&label)).unwrap_or_default();
        let rest = lines.take_while(|line| !line.is_empty() && !line.starts_with("- "));
        [first].into_iter().chain(rest).collect::<Vec<_>>().join(" ")
    }
}

/// The message of a failed check.
struct Failure(String);

impl From<BackendError> for Failure {
    fn from(error: BackendError) -> Self {
        Self(format!("expected no error, but the store returned `{error}`"))
    }
}

type Check = Result<(), Failure>;

/// Fails with a message unless the condition is true.
macro_rules! ensure {
    ($condition:expr, $($found:tt)+) => {
        if !$condition {
            return Err($crate::testing::contract::Failure(format!($($found)+)));
        }
    };
}

/// Fails with a message and both values unless the actual value equals the expected one.
macro_rules! ensure_eq {
    ($actual:expr, $expected:expr, $($found:tt)+) => {
        match (&$actual, &$expected) {
            (actual, expected) => {
                ensure!(actual == expected, "{}: expected {expected:?}, got {actual:?}", format!($($found)+))
            }
        }
    };
}

use ensure;
use ensure_eq;

/// Parses a name or a list of scopes, which must be valid.
fn parse<T: FromStr<Err: fmt::Display>>(text: &str) -> T {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

/// Names that no user, client or session has. Some of them contain text that stores often mishandle.
const UNKNOWN: [&str; 9] = [
    " ",
    "nobody",
    "' OR '1'='1",
    "%",
    "_",
    "../../etc/passwd",
    "\u{202e}eodnhoj",
    "18446744073709551616",
    "\u{1f600}",
];

/// Returns the names in [`UNKNOWN`], and a name of the maximum length.
fn unknown_names(max_bytes: usize) -> impl Iterator<Item = String> {
    UNKNOWN.into_iter().map(str::to_owned).chain(["x".repeat(max_bytes)])
}
