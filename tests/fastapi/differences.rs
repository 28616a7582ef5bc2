//! Where the two differ, and why. What both answer is held fast.

use crate::{
    fastapi::{multipart::post_multipart, servers::peers},
    support::http::{Reply, Request, get, post_form, request},
};

struct Difference {
    why: &'static str,
    request: Request,
    /// Both answers as they are shown; `…` stands for any end.
    gatepass: &'static str,
    fastapi: &'static str,
}

fn is(answer: &str, expected: &str) -> bool {
    match expected.strip_suffix('…') {
        Some(start) => answer.starts_with(start),
        None => answer == expected,
    }
}

fn hold(test: &str, differences: &[Difference]) {
    let Some(peers) = peers(test) else { return };
    let changed: Vec<_> = differences
        .iter()
        .filter_map(|difference| {
            let (gatepass, fastapi) = peers.answers(&difference.request.bytes());
            let (gatepass, fastapi) = (gatepass.to_string(), fastapi.to_string());
            let as_known = is(&gatepass, difference.gatepass) && is(&fastapi, difference.fastapi);
            (!as_known).then(|| format!("{}\n  gatepass: {gatepass}\n  fastapi:  {fastapi}", difference.why))
        })
        .collect();
    assert!(
        changed.is_empty(),
        "{} known differences have changed:\n\n{}\n",
        changed.len(),
        changed.join("\n\n")
    );
}

#[test]
fn paths_and_methods_differ_where_they_are_known_to() {
    hold(
        "paths_and_methods_differ_where_they_are_known_to",
        &[
            Difference {
                why: "HEAD works wherever GET does (RFC 9110 section 9.1), and Allow says so",
                request: request("HEAD", "/users/me").bearer("johndoe"),
                gatepass: "200 ",
                fastapi: "405 allow: GET ",
            },
            Difference {
                why: "Allow names HEAD",
                request: request("PUT", "/users/me"),
                gatepass: r#"405 allow: GET, HEAD {"detail":"Method Not Allowed"}"#,
                fastapi: r#"405 allow: GET {"detail":"Method Not Allowed"}"#,
            },
            Difference {
                why: "there is a start page",
                request: get("/"),
                gatepass: "200 content-type: text/html; charset=utf-8 …",
                fastapi: r#"404 {"detail":"Not Found"}"#,
            },
            Difference {
                why: "there is no ReDoc",
                request: get("/redoc"),
                gatepass: r#"404 {"detail":"Not Found"}"#,
                fastapi: "200 content-type: text/html; charset=utf-8 …",
            },
            Difference {
                why: "an escaped slash is no slash (RFC 3986 section 2.2)",
                request: get("/users%2Fme"),
                gatepass: r#"404 {"detail":"Not Found"}"#,
                fastapi: r#"401 www-authenticate: Bearer {"detail":"Not authenticated"}"#,
            },
            Difference {
                why: "a line break at the end is part of the path; `$` of a Python pattern overlooks it",
                request: get("/token%0A"),
                gatepass: r#"404 {"detail":"Not Found"}"#,
                fastapi: r#"405 allow: POST {"detail":"Method Not Allowed"}"#,
            },
            Difference {
                why: "any word is a method (RFC 9110 section 9.1); httptools has a list",
                request: request("FOO", "/token"),
                gatepass: r#"405 allow: POST {"detail":"Method Not Allowed"}"#,
                fastapi: "400 content-type: text/plain; charset=utf-8 Invalid HTTP request received.",
            },
            Difference {
                why: "quotes are no characters of a URL (RFC 3986 section 2)",
                request: get("/token/?a=\"b\""),
                gatepass: "400 ",
                fastapi: "307 location: http://gatepass.test/token?a=%22b%22 ",
            },
            Difference {
                why: "what is no HTTP is refused by the server, which has its own words",
                request: get("/users/me").header("Authorization", "Bearer johndoe\0"),
                gatepass: "400 ",
                fastapi: "400 content-type: text/plain; charset=utf-8 Invalid HTTP request received.",
            },
            Difference {
                why: "a proxy may name the host in X-Forwarded-Host; uvicorn does not read it",
                request: get("/users/me/").header("X-Forwarded-Host", "example.com"),
                gatepass: "307 location: http://example.com/users/me ",
                fastapi: "307 location: http://gatepass.test/users/me ",
            },
        ],
    );
}

