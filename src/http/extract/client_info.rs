//! The address and user agent of a client.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    net::IpAddr,
};

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::header};

use crate::{
    domain::client::ClientInfo,
    http::{extract::device_cookie, trusted_proxies::TrustedProxies},
};

/// Extracts the client address, the user agent without control characters, and the device cookie. The address is that
/// of the connection, or the one that a trusted proxy forwards.
impl FromRequest for ClientInfo {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(client_info(request)))
    }
}

pub(crate) fn client_info(request: &HttpRequest) -> ClientInfo {
    let user_agent = request.headers().get(header::USER_AGENT).map(|value| {
        let text = String::from_utf8_lossy(value.as_bytes());
        text.chars().filter(|c| !c.is_control()).take(ClientInfo::USER_AGENT_CHARACTERS).collect()
    });
    ClientInfo { address: client_address(request), user_agent, device_cookie: device_cookie::of(request) }
}

/// Returns the address of the connection, or the one that a trusted proxy forwards.
pub(crate) fn client_address(request: &HttpRequest) -> Option<IpAddr> {
    request.peer_addr().map(|peer| match TrustedProxies::of(request) {
        Some(proxies) => proxies.client_address(peer.ip(), request.headers()),
        None => peer.ip().to_canonical(),
    })
}
