//! Controls Chromium through WebDriver. Tests reuse browsers, each with its own chromedriver.

use std::{
    env,
    fmt::Debug,
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{LazyLock, Mutex, mpsc},
    thread,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use fantoccini::{
    Client, ClientBuilder, Locator,
    actions::{InputSource, KeyAction, KeyActions},
    wd::WindowHandle,
};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};

use crate::support::{
    http::{self, Reply},
    skip,
    wait::{TIMEOUT, eventually},
};

// Keys, as WebDriver encodes them.
pub const TAB: &str = "\u{E004}";
pub const ENTER: &str = "\u{E007}";
pub const ESCAPE: &str = "\u{E00C}";

/// The names of Chromium's executable. With the first one, which has no windows, the tests take half the CPU time.
const CHROMIUM: [&str; 5] =
    ["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

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
    // The browser exits when chromedriver exits.
    "--remote-debugging-pipe",
];

/// Runs chromedriver with a temporary folder for profiles until standard input is closed, when the tests end.
const CHROMEDRIVER: &str = r#"
TMPDIR=$(mktemp -d)
export TMPDIR
"$1" --port=0 </dev/null 2>/dev/null &
cat
kill $!
wait $!
# Chromium writes to its profile until it exits.
for _ in $(seq 50); do
    pgrep -f -- "--user-data-dir=$TMPDIR" >/dev/null || break
    sleep 0.1
done
rm -rf "$TMPDIR"
"#;

/// Runs a test in a browser and checks the browser's console afterwards. The test is skipped if Chromium is missing.
pub fn browse<Test: AsyncFnOnce(&Browser)>(test: Test) {
    static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
    });
    /// The browsers of tests that have passed.
    static IDLE: Mutex<Vec<Browser>> = Mutex::new(Vec::new());
    let (Some(chromium), Some(chromedriver)) =
        (CHROMIUM.iter().find_map(|name| in_path(name)), in_path("chromedriver"))
    else {
        return skip("Chromium or chromedriver is not in PATH");
    };
    let idle = IDLE.lock().unwrap().pop();
    let browser = RUNTIME.block_on(async {
        let browser = match idle {
            Some(browser) => browser,
            None => Browser::start(&chromium, &chromedriver).await,
        };
        browser.reset().await;
        test(&browser).await;
        browser.expect_quiet_console();
        browser
    });
    IDLE.lock().unwrap().push(browser);
}

