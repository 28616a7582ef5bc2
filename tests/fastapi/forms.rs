//! Urlencoded forms, bodies that are not forms, and unusual headers.

use crate::{
    fastapi::servers::{compare, servers},
    support::http::{Request, post_form, request},
};

const GOOD: &str = "username=johndoe&password=secret";

fn forms(forms: &[(&str, &[u8])]) {
    compare(forms.iter().map(|(name, form)| (*name, post_form("/token", form))));
}

/// Sends forms with these grant types. The error about an invalid grant type contains the decoded value.
fn grant_types(values: &[(&str, &str)]) {
    compare(
        values.iter().map(|(name, value)| (name, post_form("/token", format!("{GOOD}&grant_type={value}")))),
    );
}

#[test]
fn sign_in_matches_fastapi() {
    forms(&[
        ("the right password", b"username=johndoe&password=secret"),
        ("disabled user", b"username=alice&password=secret2"),
        (
            "with every field",
            b"grant_type=password&username=johndoe&password=secret&scope=a+b&client_id=c&client_secret=d",
        ),
        ("a wrong password", b"username=johndoe&password=secret2"),
        ("an unknown user", b"username=nobody&password=secret"),
        ("the username in another case", b"username=Johndoe&password=secret"),
        ("the password in another case", b"username=johndoe&password=Secret"),
        ("a space after the username", b"username=johndoe+&password=secret"),
        ("a space before the password", b"username=johndoe&password=+secret"),
        ("a line break after the password", b"username=johndoe&password=secret%0A"),
        ("a NUL after the username", b"username=johndoe%00&password=secret"),
        ("hash as the password", b"username=johndoe&password=fakehashedsecret"),
        ("a fullwidth letter", "username=johndoe&password=%EF%BD%93ecret".as_bytes()),
    ]);
}

#[test]
fn missing_fields_match_fastapi() {
    forms(&[
        ("nothing", b""),
        ("no password", b"username=johndoe"),
        ("no username", b"password=secret"),
        ("an empty username", b"username=&password=secret"),
        ("an empty password", b"username=johndoe&password="),
        ("names without values", b"username&password"),
        ("name without a value, then with a value", b"username&username=johndoe&password=secret"),
        ("name with a value, then without", b"username=johndoe&username&password=secret"),
        ("space as a value", b"username=+&password=secret"),
        ("NUL as a value", b"username=%00&password=secret"),
        ("only unknown fields", b"a=b&c=d"),
        ("names in another case", b"Username=johndoe&PASSWORD=secret"),
        ("names with spaces", b"+username=johndoe&password+=secret"),
        ("names with brackets", b"username[]=johndoe&password%5B%5D=secret"),
        ("percent-encoded names", b"%75sername=johndoe&pass%77ord=secret"),
        ("names with a NUL", b"username%00=johndoe&password=secret"),
        ("a byte order mark", b"\xef\xbb\xbfusername=johndoe&password=secret"),
        ("leading question mark", b"?username=johndoe&password=secret"),
        ("leading line break", b"\r\nusername=johndoe&password=secret"),
        ("trailing line break", b"username=johndoe&password=secret\r\n"),
    ]);
}

#[test]
fn order_of_errors_matches_fastapi() {
    forms(&[
        ("three errors", b"grant_type=x"),
        ("grant type and password", b"password=&grant_type=x&username=u"),
        ("username before grant type", b"username=&grant_type=x&password=p"),
        ("empty optional fields", b"grant_type=x&scope=&client_id=&client_secret="),
    ]);
}

#[test]
fn grant_type_matches_fastapi() {
    grant_types(&[
        ("password", "password"),
        ("empty", ""),
        ("another grant type", "client_credentials"),
        ("in another case", "Password"),
        ("with a trailing line break", "password%0A"),
        ("with a leading line break", "%0Apassword"),
        ("on a line of its own", "a%0Apassword%0Ab"),
        ("with a trailing space", "password+"),
        ("repeated without a separator", "passwordpassword"),
        ("with a NUL", "password%00"),
    ]);
}

#[test]
fn repeated_field_matches_fastapi() {
    forms(&[
        ("the wrong username first", b"username=x&username=johndoe&password=secret"),
        ("the right username first", b"username=johndoe&username=x&password=secret"),
        ("an empty one last", b"username=johndoe&password=secret&username="),
        ("an empty one first", b"username=&username=johndoe&password=secret"),
        ("the grant type last", b"username=johndoe&password=secret&grant_type=x&grant_type=password"),
        ("the grant type first", b"username=johndoe&password=secret&grant_type=password&grant_type=x"),
        ("an empty grant type last", b"username=johndoe&password=secret&grant_type=x&grant_type="),
        ("three times", b"password=a&password=secret&username=johndoe&password=b"),
        ("once percent-encoded", b"username=x&password=secret&%75sername=johndoe"),
    ]);
}

