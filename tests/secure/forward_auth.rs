//! `GET /forward-auth`, called directly and by nginx and Caddy.

use std::{
    net::SocketAddr,
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::{
    secure::{
        Gatepass, JOHNDOE, Program, Reply, Request, SECOND, Service, add_client, add_client_with, basic,
        client_fields, cookie_named, free_address, get, on_sqlite, outcome, post_form, read, request, skip,
        with_service, within,
    },
    support::folder::Folder,
};

fn forward_auth(service: &Service, query: &str, token: &str) -> Reply {
    get(&format!("/forward-auth{query}")).bearer(token).send(service.address)
}

fn identity(reply: &Reply) -> [String; 4] {
    assert_eq!(reply.status, 200, "{reply:?}");
    let header = |name| reply.header(name).unwrap_or_else(|| panic!("no {name}: {reply:?}"));
    ["x-auth-user", "x-auth-subject", "x-auth-scopes", "x-auth-client"].map(header)
}

fn user_id(service: &Service, token: &str) -> String {
    service.users_me(token).json()["id"].as_str().expect("an id").to_owned()
}

#[test]
fn forward_auth_returns_the_user_of_a_valid_token_and_401_or_403_otherwise() {
    with_service(&[], |gatepass, service| {
        let secret = add_client(gatepass, "web");
        let token = service.token(&format!("{JOHNDOE}{}", client_fields("web", &secret)));
        let (id, scopes) = (user_id(&service, &token), "me users:read".to_owned());
        let expected = ["johndoe".to_owned(), id, scopes, "web".to_owned()];
        for query in ["", "?scope=", "?scope=me", "?scope=users:read+me", "?scope=users%3Aread"] {
            assert_eq!(identity(&forward_auth(&service, query, &token)), expected, "{query}");
        }
        let forbidden = r#"Bearer realm="api", error="insufficient_scope", scope="me items:read""#.to_owned();
        let reply = forward_auth(&service, "?scope=me+items:read", &token);
        assert_eq!(outcome(&reply), (403, "Not enough permissions".into(), Some(forbidden)));
        assert_eq!(forward_auth(&service, "?scope=%00", &token).status, 400);
        assert_eq!(get("/forward-auth").send(service.address).status, 401);
        service.expect_invalid(&["x"]);
        let reply = forward_auth(&service, "", "x");
        assert_eq!((reply.status, reply.header("cache-control").as_deref()), (401, Some("no-store")));
        // A username that is not ASCII is sent as UTF-8.
        gatepass.add("jürgen", &[]).done();
        let other = service.token("username=j%C3%BCrgen&password=j%C3%BCrgen's+own+passphrase");
        assert_eq!(forward_auth(&service, "", &other).header("x-auth-user").as_deref(), Some("jürgen"));

        // nginx turns errors other than 401 and 403 into 500, so an inactive user gets 401.
        gatepass.done(&["users", "disable", "johndoe"]);
        let reply = within(SECOND, "the user is disabled", || {
            Some(forward_auth(&service, "", &token)).filter(|reply| reply.status != 200)
        });
        assert_eq!(reply.status, 401, "{reply:?}");
    });
}

#[test]
fn introspection_and_tokens_with_profile_claims_contain_the_profile() {
    let (gatepass, service) = on_sqlite(&["--profile-claims"]);
    let secret = add_client_with(&gatepass, "api", &["--introspect-all"]);
    let token = service.token(JOHNDOE);
    let sent =
        post_form("/introspect", format!("token={token}")).header("Authorization", basic("api", &secret));
    let found = sent.send(service.address).json();
    let profile = |claims: &Value| ["preferred_username", "email", "name"].map(|claim| claims[claim].clone());
    let johndoe = ["johndoe", "johndoe@example.com", "John Doe"].map(Value::from);
    assert_eq!(profile(&found), johndoe);
    assert_eq!(found["sub"], *user_id(&service, &token));
    assert_eq!(profile(&read(&token).1), johndoe);
}

const NGINX: &str = "daemon off; master_process off; error_log stderr; pid DIR/pid;
events {}
http {
    access_log off;
    client_body_temp_path DIR/a; proxy_temp_path DIR/b; fastcgi_temp_path DIR/c; uwsgi_temp_path DIR/d; scgi_temp_path DIR/e;
    server {
        listen UPSTREAM;
        location / { return 200 \"user=$http_x_auth_user subject=$http_x_auth_subject client=$http_x_auth_client\"; }
    }
    server {
        listen LISTEN;
        DOCUMENTED
    }
}";

const CADDY: &str = "{
    admin off
    storage file_system DIR
}
http://UPSTREAM {
    respond \"user={header.X-Auth-User} subject={header.X-Auth-Subject} client={header.X-Auth-Client}\"
}
http://LISTEN {
    DOCUMENTED
}";

