//! Trusted proxies, and the addresses, schemes and hosts that they forward.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use actix_web::{
    HttpRequest,
    http::header::{self, HeaderMap},
    web,
};
use ipnet::IpNet;
use thiserror::Error;

/// The proxies whose forwarding headers an application trusts.
///
/// Add a value of this type to the application data. The headers then determine the client addresses in sessions,
/// throttling and events, and the scheme and host of redirects. If no proxies are trusted, the client address is the
/// peer address of the connection.
///
/// ```
/// use actix_web::{App, web};
/// use gatepass::web::{ProxyHeader, TrustedProxies};
///
/// let proxies: TrustedProxies = "10.0.0.0/8, ::1".parse()?;
/// let proxies = proxies.with_header(ProxyHeader::XForwardedFor);
/// let app = App::new().app_data(web::Data::new(proxies));
/// # Ok::<(), gatepass::web::InvalidProxy>(())
/// ```
///
/// Clients can send any header. Therefore, only the header that the proxies set is read, and every proxy must append to
/// it or replace it. The client is the rightmost address that is not a trusted proxy. If an entry cannot be parsed, the
/// client address is that of the proxy that added the entry.
///
/// ```
/// use std::net::IpAddr;
/// use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
/// use gatepass::web::TrustedProxies;
///
/// let proxies: TrustedProxies = "10.0.0.0/8".parse()?;
/// let mut headers = HeaderMap::new();
/// let forged_and_actual = HeaderValue::from_static("127.0.0.1, 203.0.113.7, 10.0.0.2");
/// headers.insert(HeaderName::from_static("x-forwarded-for"), forged_and_actual);
///
/// let address = |text: &str| text.parse::<IpAddr>().unwrap();
/// assert_eq!(proxies.client_address(address("10.0.0.1"), &headers), address("203.0.113.7"));
/// assert_eq!(proxies.client_address(address("198.51.100.1"), &headers), address("198.51.100.1"));
/// # Ok::<(), gatepass::web::InvalidProxy>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
    header: ProxyHeader,
}

/// The header in which proxies forward the client's address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProxyHeader {
    /// `X-Forwarded-For`, together with `X-Forwarded-Proto` and `X-Forwarded-Host`.
    #[default]
    XForwardedFor,
    /// `Forwarded` ([RFC 7239](https://www.rfc-editor.org/rfc/rfc7239)).
    Forwarded,
}

/// The error for a value that is neither an address nor a network.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("expected an address such as ::1 or a network such as 10.0.0.0/8, not {0:?}")]
pub struct InvalidProxy(String);

/// The scheme and host in the URL that the client requested.
pub(crate) struct RequestedHost {
    pub(crate) scheme: &'static str,
    pub(crate) host: String,
}

/// An entry of a forwarding header: the client or proxy that sent a request, as reported by the proxy that received it.
#[derive(Debug, Default, PartialEq)]
struct Hop {
    /// `None` if the address is missing or cannot be parsed.
    address: Option<IpAddr>,
    scheme: Option<&'static str>,
    host: Option<String>,
}

impl FromStr for TrustedProxies {
    type Err = InvalidProxy;

    /// Parses addresses and networks (`10.0.0.0/8`), separated by commas. `none` and an empty string mean no proxies.
    fn from_str(text: &str) -> Result<Self, InvalidProxy> {
        let text = if text == "none" { "" } else { text };
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let networks = parts.map(parse_network).collect::<Result<_, _>>()?;
        Ok(Self { networks, header: ProxyHeader::default() })
    }
}

impl TrustedProxies {
    /// Returns whether no proxy is trusted.
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty()
    }

    /// Returns a value that trusts proxies at the loopback addresses 127.0.0.1 and ::1.
    #[must_use]
    pub fn loopback() -> Self {
        let networks = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
        Self { networks: networks.into_iter().map(IpNet::from).collect(), header: ProxyHeader::default() }
    }

    /// Selects the header that the proxies set.
    #[must_use]
    pub fn with_header(self, header: ProxyHeader) -> Self {
        Self { header, ..self }
    }

    /// Returns the client address of a request with these headers on a connection from `peer`.
    pub fn client_address(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        self.resolve(peer, headers).0
    }

    /// Returns the trusted proxies in the application data, if any.
    pub(crate) fn of(request: &HttpRequest) -> Option<&Self> {
        request.app_data::<web::Data<Self>>().map(|proxies| &***proxies)
    }

    /// Returns whether `address`, which must be in canonical form, belongs to a trusted proxy.
    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// Returns the client address and the last entry that was read, if any.
    fn resolve(&self, peer: IpAddr, headers: &HeaderMap) -> (IpAddr, Option<Hop>) {
        let mut address = peer.to_canonical();
        if !self.trusts(address) {
            return (address, None);
        }
        let mut last = None;
        for hop in self.hops(headers) {
            let forwarded = hop.address;
            last = Some(hop);
            let Some(forwarded) = forwarded else { break };
            address = forwarded;
            if !self.trusts(address) {
                break;
            }
        }
        (address, last)
    }

    /// Returns the entries of the forwarding header, starting with the entry of the nearest proxy.
    fn hops<'a>(&self, headers: &'a HeaderMap) -> impl Iterator<Item = Hop> + use<'a> {
        let (name, parse): (_, fn(&str) -> Hop) = match self.header {
            ProxyHeader::XForwardedFor => {
                ("x-forwarded-for", |text| Hop { address: parse_node(text), ..Hop::default() })
            }
            ProxyHeader::Forwarded => ("forwarded", Hop::parse),
        };
        elements(headers, name).map(move |text| parse(&text))
    }

    /// Returns the scheme and the host that a trusted proxy forwards.
    fn forwarded_host(&self, peer: IpAddr, headers: &HeaderMap) -> (Option<&'static str>, Option<String>) {
        if !self.trusts(peer.to_canonical()) {
            return (None, None);
        }
        match self.header {
            ProxyHeader::XForwardedFor => {
                let nearest = |name: &str| elements(headers, name).next();
                let scheme = nearest("x-forwarded-proto").and_then(|text| parse_scheme(&text));
                (scheme, nearest("x-forwarded-host").and_then(|text| parse_host(&text)))
            }
            ProxyHeader::Forwarded => {
                let hop = self.resolve(peer, headers).1.unwrap_or_default();
                (hop.scheme, hop.host)
            }
        }
    }
}