#[test]
fn separators_match_fastapi() {
    forms(&[
        ("two ampersands", b"username=johndoe&&password=secret"),
        ("ampersands around", b"&&username=johndoe&password=secret&&&"),
        ("ampersands only", b"&&&&"),
        ("equals signs only", b"=&=&=="),
        ("a nameless value", b"=x&username=johndoe&password=secret"),
        ("a semicolon", b"username=johndoe;password=secret"),
        ("ampersand and semicolon", b"username=johndoe&;password=secret"),
        ("two equals signs", b"username==johndoe&password=secret"),
        ("an equals sign inside", b"username=johndoe&password=secret=x&grant_type=a=b"),
        ("an equals sign at the end", b"username=johndoe&password=secret="),
        ("an escaped ampersand", b"username=johndoe%26password=secret"),
        ("an escaped equals sign", b"username%3Djohndoe&password=secret"),
        ("spaces around", b"username = johndoe & password = secret"),
        ("HTML's ampersand", b"username=johndoe&amp;password=secret"),
        ("lines", b"username=johndoe\r\npassword=secret"),
    ]);
}

#[test]
fn percent_encoding_matches_fastapi() {
    grant_types(&[
        ("a plus", "a+b%2Bc%20d"),
        ("a lone percent sign", "100%"),
        ("two percent signs", "%%"),
        ("an escaped percent sign", "%2541"),
        ("not hexadecimal", "%zz%4x%x4"),
        ("truncated escape", "a%4"),
        ("upper and lower case", "%c3%A4%C3%a4"),
        ("a percent sign before an escape", "%%41%"),
        ("signs in an escape", "%+1%-1%0x"),
        ("JavaScript's escapes", "%u00e4%U00E4"),
        ("two, three and four bytes", "%C3%A9%E2%82%AC%F0%9F%94%91"),
        ("control characters", "%00%01%07%08%09%0A%0B%0C%0D%1B%1F%7F"),
        ("quotes and slashes", "%22%5C%2F'%27%3C%3E%60"),
        ("line separators", "%E2%80%A8%E2%80%A9%C2%85%C2%A0"),
        ("a byte order mark", "%EF%BB%BFpassword"),
        ("noncharacters", "%EF%BF%BE%EF%BF%BF%F4%8F%BF%BF"),
        ("combining marks stay apart", "e%CC%81"),
    ]);
}

#[test]
fn invalid_utf_8_matches_fastapi() {
    grant_types(&[
        ("a lone continuation", "%80"),
        ("continuations", "a%80%BFb"),
        ("FF and FE", "%FF%FE"),
        ("truncated character", "%C3"),
        ("truncated before a letter", "%E2%82x"),
        ("truncated before a character", "%F0%9F%94%C3%A9"),
        ("an overlong slash", "%C0%AF"),
        ("an overlong slash in three bytes", "%E0%80%AF"),
        ("an overlong slash in four bytes", "%F0%80%80%AF"),
        ("Java's NUL", "%C0%80"),
        ("a surrogate", "%ED%A0%80"),
        ("a pair of surrogates", "%ED%A0%BD%ED%B4%91"),
        ("beyond Unicode", "%F4%90%80%80"),
        ("five bytes", "%F8%88%80%80%80"),
        ("half an escape", "%C3+%A9"),
        ("an escape across a letter", "%C3a%A9"),
    ]);
}

#[test]
fn large_form_matches_fastapi() {
    let fields = |count: usize| format!("{GOOD}{}", "&a=b".repeat(count - 2));
    let long = |length: usize| format!("username=johndoe&password={}", "a".repeat(length));
    compare([
        ("1000 fields", post_form("/token", fields(1000))),
        ("1001 fields", post_form("/token", fields(1001))),
        ("1001 without a value", post_form("/token", "a&".repeat(1001))),
        ("2000 ampersands", post_form("/token", format!("{}{GOOD}", "&".repeat(2000)))),
        ("half a mebibyte", post_form("/token", long(512 * 1024))),
        ("a long name", post_form("/token", format!("{GOOD}&{}=x", "a".repeat(100_000)))),
    ]);
}