/// Returns the first code block in this language.
fn block<'a>(text: &'a str, language: &str) -> &'a str {
    let block = text.split(&format!("```{language}\n")).nth(1).expect("a code block");
    block.split("```").next().unwrap()
}

/// Starts a proxy with the first configuration in `language` under `heading` in docs/proxies.md. The upstream server
/// responds with the headers that it receives.
fn proxy(
    language: &str,
    heading: &str,
    template: &str,
    service: &Service,
) -> Option<(Program, SocketAddr, Folder)> {
    let (name, version, run): (_, _, &[&str]) = match language {
        "nginx" => ("nginx", "-v", &["-e", "stderr", "-c"]),
        _ => ("caddy", "version", &["run", "--adapter", "caddyfile", "--config"]),
    };
    let paths = [name.to_owned(), format!("/usr/sbin/{name}")];
    let program = paths.into_iter().find(|program| {
        let run = Command::new(program).arg(version).stdout(Stdio::null()).stderr(Stdio::null()).status();
        run.is_ok_and(|status| status.success())
    });
    let Some(program) = program else {
        skip(format!("{name} is not installed"));
        return None;
    };
    let page = include_str!("../../docs/proxies.md");
    let (_, section) = page.split_once(&format!("\n## {heading}\n")).expect("the section");
    let documented = block(section, language);
    let (folder, listen, upstream) = (Folder::create(), free_address(), free_address());
    let configuration = template
        .replace("DOCUMENTED", documented)
        .replace("127.0.0.1:8000", &service.address.to_string())
        .replace("127.0.0.1:3000", &upstream.to_string())
        .replace("UPSTREAM", &upstream.to_string())
        .replace("LISTEN", &listen.to_string())
        .replace("DIR", &folder.path().display().to_string());
    let configuration = folder.write("configuration", configuration);
    let mut program = Program::run(Command::new(program).args(run).arg(configuration));
    for address in [listen, upstream] {
        program.wait_until_listening(address);
    }
    Some((program, listen, folder))
}

