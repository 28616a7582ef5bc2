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
    let proxies = TRUSTED.parse::<TrustedProxies>().unwrap().with_header(header);
    proxies.client_address(peer.parse().unwrap(), headers).to_string()
}

#[track_caller]
fn assert_x(peer: &str, lines: &[&str], expected: &str) {
    let headers = headers("x-forwarded-for", lines);
    assert_eq!(client(ProxyHeader::XForwardedFor, peer, &headers), expected, "{lines:?}");
    // The header that the proxies do not set is ignored.
    assert_eq!(client(ProxyHeader::Forwarded, peer, &headers), peer.replace("::ffff:", ""), "{lines:?}");
}

#[track_caller]
fn assert_forwarded(lines: &[&str], expected: &str) {
    let headers = headers("forwarded", lines);
    assert_eq!(client(ProxyHeader::Forwarded, "10.0.0.1", &headers), expected, "{lines:?}");
    assert_eq!(client(ProxyHeader::XForwardedFor, "10.0.0.1", &headers), "10.0.0.1", "{lines:?}");
}

#[test]
fn untrusted_peer_is_the_client() {
    assert_x("203.0.113.9", &["1.1.1.1"], "203.0.113.9");
    assert_x("::ffff:203.0.113.9", &["1.1.1.1"], "203.0.113.9");
    assert_x("11.0.0.1", &["1.1.1.1"], "11.0.0.1");
    assert_x("10.0.0.1", &[], "10.0.0.1");
}

#[test]
fn client_is_the_rightmost_address_that_is_not_a_trusted_proxy() {
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
fn unparsable_entry_yields_the_address_of_the_proxy_that_added_it() {
    for entry in ["", "unknown", "1.2.3", "1.2.3.4.5", "fe80::1%eth0", "[::1", "localhost", "1.2.3.4:x", "\""]
    {
        assert_x("10.0.0.1", &[&format!("6.6.6.6, {entry}")], "10.0.0.1");
        assert_x("10.0.0.1", &[&format!("6.6.6.6, {entry}, 10.0.0.2")], "10.0.0.2");
    }
}

#[test]
fn forwarded_header_is_parsed_as_rfc_7239_specifies() {
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
fn quote_sent_by_the_client_does_not_hide_the_address_that_the_proxy_appends() {
    assert_forwarded(&["for=\", for=203.0.113.7"], "203.0.113.7");
    assert_forwarded(&["for=\"\\, for=203.0.113.7"], "203.0.113.7");
    assert_forwarded(&["for=203.0.113.7;host=\"x\\\",for=6.6.6.6;y=\\\"\""], "203.0.113.7");
}

#[test]
fn invalid_network_is_rejected() {
    for text in ["10.0.0.0/33", "proxy", "10.0.0", "*", "10.0.0.1:80", "::1/129", "1.1.1.1 2.2.2.2"] {
        assert_eq!(text.parse::<TrustedProxies>(), Err(InvalidProxy(text.into())));
    }
    assert_eq!("".parse(), Ok(TrustedProxies::default()));
}

proptest! {
    #[test]
    fn client_cannot_forge_its_address(forged in "[ -~]{0,80}", a: [u8; 4]) {
        let actual = IpAddr::from(a);
        prop_assume!(!TRUSTED.parse::<TrustedProxies>().unwrap().trusts(actual));
        let actual = actual.to_string();
        // The proxy appends to the header that the client sent, or adds a second header.
        let x = |lines: &[&str]| client(ProxyHeader::XForwardedFor, "10.0.0.1", &headers("x-forwarded-for", lines));
        prop_assert_eq!(x(&[&format!("{forged}, {actual}")]), &*actual);
        prop_assert_eq!(x(&[&forged, &actual]), &*actual);
        let entry = format!("for={actual}");
        let f = |lines: &[&str]| client(ProxyHeader::Forwarded, "10.0.0.1", &headers("forwarded", lines));
        prop_assert_eq!(f(&[&format!("{forged}, {entry}")]), &*actual);
        prop_assert_eq!(f(&[&forged, &entry]), &*actual);
        // If the peer is not a trusted proxy, its headers are ignored.
        prop_assert_eq!(client(ProxyHeader::XForwardedFor, &actual, &headers("x-forwarded-for", &[&forged])), actual);
    }

    #[test]
    fn arbitrary_headers_are_parsed_without_panics(line in "[ -~]{0,60}", header: bool) {
        let (header, name) = if header {
            (ProxyHeader::Forwarded, "forwarded")
        } else {
            (ProxyHeader::XForwardedFor, "x-forwarded-for")
        };
        client(header, "10.0.0.1", &headers(name, &[&line, "10.0.0.2"]));
    }
}