#[test]
fn content_type_matches_fastapi() {
    let form =
        |content_type: &[u8]| request("POST", "/token").header("Content-Type", content_type).body(GOOD);
    let types: &[&[u8]] = &[
        b"application/x-www-form-urlencoded",
        b"application/x-www-form-urlencoded; charset=utf-8",
        b"application/x-www-form-urlencoded;charset=UTF-8",
        b"application/x-www-form-urlencoded; charset=latin-1",
        b"application/x-www-form-urlencoded; charset=utf-16",
        b"application/x-www-form-urlencoded; charset=",
        b"application/x-www-form-urlencoded; charset=no-such",
        b"application/x-www-form-urlencoded; charset=\"utf-8",
        b"application/x-www-form-urlencoded; \xff",
        b"application/x-www-form-urlencoded;",
        b"application/x-www-form-urlencoded;;;",
        b"application/x-www-form-urlencoded ; a=b",
        b"Application/X-WWW-Form-URLEncoded",
        b"APPLICATION/X-WWW-FORM-URLENCODED; CHARSET=UTF-8",
        b"  application/x-www-form-urlencoded\t",
        b"application/x-www-form-urlencoded, application/json",
        b"application/x-www-form-urlencoded application/json",
        b"\"application/x-www-form-urlencoded\"",
        b"application/x-www-form-urlencoded\xa0",
        b"application / x-www-form-urlencoded",
        b"application/x-www-form-urlencode",
        b"x-www-form-urlencoded",
        b"application/json",
        b"application/json; charset=utf-8",
        b"text/plain",
        b"*/*",
        b"multipart",
        b"multipart/form-data",
        b"multipart/form-data;",
        b"multipart/form-data; boundary",
        b"multipart/form-data; boundary=",
        b"multipart/form-data; boundary=b",
        b"multipart/mixed; boundary=b",
        b"",
        b";",
        b";application/x-www-form-urlencoded",
        b"\xff\xfe",
    ];
    compare(types.iter().map(|content_type| (content_type.escape_ascii(), form(content_type))));
}

#[test]
fn unusual_content_types_and_headers_match_fastapi() {
    let of = |content_type: &str, body: &[u8]| -> Request {
        request("POST", "/token").header("Content-Type", content_type).body(body)
    };
    compare([
        ("JSON", of("application/json", br#"{"username":"johndoe","password":"secret"}"#)),
        ("invalid JSON", of("application/json", b"{\"username\":")),
        ("invalid UTF-8 as JSON", of("application/json", b"\xff\xfe")),
        ("text", of("text/plain", b"username=johndoe&password=secret")),
        ("a form without a type", request("POST", "/token").body(GOOD)),
        ("no body and no type", request("POST", "/token")),
        ("a type without a body", request("POST", "/token").header("Content-Type", "application/json")),
        (
            "JSON with the type of a form",
            post_form("/token", r#"{"username":"johndoe","password":"secret"}"#),
        ),
        ("form with a Content-Encoding", post_form("/token", GOOD).header("Content-Encoding", "gzip")),
        ("two types, the form first", post_form("/token", GOOD).header("Content-Type", "application/json")),
        (
            "two types, the form last",
            of("application/json", GOOD.as_bytes())
                .header("Content-Type", "application/x-www-form-urlencoded"),
        ),
        ("an unused Authorization", post_form("/token", GOOD).header("Authorization", "Basic Og==")),
        ("invalid Authorization", post_form("/token", GOOD).header("Authorization", b"Basic \xff===")),
        ("token of another user", post_form("/token", GOOD).bearer("alice")),
        (
            "the form in the query",
            request("POST", "/token?username=johndoe&password=secret")
                .header("Content-Type", "application/x-www-form-urlencoded")
                .body(""),
        ),
        ("a form and a query", post_form("/token?username=x", GOOD)),
        ("a cookie", post_form("/token", GOOD).header("Cookie", "username=x")),
        ("an origin", post_form("/token", GOOD).header("Origin", "https://example.com")),
        ("unacceptable Accept", post_form("/token", GOOD).header("Accept", "text/html")),
    ]);
}

#[test]
fn chunked_body_matches_fastapi() {
    let chunked = |chunks: &[&str]| -> Vec<u8> {
        let mut body = String::from(
            "POST /token HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n",
        );
        for chunk in chunks.iter().chain(&[""]) {
            body += &format!("{:x}\r\n{chunk}\r\n", chunk.len());
        }
        body.into_bytes()
    };
    let Some(servers) = servers() else { return };
    for chunks in [
        &["username=johndoe&password=secret"][..],
        &["username=joh", "ndoe&password=sec", "ret"],
        &["username=johndoe&passw", "ord=secret&grant_type=%", "4", "1%C3", "%A9"],
        &["username=johndoe", "&", "&password", "=", "secret"],
        &[],
    ] {
        assert_eq!(servers.difference(&chunked(chunks)), None, "{chunks:?}");
    }
}
