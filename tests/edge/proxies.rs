//! Forwarding headers of trusted proxies.

use crate::support::{
    http::{Request, get, post_form},
    program::Gatepass,
    secure_profile::{JOHNDOE, access_token, add_johndoe, serve},
    service::Program,
};

/// The sessions after a sign-in with these headers.
fn noted(arguments: &[&str], headers: &[(&str, &str)]) -> String {
    let gatepass = Gatepass::on_sqlite();
    add_johndoe(&gatepass);
    let service = serve(&gatepass, arguments);
    let request =
        |request: Request| headers.iter().fold(request, |request, (name, value)| request.header(name, value));
    let token = access_token(&request(post_form("/token", JOHNDOE)).send(service.address));
    let sessions = get("/users/me/sessions").bearer(&token).send(service.address).json();
    sessions.to_string()
}

#[track_caller]
fn assert_noted(arguments: &[&str], headers: &[(&str, &str)], address: &str) {
    let sessions = noted(arguments, headers);
    assert!(sessions.contains(&format!("\"{address}\"")), "{address}: {sessions}");
}

#[test]
fn session_address_comes_from_trusted_proxies_only() {
    let x = [("X-Forwarded-For", "6.6.6.6, 203.0.113.7")];
    assert_noted(&[], &x, "127.0.0.1");
    assert_noted(&["--trusted-proxies", "10.0.0.0/8"], &x, "127.0.0.1");
    assert_noted(&["--trusted-proxies", "127.0.0.1"], &x, "203.0.113.7");
    // The proxy does not set the other header, so it comes from the client.
    let both = [("Forwarded", "for=6.6.6.6"), x[0]];
    assert_noted(&["--trusted-proxies", "127.0.0.0/8"], &both, "203.0.113.7");
    let forwarded = [("X-Forwarded-For", "6.6.6.6"), ("Forwarded", "for=\"[2001:db8::7]:4711\";proto=https")];
    let arguments = ["--trusted-proxies", "127.0.0.1", "--proxy-header", "forwarded"];
    assert_noted(&arguments, &forwarded, "2001:db8::7");
}

fn location(program: &Program, headers: &[(&str, &str)]) -> String {
    let request = get("/users/me/");
    let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
    request.send(program.address()).header("location").expect("a redirect")
}

#[test]
fn redirect_uses_scheme_and_host_of_trusted_proxies_only() {
    let x = [("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "auth.example.com")];
    let forwarded = [("Forwarded", "for=203.0.113.7;proto=https;host=\"auth.example.com:444\"")];
    let bind = ["--bind", "127.0.0.1:0", "--workers", "1"];
    let own = "http://gatepass.test/users/me";

    let trusting = Program::start(&bind, &[]);
    assert_eq!(location(&trusting, &x), "https://auth.example.com/users/me");
    assert_eq!(location(&trusting, &forwarded), own);
    assert_eq!(location(&trusting, &[("X-Forwarded-Host", "evil.com/path?")]), own);
    assert_eq!(location(&trusting, &[("X-Forwarded-Proto", "javascript")]), own);

    let nobody = Program::start(&bind, &[("GATEPASS_TRUSTED_PROXIES", "")]);
    assert_eq!((location(&nobody, &x), location(&nobody, &forwarded)), (own.into(), own.into()));

    let variables = [("GATEPASS_TRUSTED_PROXIES", "::1,127.0.0.1"), ("GATEPASS_PROXY_HEADER", "Forwarded")];
    let by_rfc = Program::start(&bind, &variables);
    assert_eq!(location(&by_rfc, &x), own);
    assert_eq!(location(&by_rfc, &forwarded), "https://auth.example.com:444/users/me");
}
