//! The known differences between Gatepass and FastAPI, with the responses of both.

use crate::{
    fastapi::{multipart::post_multipart, servers::servers},
    support::http::{Reply, Request, get, post_form, request},
};

struct Difference {
    why: &'static str,
    request: Request,
    /// The expected responses, as `Response` formats them. A final `…` stands for any text.
    gatepass: &'static str,
    fastapi: &'static str,
}

fn matches(response: &str, expected: &str) -> bool {
    match expected.strip_suffix('…') {
        Some(start) => response.starts_with(start),
        None => response == expected,
    }
}

fn assert_differences(differences: &[Difference]) {
    let Some(servers) = servers() else { return };
    let changed: Vec<_> = differences
        .iter()
        .filter_map(|difference| {
            let (gatepass, fastapi) = servers.respond(&difference.request.bytes());
            let (gatepass, fastapi) = (gatepass.to_string(), fastapi.to_string());
            let is_unchanged =
                matches(&gatepass, difference.gatepass) && matches(&fastapi, difference.fastapi);
            (!is_unchanged)
                .then(|| format!("{}\n  gatepass: {gatepass}\n  fastapi:  {fastapi}", difference.why))
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
fn paths_and_methods_differ_only_as_documented() {
    assert_differences(&[
        Difference {
            why: "HEAD works wherever GET does (RFC 9110 section 9.1), and Allow contains it",
            request: request("HEAD", "/users/me").bearer("johndoe"),
            gatepass: "200 ",
            fastapi: "405 allow: GET ",
        },
        Difference {
            why: "Allow contains HEAD",
            request: request("PUT", "/users/me"),
            gatepass: r#"405 allow: GET, HEAD {"detail":"Method Not Allowed"}"#,
            fastapi: r#"405 allow: GET {"detail":"Method Not Allowed"}"#,
        },
        Difference {
            why: "`/` is a start page",
            request: get("/"),
            gatepass: "200 content-type: text/html; charset=utf-8 …",
            fastapi: r#"404 {"detail":"Not Found"}"#,
        },
        Difference {
            why: "an escaped slash does not separate segments (RFC 3986 section 2.2)",
            request: get("/users%2Fme"),
            gatepass: r#"404 {"detail":"Not Found"}"#,
            fastapi: r#"401 www-authenticate: Bearer {"detail":"Not authenticated"}"#,
        },
        Difference {
            why: "a line break at the end is part of the path; `$` in a Python pattern ignores it",
            request: get("/token%0A"),
            gatepass: r#"404 {"detail":"Not Found"}"#,
            fastapi: r#"405 allow: POST {"detail":"Method Not Allowed"}"#,
        },
        Difference {
            why: "a method can be any token (RFC 9110 section 9.1); httptools accepts only the methods on a list",
            request: request("FOO", "/token"),
            gatepass: r#"405 allow: POST {"detail":"Method Not Allowed"}"#,
            fastapi: "400 content-type: text/plain; charset=utf-8 Invalid HTTP request received.",
        },
        Difference {
            why: "a URL cannot contain quotes (RFC 3986 section 2)",
            request: get("/token/?a=\"b\""),
            gatepass: "400 ",
            fastapi: "307 location: http://localhost/token?a=%22b%22 ",
        },
        Difference {
            why: "Actix responds to invalid HTTP with an empty body, uvicorn with a text",
            request: get("/users/me").header("Authorization", "Bearer johndoe\0"),
            gatepass: "400 ",
            fastapi: "400 content-type: text/plain; charset=utf-8 Invalid HTTP request received.",
        },
        Difference {
            why: "a proxy may set X-Forwarded-Host, which uvicorn ignores",
            request: get("/users/me/").header("X-Forwarded-Host", "example.com"),
            gatepass: "307 location: http://example.com/users/me ",
            fastapi: "307 location: http://localhost/users/me ",
        },
    ]);
}

#[test]
fn forms_differ_only_as_documented() {
    let long = "a".repeat(1024 * 1024);
    assert_differences(&[
        Difference {
            why: "the limit of 1 MiB applies to the whole body; Starlette limits each field",
            request: post_form("/token", format!("username=johndoe&password=secret&{long}")),
            gatepass: r#"413 {"detail":"The request body is larger than 1048576 bytes"}"#,
            fastapi: r#"200 {"access_token":"johndoe","token_type":"bearer"}"#,
        },
        Difference {
            why: "the limit applies to any body",
            request: request("POST", "/token").body(long + "a"),
            gatepass: r#"413 {"detail":"The request body is larger than 1048576 bytes"}"#,
            fastapi: r#"422 {"detail":[{"type":"missing","loc":["body","username"]…"#,
        },
        Difference {
            why: "the error contains the name and size of a file instead of a Python object",
            request: post_multipart(
                "multipart/form-data; boundary=b",
                "--b\r\nContent-Disposition: form-data; name=username; filename=a.txt\r\n\r\nhello\r\n--b--",
            ),
            gatepass: r#"422 {"detail":[{"type":"string_type","loc":["body","username"],"msg":"Input should be a valid string","input":{"filename":"a.txt","size":5}},{"type":"missing","loc":["body","password"],"msg":"Field required","input":null}]}"#,
            fastapi: r#"422 {"detail":[{"type":"string_type","loc":["body","username"],"msg":"Input should be a valid string","input":{"filename":"a.txt","file":{"_file":{},"_max_size":…"#,
        },
        Difference {
            why: "Python decodes a lone surrogate and cannot encode it again",
            request: grant_type("unicode_escape", br"\ud800"),
            gatepass: r#"422 {"detail":[{"type":"string_pattern_mismatch","loc":["body","grant_type"],…"#,
            fastapi: "500 content-type: text/plain; charset=utf-8 Internal Server Error",
        },
        Difference {
            why: "Python has a charset that always fails",
            request: grant_type("undefined", b"x"),
            gatepass: r#"422 {"detail":[{"type":"string_pattern_mismatch","loc":["body","grant_type"],…"#,
            fastapi: r#"400 {"detail":"There was an error parsing the body"}"#,
        },
    ]);
}

fn grant_type(charset: &str, value: &[u8]) -> Request {
    let start = b"--b\r\nContent-Disposition: form-data; name=grant_type\r\n\r\n";
    post_multipart(
        format!("multipart/form-data; boundary=b; charset={charset}"),
        [start, value, b"\r\n--b--\r\n"].concat(),
    )
}

#[test]
fn decoding_of_text_differs_only_as_documented() {
    let Some(servers) = servers() else { return };
    // The error about an invalid grant type contains the decoded value.
    let read = |reply: Reply| reply.json()["detail"][0]["input"].as_str().expect("text").to_owned();
    for (why, request, gatepass, fastapi) in [
        (
            "bytes in a urlencoded form are UTF-8 (URL Standard section 5.1), not Latin-1",
            post_form("/token", "grant_type=é"),
            "é",
            "Ã©",
        ),
        (
            "Latin-1 is windows-1252 on the web (Encoding Standard section 4.2)",
            grant_type("iso-8859-1", b"\x80"),
            "€",
            "\u{80}",
        ),
        (
            "windows-1252 has no gaps on the web",
            grant_type("windows-1252", b"\x80\x81"),
            "€\u{81}",
            "\u{80}\u{81}",
        ),
        ("Python accepts other names for charsets", grant_type("utf_8", "é".as_bytes()), "Ã©", "é"),
        ("Python has more charsets", grant_type("utf-7", b"+AOk-"), "+AOk-", "é"),
        (
            "some of Python's charsets are not character encodings",
            grant_type("unicode_escape", br"\x41"),
            r"\x41",
            "A",
        ),
    ] {
        let read = (read(request.send(servers.gatepass)), read(request.send(servers.fastapi)));
        assert_eq!(read, (gatepass.into(), fastapi.into()), "{why}");
    }
}

#[test]
fn token_response_is_not_cacheable_unlike_in_fastapi() {
    let Some(servers) = servers() else { return };
    let sign_in = post_form("/token", "username=johndoe&password=secret");
    // RFC 6749 section 5.1 requires this header.
    assert_eq!(sign_in.send(servers.gatepass).header("cache-control").as_deref(), Some("no-store"));
    assert_eq!(sign_in.send(servers.fastapi).header("cache-control"), None);
}
