//! Properties of the tutorial profile that the comparison with FastAPI does not test.

use crate::support::{
    http::{Reply, post_form, request},
    service::tutorial,
};

fn sign_in(username: &str, password: &str) -> Reply {
    post_form("/token", format!("username={username}&password={password}")).send(tutorial())
}

#[test]
fn responses_to_unknown_user_and_wrong_password_are_identical() {
    let [mut unknown, mut wrong] = [sign_in("nobody", "secret"), sign_in("johndoe", "wrong")];
    assert_eq!(unknown.text(), r#"{"detail":"Incorrect username or password"}"#);
    for reply in [&mut unknown, &mut wrong] {
        reply.headers.retain(|(name, _)| name != "date");
    }
    assert_eq!(format!("{unknown:?}"), format!("{wrong:?}"));
}

#[test]
fn sign_in_of_unknown_user_with_the_dummy_hash_as_password_fails() {
    for password in ["", "dummy_hash", "fakehashed", "fakehasheddecoy"] {
        assert_ne!(sign_in("nobody", password).status, 200, "{password:?}");
    }
}

#[test]
fn head_request_to_users_me_returns_the_content_length_of_the_get_response() {
    let [head, get] = ["HEAD", "GET"].map(|method| request(method, "/users/me").bearer("johndoe"));
    let (head, get) = (head.send(tutorial()), get.send(tutorial()));
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), Some(get.body.len().to_string()));
}

#[test]
fn response_to_an_unmatched_request_does_not_depend_on_the_token() {
    for (method, target, status, header) in [
        ("GET", "/unknown", 404, None),
        ("DELETE", "/unknown/", 404, None),
        ("GET", "/docs/unknown", 404, None),
        ("HEAD", "/token", 405, Some(("allow", "POST"))),
        ("BREW", "/token", 405, Some(("allow", "POST"))),
        ("OPTIONS", "/users/me", 405, Some(("allow", "GET, HEAD"))),
        ("POST", "/docs", 405, Some(("allow", "GET, HEAD"))),
        ("POST", "/", 405, Some(("allow", "GET, HEAD"))),
        ("DELETE", "/users/me//", 307, Some(("location", "http://localhost/users/me"))),
        ("GET", "/token/?a=b&c=%2F", 307, Some(("location", "http://localhost/token?a=b&c=%2F"))),
    ] {
        let request = || request(method, target);
        let without = request().send(tutorial());
        assert_eq!(without.status, status, "{method} {target}");
        if let Some((name, value)) = header {
            assert_eq!(without.header(name).as_deref(), Some(value), "{method} {target}");
        }
        for authorization in ["Bearer johndoe", "Bearer nobody", "x"] {
            let reply = request().header("Authorization", authorization).send(tutorial());
            assert_eq!((reply.status, &reply.body), (status, &without.body), "{method} {target}");
        }
    }
}
