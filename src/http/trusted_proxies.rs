//! Whose word counts on where a request came from.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use actix_web::{
    HttpRequest,
    http::header::{self, AsHeaderName, HeaderMap},
    web,
};
use ipnet::IpNet;
use thiserror::Error;

/// The proxies before an application: what they say of a request's client is believed, and nobody else's word.
///
/// Put into an application as data, it decides whose address a session is noted with, and which scheme and host
/// a redirect goes to. Without it nobody is trusted: the address is the connection's.
///
/// ```
/// use actix_web::{App, web};
/// use gatepass::{web::{ProxyHeader, TrustedProxies}};
///
/// let proxies: TrustedProxies = "10.0.0.0/8, ::1".parse()?;
/// let proxies = proxies.setting(ProxyHeader::XForwardedFor);
/// let app = App::new().app_data(web::Data::new(proxies));
/// # Ok::<(), gatepass::web::InvalidProxy>(())
/// ```
///
/// A client can send any header, so only the one that the proxies set is read: they have to append to it, or to
/// replace it. It is read from the right, past every trusted proxy, up to the first address that is none; where
/// an entry cannot be read, the address is that of the proxy that wrote it.
///
/// ```
/// use std::net::IpAddr;
/// use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
/// use gatepass::web::TrustedProxies;
///
/// let proxies: TrustedProxies = "10.0.0.0/8".parse()?;
/// let mut headers = HeaderMap::new();
/// let forged_and_true = HeaderValue::from_static("127.0.0.1, 203.0.113.7, 10.0.0.2");
/// headers.insert(HeaderName::from_static("x-forwarded-for"), forged_and_true);
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

/// The header in which proxies say whom they speak for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProxyHeader {
    /// `X-Forwarded-For`, with `X-Forwarded-Proto` and `X-Forwarded-Host` beside it.
    #[default]
    XForwardedFor,
    /// `Forwarded` ([RFC 7239](https://www.rfc-editor.org/rfc/rfc7239)).
    Forwarded,
}

/// A text that names no network.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("an address or a network is expected, such as 10.0.0.0/8 or ::1, not {0:?}")]
pub struct InvalidProxy(String);

/// What the client of a request called the service.
pub(crate) struct Site {
    pub(crate) scheme: &'static str,
    pub(crate) host: String,
}

/// What one proxy says of whom it speaks for.
#[derive(Debug, Default, PartialEq)]
struct Hop {
    /// None where it cannot be read, or is not told.
    address: Option<IpAddr>,
    scheme: Option<&'static str>,
    host: Option<String>,
}

impl FromStr for TrustedProxies {
    type Err = InvalidProxy;

    /// Addresses and networks (`10.0.0.0/8`), separated by commas; an empty text trusts nobody.
    fn from_str(text: &str) -> Result<Self, InvalidProxy> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let networks = parts.map(parse_network).collect::<Result<_, _>>()?;
        Ok(Self { networks, header: ProxyHeader::default() })
    }
}

impl TrustedProxies {
    /// The programs of this machine.
    #[must_use]
    pub fn loopback() -> Self {
        let networks = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
        Self { networks: networks.into_iter().map(IpNet::from).collect(), header: ProxyHeader::default() }
    }

    /// These proxies, which say it in this header.
    #[must_use]
    pub fn setting(self, header: ProxyHeader) -> Self {
        Self { header, ..self }
    }

    /// The address of the client whose request came with these headers on a connection from `peer`.
    pub fn client_address(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        self.walk(peer, headers).0
    }

    /// Those of an application; nobody where it has none.
    pub(crate) fn of(request: &HttpRequest) -> Option<&Self> {
        request.app_data::<web::Data<Self>>().map(|proxies| &***proxies)
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// The client's address, and what the proxy that named it says besides.
    fn walk(&self, peer: IpAddr, headers: &HeaderMap) -> (IpAddr, Option<Hop>) {
        let mut address = peer.to_canonical();
        if !self.trusts(address) {
            return (address, None);
        }
        let mut last = None;
        for hop in self.hops(headers) {
            let named = hop.address;
            last = Some(hop);
            match named {
                Some(named) => address = named,
                None => break,
            }
            if !self.trusts(address) {
                break;
            }
        }
        (address, last)
    }

    /// What the proxies say, the nearest first.
    fn hops<'a>(&self, headers: &'a HeaderMap) -> Box<dyn Iterator<Item = Hop> + 'a> {
        match self.header {
            ProxyHeader::XForwardedFor => Box::new(
                elements(headers, "x-forwarded-for")
                    .map(|text| Hop { address: parse_node(&text), ..Hop::default() }),
            ),
            ProxyHeader::Forwarded => {
                Box::new(elements(headers, header::FORWARDED).map(|text| Hop::parse(&text)))
            }
        }
    }

    /// The scheme and the host that a trusted proxy names for the client, each where it does.
    fn forwarded_site(&self, peer: IpAddr, headers: &HeaderMap) -> (Option<&'static str>, Option<String>) {
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
                let hop = self.walk(peer, headers).1.unwrap_or_default();
                (hop.scheme, hop.host)
            }
        }
    }
}