fn in_path(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// A running chromedriver. Its browser exits when chromedriver exits.
struct Driver {
    _shell: Child,
    address: SocketAddr,
}

impl Driver {
    fn start(chromedriver: &Path) -> Self {
        let mut shell = Command::new("sh")
            .args(["-c", CHROMEDRIVER, "sh"])
            .arg(chromedriver)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the shell starts");
        let (lines, (send, port)) = (shell.stdout.take().unwrap(), mpsc::channel());
        // Reads to the end: a full or closed pipe would stop chromedriver.
        thread::spawn(move || {
            for line in BufReader::new(lines).lines().map_while(Result::ok) {
                if let Some((_, port)) = line.split_once("started successfully on port ") {
                    let _ = send.send(port.trim_end_matches('.').parse::<u16>().unwrap());
                }
            }
        });
        let port = port.recv_timeout(TIMEOUT).expect("chromedriver prints its port");
        Self { _shell: shell, address: SocketAddr::from(([127, 0, 0, 1], port)) }
    }

    /// Sends a request to chromedriver, which accepts only its own address in `Host`.
    fn send(&self, method: &str, path: &str, body: &str) -> Option<Reply> {
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

/// A browser with one window. Methods that wait for something panic after [`TIMEOUT`].
pub struct Browser {
    client: Client,
    session: String,
    driver: Driver,
}

impl Browser {
    async fn start(chromium: &Path, chromedriver: &Path) -> Self {
        let driver = Driver::start(chromedriver);
        let capabilities = json!({
            "browserName": "chrome",
            "goog:chromeOptions": { "binary": chromium, "args": FLAGS },
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(serde_json::from_value(capabilities).unwrap())
            .connect(&format!("http://{}", driver.address))
            .await
            .expect("Chromium starts");
        let session = client.session_id().await.unwrap().expect("a session");
        Self { client, session, driver }
    }

    /// Resets the browser to its initial state. Web storage remains, because every service has its own origin.
    async fn reset(&self) {
        self.open("about:blank").await;
        self.cdp("Network.clearBrowserCache", json!({}));
        self.cdp("Network.clearBrowserCookies", json!({}));
        self.cdp("Browser.resetPermissions", json!({}));
        self.cdp("Emulation.setUserAgentOverride", json!({ "userAgent": "" }));
        self.prefer_color_scheme("light");
        self.resize(1280, 900);
    }

    pub async fn open(&self, url: &str) {
        self.client.goto(url).await.unwrap_or_else(|error| panic!("cannot open {url}: {error}"));
    }

    /// Opens a tab and switches to it. Returns the previous tab.
    pub async fn new_tab(&self) -> WindowHandle {
        let before = self.client.window().await.expect("a tab");
        let tab = self.client.new_window(true).await.expect("another tab");
        self.client.switch_to_window(tab.handle).await.expect("the other tab");
        before
    }

    /// Closes the current tab and switches to the tab `before`.
    pub async fn close_tab(&self, before: WindowHandle) {
        self.client.close_window().await.expect("the tab closes");
        self.client.switch_to_window(before).await.expect("the tab before");
    }

    pub async fn reload(&self) {
        self.client.refresh().await.expect("the page loads again");
    }

    /// Goes back to the previous page.
    pub async fn back(&self) {
        self.client.back().await.expect("the previous page");
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

    /// Clears the field and types the text.
    pub async fn fill(&self, css: &str, text: &str) {
        eventually(&format!("typing into {css}"), async || {
            let field = self.client.find(Locator::Css(css)).await?;
            field.clear().await?;
            field.send_keys(text).await
        })
        .await;
    }

    /// Presses keys one after the other in the focused element.
    pub async fn press(&self, keys: &str) {
        let presses = keys.chars().fold(KeyActions::new("keyboard".into()), |presses, value| {
            presses.then(KeyAction::Down { value }).then(KeyAction::Up { value })
        });
        self.client.perform_actions(presses).await.unwrap_or_else(|error| panic!("{keys:?}: {error}"));
    }

    /// Presses Tab until the element has the focus.
    pub async fn tab_to(&self, css: &str) {
        let has_focus = format!("document.activeElement?.matches({css:?}) ?? false");
        for _ in 0..200 {
            if self.evaluate(&has_focus).await == true {
                return;
            }
            self.press(TAB).await;
        }
        panic!("expected Tab to reach {css}");
    }

    /// Waits until the element has the focus.
    pub async fn expect_focus(&self, css: &str) {
        let focus = format!("document.activeElement?.matches({css:?}) ?? false");
        self.expect(&format!("the focus on {css}"), json!(true), async || self.evaluate(&focus).await).await;
    }

    /// Returns the visible text of the element, which is empty if the element is missing or hidden.
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

    /// Waits until `actual` returns the expected value.
    pub async fn expect<T: PartialEq + Debug>(&self, what: &str, expected: T, actual: impl AsyncFn() -> T) {
        eventually(what, async || {
            let value = actual().await;
            if value == expected { Ok(()) } else { Err(format!("expected {expected:?}, got {value:?}")) }
        })
        .await;
    }

    /// Returns the value of a JavaScript expression.
    pub async fn evaluate(&self, expression: &str) -> Value {
        let script = format!("return {expression}");
        self.client.execute(&script, Vec::new()).await.unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    /// Runs a script in the page.
    pub async fn run(&self, script: &str) {
        self.client
            .execute(script, Vec::new())
            .await
            .unwrap_or_else(|error| panic!("the script failed: {error}"));
    }

    /// Sets the preferred color scheme, `light` or `dark`.
    pub fn prefer_color_scheme(&self, scheme: &str) {
        let feature = json!({ "name": "prefers-color-scheme", "value": scheme });
        self.cdp("Emulation.setEmulatedMedia", json!({ "features": [feature] }));
    }

    /// Enables or disables scripts, from the next page on.
    pub fn enable_scripts(&self, enabled: bool) {
        self.cdp("Emulation.setScriptExecutionDisabled", json!({ "value": !enabled }));
    }

    /// Sets the preferred language.
    pub async fn accept_language(&self, language: &str) {
        let agent = self.evaluate("navigator.userAgent").await;
        let parameters = json!({ "userAgent": agent, "acceptLanguage": language });
        self.cdp("Emulation.setUserAgentOverride", parameters);
    }

    /// Disconnects the browser from all networks, or connects it again.
    pub fn go_offline(&self, offline: bool) {
        let conditions =
            json!({ "offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1 });
        self.cdp("Network.emulateNetworkConditions", conditions);
    }

    /// Returns everything that the site has stored in the browser.
    pub async fn stored(&self) -> Vec<Value> {
        let script = "Promise.all([Object.entries(localStorage), Object.entries(sessionStorage), \
             indexedDB.databases(), caches.keys()]).then((kept) => kept.flat(2))";
        let mut stored = self.evaluate(script).await.as_array().expect("a list").clone();
        let cookies = self.client.get_all_cookies().await.expect("a list of cookies");
        stored.extend(cookies.iter().map(|cookie| cookie.to_string().into()));
        stored
    }

    /// Sets the size of the page in CSS pixels. A window cannot be as narrow as a phone.
    pub fn resize(&self, width: u32, height: u32) {
        let metrics =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500 });
        self.cdp("Emulation.setDeviceMetricsOverride", metrics);
    }

    /// Lets the page read the clipboard without a prompt.
    pub fn allow_reading_the_clipboard(&self) {
        self.command(
            "permissions",
            &json!({ "descriptor": { "name": "clipboard-read" }, "state": "granted" }),
        );
    }

    /// Takes a picture of the page from its top, at most `max_height` CSS pixels high, and returns it as PNG.
    pub async fn picture(&self, max_height: u64, scale: f64) -> Vec<u8> {
        // Hides the blinking text cursor, disables transitions, and waits for the layout after a resize.
        let size = "new Promise((resolve) => {\
             const still = new CSSStyleSheet();\
             still.replaceSync('*, ::before, ::after { transition: none !important; \
                 animation: none !important; caret-color: transparent !important }');\
             document.adoptedStyleSheets = [still];\
             scrollTo(0, 0);\
             requestAnimationFrame(() => requestAnimationFrame(() => resolve(\
                 [innerWidth, Math.max(innerHeight, document.documentElement.scrollHeight)]))) })";
        let size = self.evaluate(size).await;
        let height = size[1].as_u64().expect("a height").min(max_height);
        let clip = json!({ "x": 0, "y": 0, "width": size[0], "height": height, "scale": scale });
        let parameters = json!({ "captureBeyondViewport": true, "clip": clip });
        let picture = self.cdp("Page.captureScreenshot", parameters);
        BASE64_STANDARD.decode(picture["data"].as_str().expect("a picture")).expect("base64")
    }

    /// Asserts that the console contains no warnings or errors, except those about expected responses and about
    /// sign-outs after the service was stopped.
    fn expect_quiet_console(&self) {
        let log = self.command("se/log", &json!({ "type": "browser" }));
        let unexpected: Vec<_> = log
            .as_array()
            .expect("a log")
            .iter()
            .filter(|line| matches!(line["level"].as_str(), Some("SEVERE" | "WARNING")))
            .filter(|line| !is_expected(line["message"].as_str().unwrap_or_default()))
            .collect();
        assert!(unexpected.is_empty(), "unexpected messages in the browser's console: {unexpected:#?}");
    }

    /// Runs a command of the Chrome DevTools Protocol.
    fn cdp(&self, command: &str, parameters: Value) -> Value {
        self.command("goog/cdp/execute", &json!({ "cmd": command, "params": parameters }))
    }

    /// Runs a WebDriver command for which fantoccini has no function.
    fn command(&self, name: &str, body: &Value) -> Value {
        let path = format!("/session/{}/{name}", self.session);
        let reply = self.driver.send("POST", &path, &body.to_string()).expect("a response from chromedriver");
        assert_eq!(reply.status, 200, "{name}: {}", reply.text());
        reply.json()["value"].take()
    }
}

/// Returns whether a console message is expected, such as
/// `http://…/token - Failed to load resource: … a status of 400 (Bad Request)`.
fn is_expected(message: &str) -> bool {
    let Some((url, problem)) = message.split_once(" - ") else { return false };
    let has_error_status = ["400", "401", "403", "404", "422", "429"]
        .iter()
        .any(|code| problem.contains(&format!("status of {code} ")));
    let unreachable = problem.contains("net::ERR_CONNECTION_REFUSED");
    let is_page =
        ["/login", "/account", "/account/password", "/nothing/here"].iter().any(|path| url.ends_with(path));
    has_error_status && (is_page || url.ends_with("/token") || url.contains("/users/me"))
        || unreachable && url.ends_with("/revoke")
}
