//! `POST /token`.

use serde_json::{Value, json};

use crate::support::{
    http::{Reply, post_form, request},
    service::tutorial,
};

fn sign_in(form: &str) -> Reply {
    post_form("/token", form).send(tutorial())
}

fn missing(field: &str) -> Value {
    json!({ "type": "missing", "loc": ["body", field], "msg": "Field required", "input": null })
}

#[test]
fn the_right_password_gives_a_token_that_no_cache_keeps() {
    let reply = sign_in("username=johndoe&password=secret");
    assert_eq!(reply.status, 200);
    assert_eq!(reply.text(), r#"{"access_token":"johndoe","token_type":"bearer"}"#);
    assert_eq!(reply.header("content-type").as_deref(), Some("application/json"));
    assert_eq!(reply.header("cache-control").as_deref(), Some("no-store"));
}

#[test]
fn a_disabled_user_signs_in_as_in_the_tutorial() {
    let reply = sign_in("username=alice&password=secret2");
    assert_eq!(
        (reply.status, reply.text().as_str()),
        (200, r#"{"access_token":"alice","token_type":"bearer"}"#)
    );
}

#[test]
fn a_wrong_user_and_a_wrong_password_cannot_be_told_apart() {
    let [mut unknown, mut wrong] =
        ["username=nobody&password=secret", "username=johndoe&password=wrong"].map(sign_in);
    assert_eq!(unknown.status, 400);
    assert_eq!(unknown.text(), r#"{"detail":"Incorrect username or password"}"#);
    for reply in [&mut unknown, &mut wrong] {
        reply.headers.retain(|(name, _)| name != "date");
    }
    assert_eq!(format!("{unknown:?}"), format!("{wrong:?}"));
}

#[test]
fn no_password_matches_the_decoy() {
    // The dummy_hash stands for the hash of an unknown user: its own text must not sign in.
    for password in ["", "dummy_hash", "fakehashed", "fakehasheddecoy"] {
        let reply = sign_in(&format!("username=nobody&password={password}"));
        assert_ne!(reply.status, 200, "{password:?}");
    }
}

#[test]
fn a_missing_and_an_empty_field_are_named() {
    for (form, faults) in [
        ("", vec![missing("username"), missing("password")]),
        ("username=&password=", vec![missing("username"), missing("password")]),
        ("username=johndoe", vec![missing("password")]),
        ("password=secret&username=", vec![missing("username")]),
        ("username=johndoe&password=secret&password=", vec![missing("password")]),
    ] {
        let reply = sign_in(form);
        assert_eq!(reply.status, 422, "{form}");
        assert_eq!(reply.json(), json!({ "detail": faults }), "{form}");
    }
}

#[test]
fn another_grant_type_is_the_first_fault() {
    let mismatch = json!({
        "type": "string_pattern_mismatch",
        "loc": ["body", "grant_type"],
        "msg": "String should match pattern '^password$'",
        "input": "client_credentials",
        "ctx": { "pattern": "^password$" },
    });
    let reply = sign_in("password=secret&grant_type=client_credentials");
    assert_eq!(reply.status, 422);
    assert_eq!(reply.json(), json!({ "detail": [mismatch, missing("username")] }));
    for grant_type in ["password%0A", "PASSWORD", "+password", "passwordx"] {
        assert_eq!(sign_in(&format!("username=johndoe&password=secret&grant_type={grant_type}")).status, 422);
    }
    for form in ["grant_type=password", "grant_type=", "unknown=field&scope=a+b&client_id=x&client_secret=y"]
    {
        assert_eq!(sign_in(&format!("username=johndoe&password=secret&{form}")).status, 200, "{form}");
    }
}

#[test]
fn of_a_repeated_field_the_last_counts() {
    assert_eq!(sign_in("username=x&password=y&username=johndoe&password=secret").status, 200);
    assert_eq!(sign_in("username=johndoe&password=secret&password=wrong").status, 400);
}

#[test]
fn a_body_of_another_kind_is_a_form_without_fields() {
    for (content_type, body) in [
        ("application/json", r#"{"username":"johndoe","password":"secret"}"#),
        ("application/json", "{broken"),
        ("text/plain", "username=johndoe&password=secret"),
        ("", "username=johndoe&password=secret"),
    ] {
        let reply =
            request("POST", "/token").header("Content-Type", content_type).body(body).send(tutorial());
        assert_eq!(reply.status, 422, "{content_type}");
        assert_eq!(reply.json(), json!({ "detail": [missing("username"), missing("password")] }));
    }
    assert_eq!(request("POST", "/token").send(tutorial()).status, 422);
}

#[test]
fn the_content_type_is_read_in_any_letter_case_with_any_charset() {
    for content_type in [
        "application/x-www-form-urlencoded; charset=UTF-8",
        "Application/X-WWW-Form-URLEncoded;charset=iso-8859-1",
        "application/x-www-form-urlencoded;",
    ] {
        let request = request("POST", "/token").header("Content-Type", content_type);
        assert_eq!(
            request.body("username=johndoe&password=secret").send(tutorial()).status,
            200,
            "{content_type}"
        );
    }
}

fn multipart(body: &str) -> Reply {
    let body = body.replace('\n', "\r\n");
    request("POST", "/token")
        .header("Content-Type", "Multipart/Form-Data; boundary=edge")
        .body(body)
        .send(tutorial())
}

#[test]
fn a_multipart_form_signs_in_and_its_values_are_taken_as_they_are() {
    let form = |password: &str| {
        multipart(&format!(
            "--edge\nContent-Disposition: form-data; name=\"username\"\n\njohndoe\n\
             --edge\nContent-Disposition: form-data; name=\"password\"\n\n{password}\n--edge--\n"
        ))
    };
    assert_eq!(form("secret").text(), r#"{"access_token":"johndoe","token_type":"bearer"}"#);
    assert_eq!(form("s%65cret").status, 400, "no percent-decoding");
}

#[test]
fn a_file_in_the_place_of_text_is_refused_without_its_content() {
    let reply = multipart(
        "--edge\nContent-Disposition: form-data; name=\"username\"; filename=\"u.txt\"\n\njohndoe\n\
         --edge\nContent-Disposition: form-data; name=\"password\"\n\nsecret\n--edge--\n",
    );
    assert_eq!(reply.status, 422);
    assert_eq!(
        reply.json(),
        json!({ "detail": [{
            "type": "string_type",
            "loc": ["body", "username"],
            "msg": "Input should be a valid string",
            "input": { "filename": "u.txt", "size": 7 },
        }] })
    );
}

#[test]
fn a_broken_multipart_body_is_400() {
    assert_eq!(multipart("no boundary here").json(), json!({ "detail": "Invalid multipart data." }));
    let reply =
        request("POST", "/token").header("Content-Type", "multipart/form-data").body("x").send(tutorial());
    assert_eq!((reply.status, reply.json()), (400, json!({ "detail": "Missing boundary in multipart." })));
}