#[test]
fn forms_differ_where_they_are_known_to() {
    let long = "a".repeat(1024 * 1024);
    hold(
        "forms_differ_where_they_are_known_to",
        &[
            Difference {
                why: "the limit of 1 MiB is the whole body's; Starlette has one for each field",
                request: post_form("/token", format!("username=johndoe&password=secret&{long}")),
                gatepass: r#"413 {"detail":"The request body is larger than 1048576 bytes"}"#,
                fastapi: r#"200 {"access_token":"johndoe","token_type":"bearer"}"#,
            },
            Difference {
                why: "a body that is no form is limited too",
                request: request("POST", "/token").body(long + "a"),
                gatepass: r#"413 {"detail":"The request body is larger than 1048576 bytes"}"#,
                fastapi: r#"422 {"detail":[{"type":"missing","loc":["body","username"]…"#,
            },
            Difference {
                why: "of a file its name and its size are told, not the insides of a Python object",
                request: post_multipart(
                    "multipart/form-data; boundary=b",
                    "--b\r\nContent-Disposition: form-data; name=username; filename=a.txt\r\n\r\nhello\r\n--b--",
                ),
                gatepass: r#"422 {"detail":[{"type":"string_type","loc":["body","username"],"msg":"Input should be a valid string","input":{"filename":"a.txt","size":5}},{"type":"missing","loc":["body","password"],"msg":"Field required","input":null}]}"#,
                fastapi: r#"422 {"detail":[{"type":"string_type","loc":["body","username"],"msg":"Input should be a valid string","input":{"filename":"a.txt","file":{"_file":{},"_max_size":…"#,
            },
            Difference {
                why: "Python decodes a lone surrogate here, and then cannot write it",
                request: grant_type("unicode_escape", br"\ud800"),
                gatepass: r#"422 {"detail":[{"type":"string_pattern_mismatch","loc":["body","grant_type"],…"#,
                fastapi: "500 content-type: text/plain; charset=utf-8 Internal Server Error",
            },
            Difference {
                why: "Python has a charset that is none",
                request: grant_type("undefined", b"x"),
                gatepass: r#"422 {"detail":[{"type":"string_pattern_mismatch","loc":["body","grant_type"],…"#,
                fastapi: r#"400 {"detail":"There was an error parsing the body"}"#,
            },
        ],
    );
}

fn grant_type(charset: &str, value: &[u8]) -> Request {
    let start = b"--b\r\nContent-Disposition: form-data; name=grant_type\r\n\r\n";
    post_multipart(
        format!("multipart/form-data; boundary=b; charset={charset}"),
        [start, value, b"\r\n--b--\r\n"].concat(),
    )
}

#[test]
fn text_is_decoded_differently_where_it_is_known_to_be() {
    let Some(peers) = peers("text_is_decoded_differently_where_it_is_known_to_be") else { return };
    // A grant type that is wrong comes back as it was read.
    let read = |reply: Reply| reply.json()["detail"][0]["input"].as_str().expect("text").to_owned();
    for (why, request, gatepass, fastapi) in [
        (
            "bytes in an urlencoded form are UTF-8 (URL Standard section 5.1), not Latin-1",
            post_form("/token", "grant_type=é"),
            "é",
            "Ã©",
        ),
        (
            "the web's Latin-1 is windows-1252 (Encoding Standard section 4.2)",
            grant_type("iso-8859-1", b"\x80"),
            "€",
            "\u{80}",
        ),
        (
            "the web's windows-1252 has no gaps",
            grant_type("windows-1252", b"\x80\x81"),
            "€\u{81}",
            "\u{80}\u{81}",
        ),
        ("Python spells names its own way", grant_type("utf_8", "é".as_bytes()), "Ã©", "é"),
        ("Python has more charsets", grant_type("utf-7", b"+AOk-"), "+AOk-", "é"),
        ("Python's charsets are not all of text", grant_type("unicode_escape", br"\x41"), r"\x41", "A"),
    ] {
        let answers = (read(request.send(peers.gatepass)), read(request.send(peers.fastapi)));
        assert_eq!(answers, (gatepass.into(), fastapi.into()), "{why}");
    }
}

#[test]
fn only_gatepass_keeps_tokens_out_of_caches() {
    let Some(peers) = peers("only_gatepass_keeps_tokens_out_of_caches") else { return };
    let sign_in = post_form("/token", "username=johndoe&password=secret");
    // RFC 6749 section 5.1.
    assert_eq!(sign_in.send(peers.gatepass).header("cache-control").as_deref(), Some("no-store"));
    assert_eq!(sign_in.send(peers.fastapi).header("cache-control"), None);
}