/// Tests authentication by a proxy. If `has_admin` is set, the proxy requires a scope that johndoe lacks for
/// /api/admin/.
fn expect_authentication_by_proxy(language: &str, template: &str, has_admin: bool) {
    let (gatepass, service): (Gatepass, _) = on_sqlite(&["--trusted-proxies", "127.0.0.1"]);
    let heading = "Authenticate requests in the proxy";
    let Some((_proxy, address, _folder)) = proxy(language, heading, template, &service) else { return };
    expect_cookies(address);
    let token = service.token(JOHNDOE);
    let id = user_id(&service, &token);
    let host = address.to_string();
    let request = get("/api/items")
        .header("Host", &host)
        .header("X-Forwarded-For", "192.0.2.1")
        .header("X-Auth-User", "alice")
        .header("X-Auth-Client", "forged");
    let reply = request.clone().bearer(&token).send(address);
    assert_eq!(reply.text(), format!("user=johndoe subject={id} client=gatepass"), "{reply:?}");
    let reply = request.send(address);
    assert_eq!(
        (reply.status, reply.header("www-authenticate").as_deref()),
        (401, Some(r#"Bearer realm="api""#))
    );
    if has_admin {
        assert_eq!(get("/api/admin/").bearer(&token).send(address).status, 403);
    } else {
        let narrow = service.token(&format!("{JOHNDOE}&scope=me"));
        assert_eq!(request.clone().bearer(&narrow).send(address).status, 403);
    }
    gatepass.done(&["users", "disable", "johndoe"]);
    within(SECOND, "the user is disabled", || {
        Some(request.clone().bearer(&token).send(address)).filter(|reply| reply.status == 401)
    });
    let log = service.program.log();
    assert!(
        log.contains("/forward-auth") && !log.contains("192.0.2.1"),
        "expected /forward-auth and no forged address in the log: {log}"
    );
}

#[test]
fn nginx_forwards_requests_with_a_token_or_cookie_and_refuses_disabled_users_with_401() {
    expect_authentication_by_proxy("nginx", NGINX, true);
}

#[test]
fn nginx_replaces_forwarding_headers_that_the_client_sends() {
    let (_gatepass, service) = on_sqlite(&["--trusted-proxies", "127.0.0.1"]);
    let Some((_proxy, address, _folder)) = proxy("nginx", "The client's address", NGINX, &service) else {
        return;
    };
    let request = get("/users/me").header("Host", address.to_string());
    let forged = request.header("X-Request-Id", "forged").header("X-Forwarded-For", "192.0.2.1");
    let id = forged.send(address).header("x-request-id").expect("an ID");
    assert_eq!(id.len(), 32, "expected the ID that nginx generated, got {id}");
    let line = within(SECOND, "the request is logged", || {
        service.program.log().lines().find(|line| line.contains(&id)).map(str::to_owned)
    });
    assert!(line.contains(" 127.0.0.1 ") && !line.contains("192.0.2.1"), "{line}");
}

#[test]
fn caddy_forwards_requests_with_a_token_or_cookie_and_refuses_disabled_users_with_401() {
    expect_authentication_by_proxy("caddyfile", CADDY, false);
}

/// Returns the request as a page of the proxied application would send it.
fn from_own_page(request: Request, address: SocketAddr) -> Request {
    let request = request.header("Host", address.to_string()).header("Origin", format!("http://{address}"));
    request.header("Sec-Fetch-Site", "same-origin")
}

/// Tests that a browser can sign in and out through the proxy at this address.
fn expect_cookies(address: SocketAddr) {
    let host = address.to_string();
    let html = "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8";
    let form = || post_form("/login", format!("{JOHNDOE}&next=/api/items")).header("Accept", html);
    let foreign = form().header("Host", &host).header("Origin", "https://evil.example");
    assert_eq!(foreign.send(address).status, 403);
    // An old browser does not send `Sec-Fetch-Site`.
    let old = form().header("Host", &host).header("Origin", format!("http://{host}"));
    assert_eq!(old.send(address).status, 303);
    let signed_in = from_own_page(form(), address).send(address);
    assert_eq!((signed_in.status, signed_in.header("location").as_deref()), (303, Some("/api/items")));
    let cookie = cookie_named("gatepass_session", &signed_in);

    let send = |method: &str, headers: &[(&str, &str)]| {
        let request = request(method, "/api/items").header("Host", &host).header("Cookie", &cookie);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        let request =
            if method == "POST" { request.header("Content-Type", "text/plain").body("x") } else { request };
        request.send(address)
    };
    // Requests from a link on another site, a bookmark, a script of the application, and an old browser.
    for headers in [
        &[("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "navigate"), ("Accept", html)][..],
        &[("Sec-Fetch-Site", "none"), ("Sec-Fetch-Mode", "navigate")],
        &[("Sec-Fetch-Site", "same-origin")],
        &[],
    ] {
        let reply = send("GET", headers);
        assert!(reply.text().starts_with("user=johndoe subject="), "{headers:?}: {reply:?}");
    }
    let own_origin = format!("http://{host}");
    for method in ["POST", "DELETE"] {
        for headers in [&[("Sec-Fetch-Site", "same-origin")][..], &[("Origin", own_origin.as_str())]] {
            assert_eq!(send(method, headers).status, 200, "{method} {headers:?}");
        }
        for headers in [
            &[
                ("Sec-Fetch-Site", "cross-site"),
                ("Origin", "https://evil.example"),
                ("Sec-Fetch-Mode", "navigate"),
            ][..],
            &[("Sec-Fetch-Site", "same-site"), ("Origin", "http://other.example.com")],
            &[("Origin", "null")],
            &[],
            &[("Sec-Fetch-Site", "same-site"), ("X-Original-Method", "GET")],
            &[("Sec-Fetch-Site", "same-site"), ("X-Forwarded-Method", "GET")],
        ] {
            assert_eq!(send(method, headers).status, 403, "{method} {headers:?}");
        }
    }
    let log_out = post_form("/logout", "").header("Cookie", &cookie);
    assert_eq!(
        log_out.clone().header("Host", &host).header("Sec-Fetch-Site", "cross-site").send(address).status,
        403
    );
    assert_eq!(send("GET", &[]).status, 200);
    assert_eq!(from_own_page(log_out, address).send(address).status, 204);
    assert_eq!(send("GET", &[]).status, 401);
}

#[test]
fn request_with_a_cookie_must_come_from_the_same_origin_unless_its_method_is_safe() {
    let (_gatepass, service) = on_sqlite(&["--audience", "https://api.example.com"]);
    let signed_in =
        post_form("/login", JOHNDOE).header("Sec-Fetch-Site", "same-origin").send(service.address);
    let cookie = cookie_named("gatepass_session", &signed_in);
    let status = |headers: &[(&str, &str)]| {
        let request = get("/forward-auth?scope=me").header("Cookie", &cookie);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        request.send(service.address).status
    };
    let (same_site, cross_site) = (("Sec-Fetch-Site", "same-site"), ("Sec-Fetch-Site", "cross-site"));
    let origin = ("Origin", "http://other.example.com");
    for safe in ["GET", "HEAD", "OPTIONS"] {
        for name in ["X-Original-Method", "X-Forwarded-Method"] {
            assert_eq!(status(&[(name, safe), same_site, origin]), 200, "{name}: {safe}");
        }
    }
    for method in ["POST", "PUT", "DELETE", "PATCH", "get", "", "QUERY"] {
        assert_eq!(status(&[("X-Forwarded-Method", method), cross_site]), 403, "{method}");
        assert_eq!(status(&[("X-Forwarded-Method", method)]), 403, "{method}");
        assert_eq!(
            status(&[("X-Forwarded-Method", "GET"), ("X-Original-Method", method), same_site]),
            403,
            "{method}"
        );
        assert_eq!(
            status(&[("X-Original-Method", method), ("Sec-Fetch-Site", "same-origin")]),
            200,
            "{method}"
        );
    }
    assert_eq!(status(&[("X-Forwarded-Method", "GET"), ("X-Forwarded-Method", "POST"), same_site]), 403);
    assert_eq!(status(&[("X-Forwarded-Method", "GET"), ("Sec-WebSocket-Version", "13"), same_site]), 403);
    // If the proxy does not send the method, requests with an `Origin` or `Content-Type` header must come from the same
    // origin. Browsers send neither header for links and GET forms.
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    for (headers, expected) in [
        (&[][..], 200),
        (&[cross_site], 200),
        (&[same_site], 200),
        (&[cross_site, ("Sec-Fetch-Mode", "navigate")], 200),
        (&[same_site, origin], 403),
        (&[same_site, form], 403),
        (&[form], 403),
        (&[("Origin", "null")], 403),
        (&[("Sec-Fetch-Site", "same-origin"), form, origin], 200),
    ] {
        assert_eq!(status(headers), expected, "{headers:?}");
    }
    // Cookies are accepted for every audience. Requests with a token need none of the headers above.
    let for_audience = get("/forward-auth?audience=https://api.example.com");
    assert_eq!(
        identity(&for_audience.clone().header("Cookie", &cookie).send(service.address))[3],
        "gatepass"
    );
    let other = get("/forward-auth?audience=https://files.example.com").bearer(&service.token(JOHNDOE));
    assert_eq!(other.header("Cookie", &cookie).send(service.address).status, 401);
    let by_token = for_audience
        .bearer(&service.token(JOHNDOE))
        .header("X-Forwarded-Method", "POST")
        .header("Sec-Fetch-Site", "cross-site");
    assert_eq!(by_token.send(service.address).status, 200);
}
