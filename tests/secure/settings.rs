//! What the settings of the secure profile change.

use serde_json::json;

use crate::support::{
    http::get,
    program::Gatepass,
    secure_profile::{JOHNDOE, SECOND, add_johndoe, outcome, read, serve, within},
};

#[test]
fn strict_requires_the_grant_type() {
    Gatepass::on_both("strict_requires_the_grant_type", |gatepass| {
        add_johndoe(gatepass);
        let service = serve(gatepass, &["--require-grant-type"]);
        let missing = service.sign_in(JOHNDOE);
        let detail = json!([
            { "type": "missing", "loc": ["body", "grant_type"], "msg": "Field required", "input": null },
        ]);
        assert_eq!(outcome(&missing), (400, detail, None));
        assert_eq!(missing.json()["error"], "invalid_request");
        let token = service.token(&format!("{JOHNDOE}&grant_type=password"));
        assert_eq!(service.users_me(&token).status, 200);
    });
}

#[test]
fn a_client_may_be_required() {
    Gatepass::on_both("a_client_may_be_required", |gatepass| {
        add_johndoe(gatepass);
        let client = gatepass.json(&["clients", "add", "web"]);
        let service = serve(gatepass, &["--require-client"]);
        for fields in ["", "&client_id=&client_secret="] {
            let reply = service.sign_in(&format!("{JOHNDOE}{fields}"));
            assert_eq!(outcome(&reply), (401, "Incorrect client credentials".into(), None));
            assert_eq!(reply.json()["error"], "invalid_client");
        }
        let secret = client["client_secret"].as_str().unwrap();
        service.token(&format!("{JOHNDOE}&client_id=web&client_secret={secret}"));
    });
}

#[test]
fn with_the_password_grant_off_tokens_that_are_out_are_still_taken() {
    Gatepass::on_both("with_the_password_grant_off_tokens_that_are_out_are_still_taken", |gatepass| {
        add_johndoe(gatepass);
        let issuer = ["--issuer", "https://auth.example.com"];
        let token = serve(gatepass, &issuer).token(JOHNDOE);
        let service = serve(gatepass, &[&issuer[..], &["--password-grant", "off"]].concat());
        assert_eq!(service.users_me(&token).status, 200);
        let refused = service.sign_in(JOHNDOE);
        assert_eq!(outcome(&refused), (400, "Signing in with a password is turned off".into(), None));
        assert_eq!(refused.json()["error"], "unsupported_grant_type");
    });
}

#[test]
fn the_issuer_and_the_audience_are_what_the_settings_say() {
    Gatepass::on_both("the_issuer_and_the_audience_are_what_the_settings_say", |gatepass| {
        add_johndoe(gatepass);
        let (issuer, audience) = ("https://auth.example.com", "https://api.example.com");
        let own = serve(gatepass, &["--issuer", issuer]);
        let issued = own.token(JOHNDOE);
        let (_, claims) = read(&issued);
        assert_eq!((&claims["iss"], &claims["aud"]), (&issuer.into(), &issuer.into()));

        let service = serve(gatepass, &["--issuer", issuer, "--audience", audience]);
        let token = service.token(JOHNDOE);
        let (_, claims) = read(&token);
        assert_eq!((&claims["iss"], &claims["aud"]), (&issuer.into(), &audience.into()));
        assert_eq!(service.users_me(&token).status, 200);
        // The same keys, and still: what is for another audience is not for this one.
        assert_eq!((service.users_me(&issued).status, own.users_me(&token).status), (401, 401));
    });
}

#[test]
fn a_token_ends_when_its_time_is_over() {
    Gatepass::on_both("a_token_ends_when_its_time_is_over", |gatepass| {
        add_johndoe(gatepass);
        let service = serve(gatepass, &["--access-token-ttl", "1"]);
        let answer = service.sign_in(JOHNDOE).json();
        assert_eq!(answer["expires_in"], 1);
        let token = answer["access_token"].as_str().unwrap();
        let (_, claims) = read(token);
        assert_eq!(claims["exp"].as_u64(), claims["iat"].as_u64().map(|iat| iat + 1));
        let ended = within(2 * SECOND, "the token has ended", || {
            Some(service.users_me(token)).filter(|reply| reply.status != 200)
        });
        let invalid = Some(r#"Bearer error="invalid_token""#.to_owned());
        assert_eq!(outcome(&ended), (401, "Could not validate credentials".into(), invalid));
    });
}

#[test]
fn hs256_signs_with_a_secret_that_nobody_is_shown() {
    Gatepass::on_both("hs256_signs_with_a_secret_that_nobody_is_shown", |gatepass| {
        add_johndoe(gatepass);
        let issuer = ["--issuer", "https://auth.example.com"];
        let service = serve(gatepass, &[&issuer[..], &["--algorithm", "HS256"]].concat());
        let token = service.token(JOHNDOE);
        let (header, _) = read(&token);
        assert_eq!((&header["alg"], &header["typ"]), (&"HS256".into(), &"at+jwt".into()));
        assert_eq!(service.users_me(&token).status, 200);
        assert_eq!(get("/.well-known/jwks.json").send(service.address).status, 404);
        // On the same folder of keys, another algorithm's tokens are nobody's.
        let other = serve(gatepass, &issuer);
        assert_eq!(other.users_me(&token).status, 401);
        assert_eq!(service.users_me(&other.token(JOHNDOE)).status, 401);
    });
}
