//! The scope `openid` and `/userinfo`.

use serde_json::json;

use crate::secure::{
    JOHNDOE, Tokens, add_client_with, client_fields, get, on_sqlite, outcome, post_form, read, request,
};

#[test]
fn token_with_the_openid_scope_can_read_the_profile() {
    let (gatepass, service) = on_sqlite(&[]);
    // Unknown scopes are ignored.
    let reply = service.sign_in(&format!("{JOHNDOE}&scope=openid+profile+email+offline_access"));
    let tokens = Tokens::of(&reply);
    assert_eq!(tokens.scope, "openid offline_access");
    let profile = json!({
        "sub": read(&tokens.access).1["sub"], "preferred_username": "johndoe", "email": "johndoe@example.com",
        "name": "John Doe",
    });
    let refreshed = service.refreshed(&tokens.refresh);
    assert_eq!(refreshed.scope, "openid offline_access");
    for (method, token) in [("GET", &tokens.access), ("POST", &tokens.access), ("GET", &refreshed.access)] {
        let reply = request(method, "/userinfo").bearer(token).send(service.address);
        assert_eq!((reply.status, reply.json()), (200, profile.clone()));
        assert_eq!(reply.header("cache-control").as_deref(), Some("no-store"));
    }
    assert_eq!(service.users_me(&tokens.access).status, 403);

    let userinfo = |token: &str| outcome(&get("/userinfo").bearer(token).send(service.address));
    let challenge = r#"Bearer realm="api", error="insufficient_scope", scope="openid""#.to_owned();
    assert_eq!(userinfo(&service.token(JOHNDOE)), (403, "Not enough permissions".into(), Some(challenge)));
    let both = Tokens::of(&service.sign_in(&format!("{JOHNDOE}&scope=openid+me+offline_access")));
    assert_eq!(both.scope, "me openid offline_access");
    // The allowed scopes of a client restrict `openid` neither at sign-in nor at refresh.
    let web = client_fields("web", &add_client_with(&gatepass, "web", &["--scopes", "me"]));
    let limited = service.sign_in(&format!("{JOHNDOE}{web}&scope=openid+me+users:read+offline_access"));
    let limited = Tokens::of(&limited);
    let refreshed = service.refreshed_by(&limited.refresh, &web);
    assert_eq!(
        (&*limited.scope, &*refreshed.scope),
        ("me openid offline_access", "me openid offline_access")
    );
    assert_eq!(get("/userinfo").bearer(&refreshed.access).send(service.address).status, 200);
    assert_eq!(get("/userinfo").send(service.address).status, 401);
    let invalid = post_form("/token", format!("{JOHNDOE}&scope=profile")).send(service.address);
    assert_eq!(invalid.json()["error"], "invalid_scope");
}
