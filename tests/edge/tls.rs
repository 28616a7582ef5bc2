//! TLS: certificates, their renewal, HTTP/2, and the `__Host-` prefix of cookies.

use std::{
    fs,
    net::SocketAddr,
    process::{Command, Output},
    time::Duration,
};

use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};

use crate::support::{
    folder::Folder,
    http::get,
    program::{Gatepass, Run},
    secure_profile::{JOHNDOE, add_johndoe, read, serve_command},
    service::{Program, gatepass},
    wait::throughout,
};

fn new_certificate() -> CertifiedKey<KeyPair> {
    generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap()
}

/// Writes a certificate and its key, and returns the paths of the files.
fn write(folder: &Folder, certificate: &CertifiedKey<KeyPair>) -> [String; 2] {
    [
        folder.write("cert.pem", certificate.cert.pem()),
        folder.write("key.pem", certificate.signing_key.serialize_pem()),
    ]
}

fn start(folder: &Folder) -> (Program, SocketAddr) {
    let (cert, key) = (folder.file("cert.pem"), folder.file("key.pem"));
    let arguments = ["--bind", "127.0.0.1:0", "--workers", "1", "--tls-cert", &cert, "--tls-key", &key];
    let program = Program::start(&arguments, &[]);
    let address = program.address_after("listening on https://");
    (program, address)
}

/// Runs curl, which trusts only the certificate `trusted`. It prints the body, the HTTP version and the status.
fn curl(folder: &Folder, trusted: &CertifiedKey<KeyPair>, arguments: &[&str]) -> Output {
    let ca = folder.write("trusted.pem", trusted.cert.pem());
    Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "10", "--cacert", &ca])
        .args(["--write-out", " %{http_version} %{http_code}"])
        .args(arguments)
        .output()
        .expect("curl")
}

#[track_caller]
fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn sign_in_over_tls_succeeds_with_http_1_and_http_2() {
    let (folder, certificate) = (Folder::create(), new_certificate());
    write(&folder, &certificate);
    let (program, address) = start(&folder);
    program.wait_for("key.pem is readable by every user of this system");
    assert!(program.wait_for("listening").contains(&format!("documentation at https://{address}/docs")));
    for (flag, version) in [("--http2", "2"), ("--http1.1", "1.1")] {
        let url = |path: &str| format!("https://{address}{path}");
        let form = "username=johndoe&password=secret";
        let token = printed(&curl(&folder, &certificate, &[flag, "-d", form, &url("/token")]));
        assert!(token.ends_with(&format!(" {version} 200")) && token.contains("johndoe"), "{token}");
        let header = "Authorization: Bearer johndoe";
        let me = printed(&curl(&folder, &certificate, &[flag, "-H", header, &url("/users/me")]));
        assert!(me.ends_with(&format!(" {version} 200")) && me.contains("johndoe@example.com"), "{me}");
        let redirect = printed(&curl(&folder, &certificate, &[flag, "-i", &url("/users/me/")]));
        assert!(redirect.contains(&format!("location: https://{address}/users/me")), "{redirect}");
        assert!(redirect.contains("strict-transport-security: max-age=31536000"), "{redirect}");
        // The size limits for headers and bodies are the same as without TLS.
        let large = format!("x: {}", "x".repeat(17_000));
        let refused = printed(&curl(&folder, &certificate, &[flag, "-H", &large, &url("/users/me")]));
        assert!(refused.ends_with(&format!(" {version} 431")), "{refused}");
        let long = folder.write("long", "x".repeat(2 << 20));
        let refused = curl(&folder, &certificate, &[flag, "-d", &format!("@{long}"), &url("/token")]);
        // With HTTP/2, Actix may reset the stream before it sends the response.
        let is_reset = version == "2" && refused.status.code() == Some(92);
        assert!(is_reset || printed(&refused).ends_with(&format!(" {version} 413")), "{refused:?}");
    }
    let old = curl(&folder, &certificate, &["--tls-max", "1.1", &format!("https://{address}/")]);
    assert!(!old.status.success(), "TLS 1.1 should be refused");
}

#[test]
fn new_certificate_is_loaded_at_run_time_and_a_damaged_one_is_ignored() {
    let (folder, first, second) = (Folder::create(), new_certificate(), new_certificate());
    write(&folder, &first);
    let (program, address) = start(&folder);
    let url = format!("https://localhost:{}/openapi.json", address.port());
    let trusts = |certificate| curl(&folder, certificate, &["-I", &url]).status.success();
    assert!(trusts(&first) && !trusts(&second));

    // A new certificate without its key is not used.
    folder.write("cert.pem", second.cert.pem());
    program.wait_for("cannot reload the TLS certificate");
    assert!(trusts(&first));
    write(&folder, &second);
    program.wait_for("reloaded the TLS certificate");
    assert!(trusts(&second) && !trusts(&first));

    folder.write("cert.pem", "-----BEGIN CERTIFICATE-----\nAAAA");
    program.wait_for("cert.pem contains no certificate");
    fs::remove_file(folder.file("key.pem")).unwrap();
    program.wait_for("cannot read");
    // The files are read every second, but an error is logged only once.
    throughout(Duration::from_millis(1500), || assert!(trusts(&second)));
    assert_eq!(program.log().matches("cannot read").count(), 1, "{}", program.log());
}

