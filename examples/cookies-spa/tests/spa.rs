//! Sends the page's requests as a browser would.

use awc::{Client, http::header};
use support::Example;

const PROGRAM: &str = env!("CARGO_BIN_EXE_cookies-spa");

/// Sends a request with a cookie, and returns the status, the cookie in the response, and the body.
async fn send(
    spa: &Example,
    path: &str,
    cookie: &str,
    form: Option<&[(&str, &str)]>,
) -> (u16, Option<String>, String) {
    let (client, url) = (Client::default(), format!("http://{}{path}", spa.address));
    let request = if form.is_some() {
        client.post(url)
    } else {
        client.get(url)
    };
    let request = request
        .insert_header(("Sec-Fetch-Site", "same-origin"))
        .insert_header((header::COOKIE, cookie));
    let mut response = match form {
        Some(form) => request.send_form(&form).await.unwrap(),
        None => request.send().await.unwrap(),
    };
    let cookies = response
        .headers()
        .get_all(header::SET_COOKIE)
        .filter_map(|value| value.to_str().ok());
    let cookie = cookies
        .filter_map(|value| value.split(';').next())
        .find(|pair| pair.starts_with("spa_session="));
    let cookie = cookie.map(str::to_owned);
    let body = String::from_utf8(response.body().await.unwrap().to_vec()).unwrap();
    (response.status().as_u16(), cookie, body)
}

#[actix_web::test]
async fn registered_user_can_read_and_write_notes_until_sign_out() {
    let spa = Example::start(PROGRAM, &[]);
    let johndoe = [
        ("username", "johndoe"),
        ("password", "purple otters juggle lanterns"),
    ];
    assert_eq!(
        send(&spa, "/api/me", "", None).await.2,
        r#"{"username":null}"#
    );
    assert_eq!(send(&spa, "/login", "", Some(&johndoe)).await.0, 400);
    assert_eq!(send(&spa, "/api/register", "", Some(&johndoe)).await.0, 204);
    assert_eq!(send(&spa, "/api/register", "", Some(&johndoe)).await.0, 400);
    let (status, cookie, _) = send(&spa, "/login", "", Some(&johndoe)).await;
    let cookie = cookie.expect("a cookie");
    assert_eq!(status, 204);
    assert_eq!(
        send(&spa, "/api/me", &cookie, None).await.2,
        r#"{"username":"johndoe"}"#
    );
    let markup = "<img src=x onerror=alert(1)>";
    assert_eq!(
        send(&spa, "/api/notes", &cookie, Some(&[("text", markup)]))
            .await
            .0,
        204
    );
    assert_eq!(
        send(&spa, "/api/notes", &cookie, None).await.2,
        format!("[\"{markup}\"]")
    );

    // A request from a page on a sibling domain.
    let foreign = Client::default()
        .post(format!("http://{}/api/notes", spa.address))
        .insert_header((header::COOKIE, cookie.as_str()));
    let foreign = foreign
        .insert_header(("Sec-Fetch-Site", "same-site"))
        .send_form(&[("text", "x")])
        .await
        .unwrap();
    assert_eq!(foreign.status().as_u16(), 403);

    let alice = [
        ("username", "alice"),
        ("password", "seven kettles whistle at dawn"),
    ];
    assert_eq!(send(&spa, "/api/register", "", Some(&alice)).await.0, 204);
    let alice = send(&spa, "/login", "", Some(&alice))
        .await
        .1
        .expect("a cookie");
    assert_eq!(send(&spa, "/api/notes", &alice, None).await.2, "[]");
    assert_eq!(send(&spa, "/logout", &cookie, Some(&[])).await.0, 204);
    assert_eq!(send(&spa, "/api/notes", &cookie, None).await.0, 401);
    assert_eq!(
        send(&spa, "/api/me", &cookie, None).await.2,
        r#"{"username":null}"#
    );
    assert_eq!(send(&spa, "/api/notes", &alice, None).await.0, 200);
}

#[actix_web::test]
async fn page_has_a_strict_policy_and_its_script_never_writes_markup() {
    let spa = Example::start(PROGRAM, &[]);
    let page = Client::default()
        .get(format!("http://{}", spa.address))
        .send()
        .await
        .unwrap();
    let policy = page
        .headers()
        .get(header::CONTENT_SECURITY_POLICY)
        .unwrap()
        .to_str()
        .unwrap();
    assert!(
        policy.contains("default-src 'none'") && !policy.contains("unsafe"),
        "{policy}"
    );
    let (_, _, script) = send(&spa, "/app.js", "", None).await;
    for forbidden in [
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "localStorage",
        "eval(",
    ] {
        assert!(!script.contains(forbidden), "{forbidden}");
    }
}

#[actix_web::test]
async fn cookie_of_an_https_application_is_secure() {
    let https = [("ISSUER", "https://notes.example.com")];
    let spa = Example::start(PROGRAM, &https);
    spa.run(SECURE);
}

const SECURE: &str = r#"
```console
$ curl -d username=johndoe -d 'password=purple otters juggle lanterns' http://127.0.0.1:8080/api/register
$ curl -s -D - -o /dev/null -H 'Sec-Fetch-Site: same-origin' -d username=johndoe -d 'password=purple otters juggle lanterns' http://127.0.0.1:8080/login | grep -i spa_session
set-cookie: __Host-spa_session=…; Secure
```
"#;

#[test]
fn readme_commands_print_the_output_in_the_readme() {
    let spa = Example::start(PROGRAM, &[]);
    spa.run_file(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md"));
}
