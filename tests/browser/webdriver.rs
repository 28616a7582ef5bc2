//! Chromium by WebDriver: one chromedriver and one browser with an empty profile for each test, both gone when
//! the test is.

use std::{
    any::type_name,
    env,
    fmt::Debug,
    fs,
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::{self, Child, Command, Stdio},
    sync::{
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use fantoccini::{
    Client, ClientBuilder, Locator,
    actions::{InputSource, KeyAction, KeyActions},
};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};

use crate::support::{
    http::{self, Reply},
    left_out,
    wait::{TIMEOUT, eventually},
};

/// The variable that makes the tests keep screenshots, in `target/tmp/screenshots`.
const SCREENSHOTS: &str = "GATEPASS_SCREENSHOTS";

const CHROMIUM: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

const FLAGS: [&str; 11] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-prefers-reduced-motion",
    // The browser ends when chromedriver does, however that happens.
    "--remote-debugging-pipe",
];

/// Runs a test in a browser of its own, then looks through the browser's console. Where there is no Chromium,
/// says that the test is left out.
pub fn browse<Test: AsyncFnOnce(&Browser)>(test: Test) {
    let (Some(chromium), Some(chromedriver)) =
        (CHROMIUM.iter().find_map(|name| in_path(name)), in_path("chromedriver"))
    else {
        let name = type_name::<Test>().trim_end_matches("::{{closure}}");
        return left_out(name, "chromium and chromedriver are not both in PATH");
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let browser = Browser::start(&chromium, &chromedriver).await;
        test(&browser).await;
        browser.expect_quiet_console();
    });
}