#[test]
fn connection_stays_open_when_the_certificate_is_renewed() {
    let (folder, first, second) = (Folder::create(), new_certificate(), new_certificate());
    write(&folder, &first);
    let (program, address) = start(&folder);
    // Two requests on one connection, seconds apart, with a renewal between them.
    let url = format!("https://{address}/openapi.json");
    let ca = folder.write("first.pem", first.cert.pem());
    let client = Command::new("curl")
        .args(["--silent", "--cacert", &ca, "--rate", "30/m", "--write-out", "%{num_connects} %{http_code} "])
        .args(["--output", "/dev/null", &url, "--output", "/dev/null", &url])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    program.wait_for("GET /openapi.json 200");
    write(&folder, &second);
    program.wait_for("reloaded the TLS certificate");
    let output = client.wait_with_output().unwrap();
    assert_eq!(printed(&output), "1 200 0 200 ");
}

#[test]
fn healthcheck_over_tls_succeeds() {
    let (folder, certificate) = (Folder::create(), new_certificate());
    let [cert, key] = write(&folder, &certificate);
    let (_program, address) = start(&folder);
    let bind = address.to_string();
    let tls = ["healthcheck", "--bind", &bind, "--tls-cert", &cert, "--tls-key", &key];
    assert_eq!(gatepass(&tls, &[]).status().unwrap().code(), Some(0));
    assert_eq!(
        gatepass(&tls[..3], &[]).status().unwrap().code(),
        Some(1),
        "a healthcheck without TLS should fail"
    );
}

#[test]
fn serve_with_unusable_tls_files_fails_with_one_line() {
    let (folder, one, other) = (Folder::create(), new_certificate(), new_certificate());
    let [cert, key] = write(&folder, &one);
    let wrong = folder.write("wrong.pem", other.signing_key.serialize_pem());
    let (empty, none) = (folder.write("empty.pem", ""), folder.file("none.pem"));
    for (arguments, code, word) in [
        (vec!["--tls-cert", &cert], 2, "--tls-key is missing"),
        (vec!["--tls-key", &key], 2, "--tls-cert is missing"),
        (vec!["--tls-cert", &none, "--tls-key", &key], 1, "none.pem"),
        (vec!["--tls-cert", &empty, "--tls-key", &key], 1, "empty.pem contains no certificate"),
        (vec!["--tls-cert", &cert, "--tls-key", &empty], 1, "empty.pem contains no private key"),
        (vec!["--tls-cert", &cert, "--tls-key", &wrong], 1, "wrong.pem: keys may not be consistent"),
    ] {
        let output = gatepass(&[&["--bind", "127.0.0.1:0"], &arguments[..]].concat(), &[]).output().unwrap();
        Run::from(output).fails(code, &[word]);
    }
}

#[test]
fn default_issuer_is_an_https_url_if_tls_is_enabled() {
    let (folder, certificate) = (Folder::create(), new_certificate());
    let [cert, key] = write(&folder, &certificate);
    let gatepass = Gatepass::on_sqlite();
    add_johndoe(&gatepass);
    let program = Program::run(&mut serve_command(&gatepass, &["--tls-cert", &cert, "--tls-key", &key]));
    let address = program.address_after("listening on https://");
    let url = format!("https://{address}/token");
    let response = printed(&curl(&folder, &certificate, &["-d", JOHNDOE, "-o", "-", &url]));
    let response: serde_json::Value =
        serde_json::Deserializer::from_str(&response).into_iter().next().unwrap().unwrap();
    let (_, claims) = read(response["access_token"].as_str().unwrap());
    assert_eq!(claims["iss"], "https://127.0.0.1:0");
    // A client without TLS gets no response.
    assert!(std::panic::catch_unwind(|| get("/users/me").send(address)).is_err());
}

#[test]
fn client_that_enforces_cookie_prefixes_stores_the_session_cookie_over_tls() {
    let (folder, certificate) = (Folder::create(), new_certificate());
    let [cert, key] = write(&folder, &certificate);
    let gatepass = Gatepass::on_sqlite();
    add_johndoe(&gatepass);
    let arguments = ["--tls-cert", &cert, "--tls-key", &key, "--login-throttle", "on"];
    let program = Program::run(&mut serve_command(&gatepass, &arguments));
    let address = program.address_after("listening on https://");
    let url = |path: &str| format!("https://{address}{path}");
    for version in ["--http2", "--http1.1"] {
        let jar = folder.file(version);
        let run = |arguments: &[&str]| {
            let same_origin = "Sec-Fetch-Site: same-origin";
            let arguments = [&[version, "-b", &jar, "-c", &jar, "-H", same_origin][..], arguments].concat();
            printed(&curl(&folder, &certificate, &arguments))
        };
        assert!(run(&["-d", JOHNDOE, &url("/login")]).ends_with(" 204"));
        let cookies = fs::read_to_string(&jar).unwrap();
        for name in ["__Host-gatepass_session", "__Host-gatepass_device"] {
            let line = cookies.lines().find(|line| line.contains(name));
            // The columns are the domain, whether subdomains are included, the path, and whether TLS is required.
            assert!(line.expect(name).starts_with("#HttpOnly_127.0.0.1\tFALSE\t/\tTRUE\t"), "{cookies}");
        }
        assert!(run(&[&url("/users/me")]).contains("johndoe@example.com"));
        assert!(run(&["-d", "", &url("/logout")]).ends_with(" 204"));
        assert!(!fs::read_to_string(&jar).unwrap().contains("session"));
        assert!(run(&[&url("/users/me")]).ends_with(" 401"));
    }
}
