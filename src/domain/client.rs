//! The clients: programs that ask for tokens on a user's behalf.

use crate::domain::name::name;

name! {
    /// The name of a registered client ([RFC 6749 section 2.2](https://www.rfc-editor.org/rfc/rfc6749#section-2.2)).
    ClientId
}
