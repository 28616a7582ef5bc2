//! The client credentials grant: tokens without a user.

use serde_json::json;

use crate::secure::{
    Gatepass, ISSUER, JOHNDOE, Reply, SECOND, Service, access_token, add_client_with, basic, client_fields,
    end_all_sessions, expect_oauth2_error, get, on_both, on_sqlite, post_form, read, replicas, revoke, serve,
    wait_until,
};

const OWN_TOKENS: [&str; 4] = ["--grants", "client_credentials", "--scopes", "me reports:read"];

fn add_reports(gatepass: &Gatepass) -> String {
    client_fields("reports", &add_client_with(gatepass, "reports", &OWN_TOKENS))
}

/// Requests a token for a client. `fields` contains the client's credentials and other parameters.
fn request_token(service: &Service, fields: &str) -> Reply {
    service.sign_in(&format!("grant_type=client_credentials{fields}"))
}

/// Returns whether introspection by this client reports the token as active.
fn is_active(service: &Service, token: &str, client: &str) -> bool {
    post_form("/introspect", format!("token={token}{client}")).send(service.address).json()["active"] == true
}

#[test]
fn client_credentials_token_has_no_user_and_cannot_access_an_account() {
    on_both(|gatepass| {
        let reports = add_reports(gatepass);
        let service = serve(gatepass, &[&ISSUER[..], &["--refresh-tokens", "always"]].concat());
        let reply = request_token(&service, &reports);
        let token = access_token(&reply);
        let (scope, refresh) = (&reply.json()["scope"], reply.json().get("refresh_token").cloned());
        assert_eq!((scope, refresh), (&json!("me reports:read"), None));
        let (_, mut claims) = read(&token);
        let introspected =
            post_form("/introspect", format!("token={token}{reports}")).send(service.address).json();
        assert_eq!(introspected["user_kind"], "client");
        for time_or_id in ["iat", "exp", "jti", "sid"] {
            let claim = claims.as_object_mut().unwrap().remove(time_or_id);
            assert_eq!(claim.as_ref(), introspected.get(time_or_id), "{time_or_id}");
        }
        let expected = json!({
            "iss": ISSUER[1], "sub": "client:reports", "user_kind": "client", "aud": ISSUER[1],
            "client_id": "reports", "scope": "me reports:read", "sid_seq": 0,
        });
        assert_eq!(claims, expected);
        assert_eq!((&introspected["active"], &introspected["sub"]), (&json!(true), &json!("client:reports")));

        service.expect_invalid(&[&token]);
        let sessions = get("/users/me/sessions").bearer(&token).send(service.address);
        assert_eq!((sessions.status, end_all_sessions(&service, &token).status), (401, 401));
        let narrow = request_token(&service, &format!("{reports}&scope=reports:read+admin+offline_access"));
        assert_eq!(narrow.json()["scope"], "reports:read");
        for refused in ["admin", "offline_access"] {
            let reply = request_token(&service, &format!("{reports}&scope={refused}"));
            expect_oauth2_error(&reply, 400, "invalid_scope", "None of the requested scopes can be granted");
        }
        let events = gatepass.json_lines(&["audit", "list", "--event", "token_issued", "--json"]);
        assert!(events.iter().all(|event| event["client_id"] == "reports" && event["user_id"].is_null()));
    });
}

#[test]
fn only_confidential_clients_allowed_to_use_the_client_credentials_grant_get_a_token() {
    let (gatepass, service) = on_sqlite(&[]);
    let reports = add_reports(&gatepass);
    let web = client_fields("web", &add_client_with(&gatepass, "web", &[]));
    gatepass.done(&["clients", "add", "app", "--public"]);
    for fields in ["", "&client_id=app", "&client_id=gatepass", &web] {
        let not_allowed = "The client is not allowed to use this grant type";
        expect_oauth2_error(&request_token(&service, fields), 400, "unauthorized_client", not_allowed);
    }
    for fields in ["&client_id=reports", &client_fields("reports", "wrong")] {
        let incorrect = "Incorrect client credentials";
        expect_oauth2_error(&request_token(&service, fields), 401, "invalid_client", incorrect);
    }
    let as_user = service.sign_in(&format!("{JOHNDOE}{reports}"));
    assert_eq!(as_user.json()["error"], "unauthorized_client");
    let everything = client_fields(
        "all",
        &add_client_with(&gatepass, "all", &["--grants", "client_credentials", "--scopes", "all"]),
    );
    let narrow = request_token(&service, &format!("{everything}&scope=reports:read"));
    assert_eq!(
        narrow.json()["scope"],
        "reports:read",
        "a client with all scopes should get only the requested scopes"
    );
    assert_eq!(request_token(&service, &everything).json().get("scope"), None);
}

#[test]
fn client_credentials_token_is_inactive_once_it_is_revoked_or_its_client_loses_the_grant_or_is_removed() {
    on_both(|gatepass| {
        let reports = add_reports(gatepass);
        let [service, replica] = &replicas(gatepass, &[]);
        let token = || access_token(&request_token(service, &reports));
        let (revoked, kept) = (token(), token());
        assert!(is_active(replica, &revoked, &reports));
        assert_eq!(revoke(service, &revoked, "").json()["error"], "invalid_grant");
        assert_eq!(revoke(service, &revoked, &reports).status, 200);
        assert!(!is_active(service, &revoked, &reports));
        wait_until(SECOND, "the replica refuses the token", || !is_active(replica, &revoked, &reports));
        assert!(is_active(service, &kept, &reports) && is_active(replica, &kept, &reports));

        let gateway = client_fields("gateway", &add_client_with(gatepass, "gateway", &["--introspect-all"]));
        let scope = || {
            let form = format!("token={kept}{gateway}");
            post_form("/introspect", form).send(replica.address).json()["scope"].clone()
        };
        assert_eq!(scope(), "me reports:read");
        gatepass.done(&["clients", "update", "reports", "--scopes", "reports:read"]);
        wait_until(SECOND, "the token loses a scope", || scope() == "reports:read");
        gatepass.done(&["clients", "update", "reports", "--grants", "password"]);
        wait_until(SECOND, "the client loses the grant", || !is_active(replica, &kept, &gateway));
        gatepass.done(&["clients", "update", "reports", "--grants", "client_credentials"]);
        wait_until(SECOND, "the client has the grant again", || is_active(replica, &kept, &gateway));
        gatepass.done(&["clients", "remove", "reports", "--yes"]);
        wait_until(SECOND, "the client is removed", || !is_active(replica, &kept, &gateway));
        // Tokens of the removed client do not become valid again if a new client has the same ID.
        add_reports(gatepass);
        assert!(!is_active(service, &kept, &gateway));
        let by_basic = post_form("/token", "grant_type=client_credentials")
            .header("Authorization", basic("reports", "x"));
        assert_eq!(by_basic.send(service.address).status, 401);
    });
}
