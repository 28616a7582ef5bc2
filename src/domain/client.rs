//! Clients: programs that request tokens on behalf of a user.

use std::net::IpAddr;

use crate::domain::{name::name, secret::DeviceCookie};

name! {
    /// The identifier of a registered client
    /// ([RFC 6749 section 2.2](https://www.rfc-editor.org/rfc/rfc6749#section-2.2)).
    ClientId, "client id", 255 bytes
}

/// The sender of a request, for the audit trail, the session list and login throttling.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientInfo {
    /// The IP address; behind a trusted proxy, the address that the proxy forwards.
    pub address: Option<IpAddr>,
    /// The `User-Agent` header, at most [`ClientInfo::USER_AGENT_CHARACTERS`] long.
    pub user_agent: Option<String>,
    /// The device cookie of an earlier sign-in.
    pub device_cookie: Option<DeviceCookie>,
}

impl ClientInfo {
    /// The maximum length of a stored user agent, in characters.
    pub const USER_AGENT_CHARACTERS: usize = 256;
}