impl Site {
    /// As a trusted proxy names it, or as the request does.
    pub(crate) fn of(request: &HttpRequest) -> Self {
        let peer = request.peer_addr().map(|peer| peer.ip());
        let (scheme, host) = TrustedProxies::of(request)
            .zip(peer)
            .map_or((None, None), |(proxies, peer)| proxies.forwarded_site(peer, request.headers()));
        let own = request.app_config();
        // Of a target that is a whole URL the host counts, and not the scheme: nobody vouches for it.
        let host = host
            .or_else(|| request.headers().get(header::HOST)?.to_str().ok().map(str::to_owned))
            .or_else(|| Some(request.uri().authority()?.as_str().to_owned()))
            .unwrap_or_else(|| own.host().to_owned());
        Self { scheme: scheme.unwrap_or(if own.secure() { "https" } else { "http" }), host }
    }
}

impl Hop {
    /// `for=192.0.2.60;proto=https;host=example.com`
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

/// The elements of a list that may stand in several headers, from the right.
fn elements(headers: &HeaderMap, name: impl AsHeaderName) -> impl Iterator<Item = String> {
    let lines: Vec<_> = headers.get_all(name).collect();
    lines.into_iter().rev().flat_map(|line| {
        let line = String::from_utf8_lossy(line.as_bytes());
        split_outside_quotes(&line, ',').map(|element| element.trim().to_owned()).collect::<Vec<_>>()
    })
}

/// The parts of a text, from the right: what a client wrote stands on the left, and no quote of its own can
/// swallow what a proxy appended.
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

/// An address, with a port or without: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`.
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
        // ::ffff:192.0.2.0/120 is 192.0.2.0/24: addresses are looked at as IPv4.
        IpNet::V6(v6) if v6.prefix_len() >= 96 => match v6.addr().to_ipv4_mapped() {
            Some(v4) => IpNet::new(v4.into(), v6.prefix_len() - 96),
            None => Ok(v6.into()),
        },
        network => Ok(network),
    };
    network.map_err(|_| InvalidProxy(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::*;

    const TRUSTED: &str = "10.0.0.0/8, 2001:db8::/32, ::ffff:192.168.0.0/112";

    fn headers(name: &'static str, lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_str(line).unwrap());
        }
        headers
    }

    fn client(header: ProxyHeader, peer: &str, headers: &HeaderMap) -> String {
        let proxies = TRUSTED.parse::<TrustedProxies>().unwrap().setting(header);
        proxies.client_address(peer.parse().unwrap(), headers).to_string()
    }

    #[track_caller]
    fn assert_x(peer: &str, lines: &[&str], expected: &str) {
        let headers = headers("x-forwarded-for", lines);
        assert_eq!(client(ProxyHeader::XForwardedFor, peer, &headers), expected, "{lines:?}");
        // The other header is nobody's.
        assert_eq!(client(ProxyHeader::Forwarded, peer, &headers), peer.replace("::ffff:", ""), "{lines:?}");
    }

    #[track_caller]
    fn assert_forwarded(lines: &[&str], expected: &str) {
        let headers = headers("forwarded", lines);
        assert_eq!(client(ProxyHeader::Forwarded, "10.0.0.1", &headers), expected, "{lines:?}");
        assert_eq!(client(ProxyHeader::XForwardedFor, "10.0.0.1", &headers), "10.0.0.1", "{lines:?}");
    }

    #[test]
    fn who_is_no_trusted_proxy_is_the_client() {
        assert_x("203.0.113.9", &["1.1.1.1"], "203.0.113.9");
        assert_x("::ffff:203.0.113.9", &["1.1.1.1"], "203.0.113.9");
        assert_x("11.0.0.1", &["1.1.1.1"], "11.0.0.1");
        assert_x("10.0.0.1", &[], "10.0.0.1");
    }

    #[test]
    fn the_first_address_from_the_right_that_is_no_proxy_counts() {
        assert_x("10.0.0.1", &["203.0.113.7"], "203.0.113.7");
        assert_x("::ffff:10.0.0.1", &["203.0.113.7"], "203.0.113.7");
        assert_x("192.168.3.4", &["203.0.113.7"], "203.0.113.7");
        assert_x("10.0.0.1", &["6.6.6.6, 203.0.113.7 , 10.0.0.2,2001:db8::5"], "203.0.113.7");
        assert_x("10.0.0.1", &["6.6.6.6", "203.0.113.7", "10.0.0.2"], "203.0.113.7");
        assert_x("10.0.0.1", &["203.0.113.7:4711"], "203.0.113.7");
        assert_x("10.0.0.1", &["[2001:dead::1]:4711"], "2001:dead::1");
        assert_x("10.0.0.1", &["::ffff:203.0.113.7"], "203.0.113.7");
        assert_x("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3");
    }

    #[test]
    fn what_cannot_be_read_ends_the_way() {
        for entry in
            ["", "unknown", "1.2.3", "1.2.3.4.5", "fe80::1%eth0", "[::1", "localhost", "1.2.3.4:x", "\""]
        {
            assert_x("10.0.0.1", &[&format!("6.6.6.6, {entry}")], "10.0.0.1");
            assert_x("10.0.0.1", &[&format!("6.6.6.6, {entry}, 10.0.0.2")], "10.0.0.2");
        }
    }

    #[test]
    fn forwarded_is_read_as_its_rfc_has_it() {
        assert_forwarded(&["for=203.0.113.7"], "203.0.113.7");
        assert_forwarded(&["For=\"203.0.113.7:80\";proto=http;by=10.0.0.9"], "203.0.113.7");
        assert_forwarded(&["proto=https; for=\"[2001:dead::1]:4711\""], "2001:dead::1");
        assert_forwarded(&["for=6.6.6.6, for=203.0.113.7, for=10.0.0.2"], "203.0.113.7");
        assert_forwarded(&["for=6.6.6.6", "for=203.0.113.7, for=\"[2001:db8::9]\""], "203.0.113.7");
        for unreadable in ["for=unknown", "for=_hidden", "proto=https", "for=", "for", "203.0.113.7", ""] {
            assert_forwarded(&[&format!("for=6.6.6.6, {unreadable}")], "10.0.0.1");
        }
    }

    #[test]
    fn no_quote_of_the_client_swallows_what_the_proxy_appends() {
        assert_forwarded(&["for=\", for=203.0.113.7"], "203.0.113.7");
        assert_forwarded(&["for=\"\\, for=203.0.113.7"], "203.0.113.7");
        assert_forwarded(&["for=203.0.113.7;host=\"x\\\",for=6.6.6.6;y=\\\"\""], "203.0.113.7");
    }

    #[test]
    fn a_text_that_names_no_network_is_refused() {
        for text in ["10.0.0.0/33", "proxy", "10.0.0", "*", "10.0.0.1:80", "::1/129", "1.1.1.1 2.2.2.2"] {
            assert_eq!(text.parse::<TrustedProxies>(), Err(InvalidProxy(text.into())));
        }
        assert_eq!("".parse(), Ok(TrustedProxies::default()));
    }

    proptest! {
        #[test]
        fn a_client_cannot_choose_its_address(forged in "[ -~]{0,80}", a: [u8; 4]) {
            let own = IpAddr::from(a);
            prop_assume!(!TRUSTED.parse::<TrustedProxies>().unwrap().trusts(own));
            let own = own.to_string();
            // The proxy appends to what the client sent, in the same header or in one more.
            let x = |lines: &[&str]| client(ProxyHeader::XForwardedFor, "10.0.0.1", &headers("x-forwarded-for", lines));
            prop_assert_eq!(x(&[&format!("{forged}, {own}")]), &*own);
            prop_assert_eq!(x(&[&forged, &own]), &*own);
            let named = format!("for={own}");
            let f = |lines: &[&str]| client(ProxyHeader::Forwarded, "10.0.0.1", &headers("forwarded", lines));
            prop_assert_eq!(f(&[&format!("{forged}, {named}")]), &*own);
            prop_assert_eq!(f(&[&forged, &named]), &*own);
            // Without a proxy nothing that it sends counts.
            prop_assert_eq!(client(ProxyHeader::XForwardedFor, &own, &headers("x-forwarded-for", &[&forged])), own);
        }

        #[test]
        fn whatever_proxies_say_can_be_read(line in "[ -~]{0,60}", header: bool) {
            let (header, name) = if header {
                (ProxyHeader::Forwarded, "forwarded")
            } else {
                (ProxyHeader::XForwardedFor, "x-forwarded-for")
            };
            client(header, "10.0.0.1", &headers(name, &[&line, "10.0.0.2"]));
        }
    }
}
