//! `POST /token`.

use serde_json::{Value, json};

use crate::support::{
    http::{Reply, post_form, request},
    service::tutorial,
};

fn sign_in(form: &str) -> Reply {
    post_form("/token", form).send(tutorial())
}

#[test]
fn the_right_password_gives_a_token() {
    let reply = sign_in("username=johndoe&password=secret");
    assert_eq!(reply.status, 200);
    assert_eq!(reply.text(), r#"{"access_token":"johndoe","token_type":"bearer"}"#);
    assert_eq!(reply.header("content-type").as_deref(), Some("application/json"));
    assert_eq!(reply.header("cache-control").as_deref(), Some("no-store"));
}
