//! The pages behind a proxy that puts a prefix before the path.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
};

use crate::{
    browser::{
        docs::{self, johndoe},
        start_page,
        webdriver::browse,
    },
    support::service::tutorial,
};

const PREFIX: &str = "/gate/way";

#[test]
fn swagger_ui_signs_in_and_tries_out_below_a_prefix() {
    browse(async |browser| {
        let root = format!("http://{}{PREFIX}", proxy(tutorial()));
        docs::open(browser, &format!("{root}/docs")).await;
        docs::authorize(browser, "johndoe", "secret").await;
        docs::close(browser).await;
        docs::try_out(browser).await;
        docs::execute(browser, 200, &johndoe()).await;
        browser.expect_text(".request-url pre", &format!("{root}/users/me")).await;
    });
}

#[test]
fn the_start_page_signs_in_below_a_prefix() {
    browse(async |browser| {
        let root = format!("http://{}{PREFIX}", proxy(tutorial()));
        browser.open(&format!("{root}/")).await;
        start_page::sign_in(browser, "johndoe", "secret").await;
        browser.expect_text("#token", "johndoe").await;
        browser.expect_displayed("#profile").await;
        let curl = format!("curl -i {root}/users/me");
        browser.expect_text(".curl:last-of-type pre", &curl).await;
        browser.click("nav a[href=docs]").await;
        browser.expect("the documentation", format!("{root}/docs"), async || browser.url().await).await;
    });
}

/// A proxy to the service: what is below the prefix is passed on without it, all else is 404.
fn proxy(service: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            // A browser opens connections that it then does not use.
            thread::spawn(move || pass_on(client, service));
        }
    });
    address
}

fn pass_on(mut client: TcpStream, service: SocketAddr) -> io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
        if line == "\r\n" {
            break;
        }
        if !lower.starts_with("connection:") {
            head.push_str(&line);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;

    // In `GET /gate/way/docs HTTP/1.1` the prefix ends where the service's path begins.
    let below = format!(" {PREFIX}/");
    let (line, headers) = head.split_once("\r\n").unwrap_or_default();
    if !line.contains(&below) {
        return client.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
    let mut upstream = TcpStream::connect(service)?;
    let line = line.replacen(&below, " /", 1);
    write!(upstream, "{line}\r\n{headers}Connection: close\r\n\r\n")?;
    upstream.write_all(&body)?;
    io::copy(&mut upstream, &mut client)?;
    Ok(())
}