impl RequestedHost {
    /// Returns the scheme and host that a trusted proxy forwards, or those of the request.
    pub(crate) fn of(request: &HttpRequest) -> Self {
        let peer = request.peer_addr().map(|peer| peer.ip());
        let (scheme, host) = TrustedProxies::of(request)
            .zip(peer)
            .map_or((None, None), |(proxies, peer)| proxies.forwarded_host(peer, request.headers()));
        let config = request.app_config();
        // The scheme of an absolute request target is ignored: only TLS shows that a request is secure.
        let host = host
            .or_else(|| request.headers().get(header::HOST)?.to_str().ok().map(str::to_owned))
            .or_else(|| Some(request.uri().authority()?.as_str().to_owned()))
            .unwrap_or_else(|| config.host().to_owned());
        Self { scheme: scheme.unwrap_or(if config.secure() { "https" } else { "http" }), host }
    }
}

impl Hop {
    /// Parses an entry such as `for=192.0.2.60;proto=https;host=example.com`.
    fn parse(element: &str) -> Self {
        let mut hop = Self::default();
        for (name, value) in split_outside_quotes(element, ';').filter_map(|pair| pair.split_once('=')) {
            let value = unquote(value.trim());
            match name.trim() {
                name if name.eq_ignore_ascii_case("for") => hop.address = parse_node(&value),
                name if name.eq_ignore_ascii_case("proto") => hop.scheme = parse_scheme(&value),
                name if name.eq_ignore_ascii_case("host") => hop.host = parse_host(&value),
                _ => {}
            }
        }
        hop
    }
}

/// Returns the elements of a comma-separated list that may span several header lines, last element first.
fn elements(headers: &HeaderMap, name: &str) -> impl Iterator<Item = String> {
    let lines: Vec<_> = headers.get_all(name).collect();
    lines.into_iter().rev().flat_map(|line| {
        let line = String::from_utf8_lossy(line.as_bytes());
        split_outside_quotes(&line, ',').map(|element| element.trim().to_owned()).collect::<Vec<_>>()
    })
}

/// Splits `text` at separators outside quotes, from the right. Text from the client is on the left, so an unclosed
/// quote in it cannot hide what a proxy appended.
fn split_outside_quotes(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest.take()?;
        let is_escaped =
            |index: usize| text[..index].bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1;
        let mut quoted = false;
        for (index, c) in text.char_indices().rev() {
            if c == '"' && !(quoted && is_escaped(index)) {
                quoted = !quoted;
            } else if c == separator && !quoted {
                rest = Some(&text[..index]);
                return Some(&text[index + 1..]);
            }
        }
        Some(text)
    })
}

fn unquote(value: &str) -> String {
    let Some(quoted) = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')) else {
        return value.to_owned();
    };
    let mut unquoted = String::new();
    let mut chars = quoted.chars();
    while let Some(c) = chars.next() {
        unquoted.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    unquoted
}

/// Parses an address with or without a port: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`.
fn parse_node(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().ok().or_else(|| text.parse().ok().map(|address: SocketAddr| address.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

fn parse_scheme(text: &str) -> Option<&'static str> {
    ["http", "https"].into_iter().find(|scheme| text.eq_ignore_ascii_case(scheme))
}

fn parse_host(text: &str) -> Option<String> {
    let is_host =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte));
    (!text.is_empty() && is_host(text)).then(|| text.to_owned())
}

fn parse_network(text: &str) -> Result<IpNet, InvalidProxy> {
    let network = text.parse().ok().or_else(|| text.parse().ok().map(|address: IpAddr| address.into()));
    let network = match network.ok_or_else(|| InvalidProxy(text.to_owned()))? {
        // Store ::ffff:192.0.2.0/120 as 192.0.2.0/24, because addresses are compared in their canonical form.
        IpNet::V6(v6) if v6.prefix_len() >= 96 => match v6.addr().to_ipv4_mapped() {
            Some(v4) => IpNet::new(v4.into(), v6.prefix_len() - 96),
            None => Ok(v6.into()),
        },
        network => Ok(network),
    };
    network.map_err(|_| InvalidProxy(text.to_owned()))
}

#[cfg(test)]
mod tests;