fn in_path(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// chromedriver, which ends its browser with itself.
struct Driver {
    child: Child,
    address: SocketAddr,
    profile: PathBuf,
}

impl Driver {
    fn start(chromedriver: &PathBuf) -> Self {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let mut child = Command::new(chromedriver)
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver starts");
        let (lines, (send, port)) = (child.stdout.take().unwrap(), mpsc::channel());
        let mut driver = Self {
            child,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            profile: PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
                .join(format!("chromium-{}-{number}", process::id())),
        };
        // Reads to the end: a full or closed pipe would stop chromedriver.
        thread::spawn(move || {
            for line in BufReader::new(lines).lines().map_while(Result::ok) {
                if let Some((_, port)) = line.split_once("started successfully on port ") {
                    let _ = send.send(port.trim_end_matches('.').parse().unwrap());
                }
            }
        });
        driver.address.set_port(port.recv_timeout(TIMEOUT).expect("chromedriver says its port"));
        driver
    }

    /// Asks chromedriver itself, which answers only requests for its own host.
    fn ask(&self, method: &str, path: &str, body: &str) -> Option<Reply> {
        let mut stream = TcpStream::connect(self.address).ok()?;
        stream.set_read_timeout(Some(TIMEOUT)).ok()?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        )
        .ok()?;
        http::read_reply(&mut stream)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // It ends the browser first.
        if self.ask("GET", "/shutdown", "").is_some() {
            let end = Instant::now() + TIMEOUT;
            while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < end {
                thread::park_timeout(Duration::from_millis(5));
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.profile);
    }
}

/// A browser with one window. What does not happen in time is a panic that says what was waited for.
pub struct Browser {
    client: Client,
    session: String,
    driver: Driver,
}

impl Browser {
    async fn start(chromium: &PathBuf, chromedriver: &PathBuf) -> Self {
        let driver = Driver::start(chromedriver);
        let profile = format!("--user-data-dir={}", driver.profile.display());
        let flags: Vec<_> = FLAGS.into_iter().chain([profile.as_str()]).collect();
        let capabilities = json!({
            "browserName": "chrome",
            "goog:chromeOptions": { "binary": chromium, "args": flags },
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(serde_json::from_value(capabilities).unwrap())
            .connect(&format!("http://{}", driver.address))
            .await
            .expect("Chromium starts");
        let session = client.session_id().await.unwrap().expect("a session");
        let browser = Self { client, session, driver };
        browser.resize(1280, 900);
        browser
    }

    pub async fn open(&self, url: &str) {
        self.client.goto(url).await.unwrap_or_else(|error| panic!("{url} does not open: {error}"));
    }

    pub async fn reload(&self) {
        self.client.refresh().await.expect("the page loads again");
    }

    pub async fn url(&self) -> String {
        self.client.current_url().await.expect("the page has a URL").into()
    }

    /// Clicks the element once it can be clicked.
    pub async fn click(&self, css: &str) {
        eventually(&format!("a click on {css}"), async || {
            self.client.find(Locator::Css(css)).await?.click().await
        })
        .await;
    }

    /// Replaces what the field holds, by typing.
    pub async fn fill(&self, css: &str, text: &str) {
        eventually(&format!("typing into {css}"), async || {
            let field = self.client.find(Locator::Css(css)).await?;
            field.clear().await?;
            field.send_keys(text).await
        })
        .await;
    }

    /// Presses these keys, one after the other, wherever the focus is.
    pub async fn press(&self, keys: &str) {
        let presses = keys.chars().fold(KeyActions::new("keyboard".into()), |presses, value| {
            presses.then(KeyAction::Down { value }).then(KeyAction::Up { value })
        });
        self.client.perform_actions(presses).await.unwrap_or_else(|error| panic!("{keys:?}: {error}"));
    }

    /// The text of the element as one sees it; empty while there is none or it is hidden.
    pub async fn text(&self, css: &str) -> String {
        match self.client.find(Locator::Css(css)).await {
            Ok(element) => element.text().await.unwrap_or_default(),
            Err(_) => String::new(),
        }
    }

    pub async fn is_displayed(&self, css: &str) -> bool {
        match self.client.find(Locator::Css(css)).await {
            Ok(element) => element.is_displayed().await.unwrap_or(false),
            Err(_) => false,
        }
    }

    pub async fn expect_displayed(&self, css: &str) {
        self.expect(&format!("{css} on the page"), true, async || self.is_displayed(css).await).await;
    }

    pub async fn expect_hidden(&self, css: &str) {
        self.expect(&format!("{css} on the page"), false, async || self.is_displayed(css).await).await;
    }

    pub async fn expect_text(&self, css: &str, text: &str) {
        self.expect(&format!("the text of {css}"), text.to_owned(), async || self.text(css).await).await;
    }

    /// Waits until `look` gives what is expected.
    pub async fn expect<T: PartialEq + Debug>(&self, what: &str, expected: T, look: impl AsyncFn() -> T) {
        eventually(what, async || {
            let seen = look().await;
            if seen == expected { Ok(()) } else { Err(format!("{seen:?} instead of {expected:?}")) }
        })
        .await;
    }

    /// What the JavaScript expression gives.
    pub async fn evaluate(&self, expression: &str) -> Value {
        let script = format!("return {expression}");
        self.client.execute(&script, Vec::new()).await.unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    /// Everything the site keeps in the browser.
    pub async fn stored(&self) -> Vec<Value> {
        let script = "Promise.all([Object.entries(localStorage), Object.entries(sessionStorage), \
             indexedDB.databases(), caches.keys()]).then((kept) => kept.flat(2))";
        let mut stored = self.evaluate(script).await.as_array().expect("a list").clone();
        let cookies = self.client.get_all_cookies().await.expect("a list of cookies");
        stored.extend(cookies.iter().map(|cookie| cookie.to_string().into()));
        stored
    }

    /// Gives the page this many CSS pixels; a window itself cannot be as narrow as a phone.
    pub fn resize(&self, width: u32, height: u32) {
        let metrics =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500 });
        self.command(
            "goog/cdp/execute",
            &json!({ "cmd": "Emulation.setDeviceMetricsOverride", "params": metrics }),
        );
    }

    /// Lets the page read the clipboard without asking.
    pub fn allow_reading_the_clipboard(&self) {
        self.command(
            "permissions",
            &json!({ "descriptor": { "name": "clipboard-read" }, "state": "granted" }),
        );
    }

    /// Keeps a screenshot where they are asked for.
    pub async fn screenshot(&self, name: &str) {
        if env::var_os(SCREENSHOTS).is_none() {
            return;
        }
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("screenshots");
        fs::create_dir_all(&folder).unwrap();
        let picture = self.client.screenshot().await.expect("a screenshot");
        fs::write(folder.join(name).with_extension("png"), picture).unwrap();
    }

    /// Fails where the console holds anything but a refused sign-in, a refused request about the user, or a sign-out
    /// that did not reach the service.
    fn expect_quiet_console(&self) {
        let log = self.command("se/log", &json!({ "type": "browser" }));
        let loud: Vec<_> = log
            .as_array()
            .expect("a log")
            .iter()
            .filter(|line| matches!(line["level"].as_str(), Some("SEVERE" | "WARNING")))
            .filter(|line| !is_refusal(line["message"].as_str().unwrap_or_default()))
            .collect();
        assert!(loud.is_empty(), "in the browser's console: {loud:#?}");
    }

    /// A command that fantoccini has no function for.
    fn command(&self, name: &str, body: &Value) -> Value {
        let path = format!("/session/{}/{name}", self.session);
        let reply = self.driver.ask("POST", &path, &body.to_string()).expect("chromedriver answers");
        assert_eq!(reply.status, 200, "{name}: {}", reply.text());
        reply.json()["value"].take()
    }
}

/// As Chromium words it: `http://…/token - Failed to load resource: … a status of 400 (Bad Request)`.
fn is_refusal(message: &str) -> bool {
    let Some((url, problem)) = message.split_once(" - ") else { return false };
    let refused = ["400", "401", "403", "404", "422"]
        .iter()
        .any(|code| problem.contains(&format!("status of {code} ")));
    let unreachable = problem.contains("net::ERR_CONNECTION_REFUSED");
    refused && (url.ends_with("/token") || url.contains("/users/me"))
        || unreachable && url.ends_with("/revoke")
}
