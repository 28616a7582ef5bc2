//! Forwarding headers from trusted proxies.

use crate::support::{
    http::{Request, get, post_form},
    program::Gatepass,
    secure_profile::{JOHNDOE, Service, access_token, add_johndoe, serve},
};

fn with(request: Request, headers: &[(&str, &str)]) -> Request {
    headers.iter().fold(request, |request, (name, value)| request.header(name, value))
}

/// Returns the `Location` of the redirect that a request with these headers gets.
fn location(service: &Service, headers: &[(&str, &str)]) -> String {
    with(get("/users/me/"), headers).send(service.address).header("location").expect("a redirect")
}

#[test]
fn address_scheme_and_host_come_only_from_the_configured_header_of_trusted_proxies() {
    let gatepass = Gatepass::on_sqlite();
    add_johndoe(&gatepass);
    // The first address is forged by the client.
    let headers = [
        ("X-Forwarded-For", "6.6.6.6, 203.0.113.7"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "auth.example.com"),
        ("Forwarded", "for=\"[2001:db8::7]:4711\";proto=https;host=\"auth.example.com:444\""),
    ];
    let direct = "http://localhost";
    for (arguments, address, origin) in [
        (&["--trusted-proxies=none"][..], "127.0.0.1", direct),
        (&["--trusted-proxies=10.0.0.0/8"], "127.0.0.1", direct),
        (&["--trusted-proxies=127.0.0.0/8"], "203.0.113.7", "https://auth.example.com"),
        (
            &["--trusted-proxies=::1,127.0.0.1", "--proxy-header=Forwarded"],
            "2001:db8::7",
            "https://auth.example.com:444",
        ),
    ] {
        let service = serve(&gatepass, arguments);
        let token = access_token(&with(post_form("/token", JOHNDOE), &headers).send(service.address));
        let sessions = get("/users/me/sessions").bearer(&token).send(service.address).json();
        let current = sessions.as_array().unwrap().iter().find(|session| session["current"] == true).unwrap();
        assert_eq!(current["address"], address, "{arguments:?}");
        assert_eq!(location(&service, &headers), "../me", "{arguments:?}");
        let tutorial = serve(&Gatepass::on_sqlite(), &[arguments, &["--profile=tutorial"]].concat());
        assert_eq!(location(&tutorial, &headers), format!("{origin}/users/me"), "{arguments:?}");
    }
}

#[test]
fn tutorial_profile_trusts_loopback_proxies_and_ignores_an_invalid_scheme_or_host() {
    let tutorial = serve(&Gatepass::on_sqlite(), &["--profile", "tutorial"]);
    for (header, value, origin) in [
        ("X-Forwarded-Proto", "https", "https://localhost"),
        ("X-Forwarded-Host", "auth.example.com", "http://auth.example.com"),
        ("X-Forwarded-Host", "evil.com/path?", "http://localhost"),
        ("X-Forwarded-Proto", "javascript", "http://localhost"),
        ("Forwarded", "for=203.0.113.7;proto=https", "http://localhost"),
    ] {
        assert_eq!(
            location(&tutorial, &[(header, value)]),
            format!("{origin}/users/me"),
            "{header}: {value}"
        );
    }
}
