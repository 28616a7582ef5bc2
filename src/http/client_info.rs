//! Where a request came from.

use actix_web::{HttpRequest, http::header};

use crate::{domain::session::ClientInfo, http::trusted_proxies::TrustedProxies};

/// The address of the connection, or the one that a trusted proxy names; and what the program calls itself, as a page or a terminal may show it.
pub(crate) fn client_info(request: &HttpRequest) -> ClientInfo {
    let user_agent = request.headers().get(header::USER_AGENT).map(|value| {
        let text = String::from_utf8_lossy(value.as_bytes());
        text.chars().filter(|c| !c.is_control()).take(ClientInfo::USER_AGENT_CHARACTERS).collect()
    });
    let address = request.peer_addr().map(|peer| match TrustedProxies::of(request) {
        Some(proxies) => proxies.client_address(peer.ip(), request.headers()),
        None => peer.ip().to_canonical(),
    });
    ClientInfo { address, user_agent }
}
