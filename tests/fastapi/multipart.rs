//! Multipart forms.

use crate::{
    fastapi::servers::{compare, servers},
    support::http::{Request, request},
};

pub fn post_multipart(content_type: impl AsRef<[u8]>, body: impl AsRef<[u8]>) -> Request {
    request("POST", "/token").header("Content-Type", content_type).body(body)
}

/// Returns a body from text in which `~` stands for a line break.
fn body(text: &str) -> Vec<u8> {
    text.replace('~', "\r\n").into_bytes()
}

fn part(name: &str, value: &str) -> String {
    format!(r#"--b~Content-Disposition: form-data; name="{name}"~~{value}~"#)
}

fn good() -> String {
    part("username", "johndoe") + &part("password", "secret") + "--b--~"
}

fn bodies(bodies: &[(&str, String)]) {
    let of = |text: &String| post_multipart("multipart/form-data; boundary=b", body(text));
    compare(bodies.iter().map(|(name, text)| (name, of(text))));
}

/// Sends forms that sign johndoe in if `name="username"` is read from the header lines.
fn dispositions(dispositions: &[&str]) {
    let of = |disposition: &&str| {
        let username = format!("--b~{disposition}~~johndoe~");
        post_multipart(
            "multipart/form-data; boundary=b",
            body(&(username + &part("password", "secret") + "--b--~")),
        )
    };
    compare(dispositions.iter().map(|disposition| (disposition, of(disposition))));
}

#[test]
fn multipart_sign_in_matches_fastapi() {
    let (user, password) = (part("username", "johndoe"), part("password", "secret"));
    bodies(&[
        ("the right password", good()),
        ("disabled user", part("username", "alice") + &part("password", "secret2") + "--b--"),
        ("a wrong password", user.clone() + &part("password", "x") + "--b--~"),
        ("password first", password.clone() + &user + "--b--~"),
        ("no password", user.clone() + "--b--~"),
        ("an empty password", user.clone() + &part("password", "") + "--b--~"),
        ("a repeated field", part("username", "x") + &user + &password + "--b--~"),
        (
            "a repeated field, the right one first",
            user.clone() + &part("username", "x") + &password + "--b--~",
        ),
        ("an unknown field", part("x", "y") + &user + &password + "--b--~"),
        ("a nameless field", part("", "y") + &user + &password + "--b--~"),
        ("percent sign in a value", user.clone() + &part("password", "s%65cret") + "--b--~"),
        ("plus sign in a value", user.clone() + &part("grant_type", "a+b%20c&d=e") + "--b--~"),
        ("a grant type", part("grant_type", "password") + &user + &password + "--b--~"),
        ("a wrong grant type", part("grant_type", "x") + &user + "--b--~"),
        ("control characters", part("grant_type", "\0\u{1}\t\u{7f}\n\r.") + "--b--~"),
        ("lines", part("grant_type", "~a~~b~") + "--b--~"),
        ("UTF-8", part("grant_type", "é€🔑") + "--b--~"),
        ("UTF-8 in a name", part("é", "x") + &user + &password + "--b--~"),
        ("a space after the value", user.clone() + &part("password", "secret ") + "--b--~"),
        ("a byte order mark", part("grant_type", "\u{feff}password") + "--b--~"),
    ]);
}

#[test]
fn multipart_file_matches_fastapi() {
    // Errors about a file in a text field differ in `input`. These files cause no such errors.
    let file = |name: &str, filename: &str| {
        format!(
            "--b~Content-Disposition: form-data; name=\"{name}\"; filename=\"{filename}\"~\
             Content-Type: text/plain~~hello~"
        )
    };
    bodies(&[
        ("for another field", file("file", "a.txt") + &good()),
        ("without a filename", file("file", "") + &good()),
        ("before the text field with its name", file("username", "a.txt") + &good()),
        ("without a name", "--b~Content-Disposition: form-data; filename=a~~x~".to_owned() + &good()),
    ]);
}

#[test]
fn multipart_framing_matches_fastapi() {
    let user = part("username", "johndoe");
    let both = part("password", "secret") + &user;
    let x = "--b~Content-Disposition: form-data; name=x~~";
    bodies(&[
        ("nothing", String::new()),
        ("no parts", "--b--~".into()),
        ("no parts, no line break", "--b--".into()),
        ("the boundary alone", "--b".into()),
        ("the boundary and a line break", "--b~".into()),
        ("the boundary and one hyphen", "--b-".into()),
        ("the boundary, a hyphen, a letter", "--b-x".into()),
        ("half a boundary", "--".into()),
        ("one hyphen", "-".into()),
        ("another boundary", "--c~".into()),
        ("text", "hello".into()),
        ("text before the form", "hello~".to_owned() + &good()),
        ("line break before the form", "~".to_owned() + &good()),
        ("line breaks before the form", "~~\r\n\n".to_owned() + &good()),
        ("line break and text before the form", "~hello~".to_owned() + &good()),
        ("line break and hyphen before the form", "~-hello~".to_owned() + &good()),
        ("only line breaks", "~~".into()),
        ("space before the form", " ".to_owned() + &good()),
        ("text after the form", good() + "hello"),
        ("part after the end", good() + &part("username", "x") + "--b--"),
        ("no line break at the end", good().trim_end_matches('~').into()),
        ("no hyphens at the end", both.clone() + "--b"),
        ("one hyphen at the end", both.clone() + "--b-"),
        ("a line break at the end", both.clone() + "--b~"),
        ("no end", both.clone()),
        ("truncated in a value", both.clone() + x + "y"),
        ("truncated before a value", both.clone() + x),
        ("truncated in a header", both.clone() + "--b~Content-Dispo"),
        ("truncated in a wrong header", both.clone() + "--b~Content Dispo"),
        ("truncated in a line break", both.clone() + "--b~Content-Disposition: form-data\r"),
        ("truncated in the last line break", both.clone() + "--b\r"),
        ("truncated in the boundary", both.clone() + "--"),
        ("spaces after a boundary", good().replace("secret~--b", "secret~--b  \t")),
        ("spaces after the first boundary", good().replacen("--b", "--b ", 1)),
        ("spaces between two parts", good().replace("johndoe~--b", "johndoe~--b \t")),
        ("spaces and text between two parts", good().replace("johndoe~--b", "johndoe~--b x")),
        ("spaces at the end", both.clone() + "--b "),
        ("text after a boundary", good().replace("johndoe~--b~", "johndoe~--bx~")),
        ("one hyphen after a boundary", good().replace("johndoe~--b~", "johndoe~--b-~")),
        ("a lone CR after a boundary", good().replace("johndoe~--b~", "johndoe~--b\rx~")),
        ("a longer boundary in a value", part("grant_type", "a~--bb~c") + "--b--~"),
        ("hyphens in a value", part("grant_type", "a~--~--~-b~") + "--b--~"),
        ("a boundary without a line break", part("grant_type", "a--b--") + "--b--~"),
        ("no value", x.to_owned() + "--b--~"),
        ("LF instead of CRLF", good().replace('~', "\n")),
        ("LF in the headers", good().replace("\"~~johndoe", "\"\n\njohndoe")),
        ("LF after a value", good().replace("johndoe~", "johndoe\n")),
        ("CR instead of CRLF", good().replace('~', "\r")),
        ("percent-encoded body", "--b%0D%0A".into()),
        ("a urlencoded form", "username=johndoe&password=secret".into()),
    ]);
}

#[test]
fn part_headers_match_fastapi() {
    let lines = include_str!("part_headers.txt").lines();
    dispositions(&lines.collect::<Vec<_>>());
    dispositions(&[
        "Content-Disposition: form-data; name=\"username\"~X: \u{e9}\0\u{1}",
        "Content-Disposition: form-data; name=\"username\"~X\u{e9}: y",
        "Content-Disposition: form-data; name=\"username\"\nX: y",
        "Content-Disposition: form-data; name=\"username\"\rX: y",
        "Content-Disposition: form-data; name=user\u{e9}name",
    ]);
}

#[test]
fn boundary_matches_fastapi() {
    let with = |boundary: &str| body(&good().replace("--b", &format!("--{boundary}")));
    let types: Vec<(String, String)> = [
        ("boundary=b", "b"),
        ("Boundary=b", "b"),
        ("BOUNDARY=\"b\"", "b"),
        ("boundary=B", "b"),
        ("boundary= b ", "b"),
        ("boundary=\" b \"", " b "),
        ("boundary = b", "b"),
        ("boundary='b'", "b"),
        ("boundary='b'", "'b'"),
        ("boundary=\"b", "\"b"),
        ("boundary=b\"", "b\""),
        ("boundary=\"b;c\"", "b;c"),
        ("boundary=b;c", "b"),
        ("boundary=\"b\\\"c\"", "b\"c"),
        ("boundary=\"b\\\\c\"", "b\\c"),
        ("boundary=a; boundary=b", "b"),
        ("boundary=b; boundary=a", "b"),
        ("boundary*=utf-8''b", "b"),
        ("a=b", "b"),
        ("boundary", "b"),
        ("boundary", ""),
        ("boundary=", ""),
        ("boundary=\"\"", ""),
        ("boundary=--", "--"),
        ("boundary=-b-", "-b-"),
        ("boundary==b", "=b"),
        ("boundary=b c", "b c"),
        ("boundary=b, c", "b, c"),
        ("boundary=(b)<c>@,:/[]?", "(b)<c>@,:/[]?"),
        ("boundary=%62", "b"),
        ("boundary=%62", "%62"),
        ("boundary=\u{e9}", "\u{e9}"),
        ("boundary=b; charset=utf-8", "b"),
        ("charset=utf-8;boundary=b;", "b"),
        (";;boundary=b", "b"),
        ("boundary=b, multipart/form-data; boundary=c", "b"),
    ]
    .map(|(parameters, boundary)| (format!("multipart/form-data; {parameters}"), boundary.to_owned()))
    .into_iter()
    .chain([70, 200, 256, 257, 1000].map(|length| {
        let boundary = "b".repeat(length);
        (format!("multipart/form-data; boundary={boundary}"), boundary)
    }))
    .chain(
        [
            "Multipart/Form-Data;boundary=b",
            " multipart/form-data ; boundary=b",
            "multipart/form-data boundary=b",
        ]
        .map(|content_type| (content_type.to_owned(), "b".to_owned())),
    )
    .collect();
    compare(
        types
            .iter()
            .map(|(content_type, boundary)| (&**content_type, post_multipart(content_type, with(boundary)))),
    );
}

#[test]
fn charset_matches_fastapi() {
    let grant_type = |bytes: &[u8]| {
        [
            &body(&part("username", "johndoe"))[..],
            b"--b\r\nContent-Disposition: form-data; name=grant_type\r\n\r\n",
            bytes,
            b"\r\n--b--\r\n",
        ]
        .concat()
    };
    let cases: &[(&str, &[u8])] = &[
        ("utf-8", "é€".as_bytes()),
        ("UTF-8", "é€".as_bytes()),
        ("\"utf-8\"", "é€".as_bytes()),
        ("utf8", "é€".as_bytes()),
        ("utf-8", b"\xe9"),
        ("utf-8", b"\x80\xff"),
        ("utf-8", b"\xed\xa0\x80"),
        ("utf-8", b"\xc0\xaf"),
        ("utf-8", b"\xef\xbb\xbfa"),
        ("latin-1", "é€".as_bytes()),
        ("iso-8859-1", b"\xe9\xa4"),
        ("iso-8859-15", b"\xe9\xa4"),
        ("windows-1252", b"\x80\xe9"),
        ("us-ascii", b"abc\xe9"),
        ("utf-16", b"a\0b\0"),
        ("utf-16le", b"a\0b\0"),
        ("shift_jis", b"\x82\xa0"),
        ("shift_jis", b"\x82"),
        ("gbk", b"\xc4\xe3"),
        ("euc-kr", b"\xb0\xa1"),
        ("big5", b"\xa4\xa4"),
        ("koi8-r", b"\xc1\xc2"),
        ("no-such", b"\x80\xe9"),
        ("", b"\x80\xe9"),
        ("\u{ff}", b"\x80\xe9"),
        ("hex", b"6162"),
        ("rot13", b"abc"),
        ("base64", b"YWJj"),
    ];
    compare(cases.iter().map(|(charset, value)| {
        let content_type = format!("multipart/form-data; boundary=b; charset={charset}");
        let name = format!("{charset}: {}", value.escape_ascii());
        (name, post_multipart(content_type, grant_type(value)))
    }));
}

#[test]
fn limits_match_fastapi() {
    let file = "--b~Content-Disposition: form-data; name=f; filename=g~~x~";
    let header = |length: usize| {
        let header = "Content-Disposition: form-data; name=username; a=";
        format!("--b~{header}{}~~johndoe~", "a".repeat(length - header.len()))
            + &part("password", "secret")
            + "--b--"
    };
    bodies(&[
        ("1000 fields", part("x", "y").repeat(998) + &good()),
        ("1001 fields", part("x", "y").repeat(999) + &good()),
        ("1000 files", file.repeat(1000) + &good()),
        ("1001 files", file.repeat(1001) + &good()),
        ("a header of 4224 bytes", header(4224)),
        ("a header of 4225 bytes", header(4225)),
        ("a header of 4225 bytes, truncated", "--b~".to_owned() + &"a".repeat(4225)),
        ("a value of half a mebibyte", part("username", &"a".repeat(512 * 1024)) + &good()),
    ]);
}

#[test]
fn chunked_multipart_form_matches_fastapi() {
    let Some(servers) = servers() else { return };
    let form = body(&(part("grant_type", "a~--~--bb~c") + &good()));
    for size in [1, 2, 3, 7, 20] {
        let mut bytes = b"POST /token HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
            Content-Type: multipart/form-data; boundary=b\r\nTransfer-Encoding: chunked\r\n\r\n"
            .to_vec();
        for chunk in form.chunks(size) {
            bytes.extend([format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
        }
        bytes.extend(b"0\r\n\r\n");
        assert_eq!(servers.difference(&bytes), None, "chunks of {size}");
    }
}
