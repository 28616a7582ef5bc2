//! Visits every page in every state.

use serde_json::json;

use crate::{
    browser::{
        docs, pages,
        sessions::{self, PASSPHRASE},
        start_page,
        webdriver::{Browser, ESCAPE},
    },
    support::{program::Gatepass, secure_profile::Service, service::tutorial},
};

/// Stops the countdown after too many attempts and shows a fixed time.
const STOP_COUNTDOWN: &str = "
    for (let timer = setTimeout(() => {}); timer > 0; timer--) clearTimeout(timer);
    const wait = document.getElementById('wait');
    wait.textContent = wait.dataset.many.replace('{seconds}', 9);
    document.querySelector('.primary').disabled = true;";

/// Opens every page in every state, and calls `check` with the name of each state.
pub async fn visit_all(browser: &Browser, mut check: impl AsyncFnMut(&str)) {
    let tutorial = format!("http://{}", tutorial());
    browser.open(&format!("{tutorial}/")).await;
    check("tutorial").await;
    start_page::sign_in(browser, "johndoe", "wrong").await;
    start_page::expect_error(browser, "Incorrect username or password").await;
    check("tutorial-error").await;
    start_page::sign_in(browser, "johndoe", "secret").await;
    browser.expect_displayed("#profile").await;
    check("tutorial-signed-in").await;
    browser.run("document.querySelectorAll('#requests details').forEach((entry) => entry.open = true)").await;
    check("tutorial-requests").await;
    browser.go_offline(true);
    browser.expect_displayed("#connection").await;
    check("tutorial-offline").await;
    browser.go_offline(false);

    browser.open(&format!("{tutorial}/redoc")).await;
    browser.expect_displayed("h1").await;
    check("redoc").await;

    docs::open(browser, &format!("{tutorial}/docs")).await;
    check("docs").await;
    docs::fill_in(browser, "johndoe", "wrong").await;
    docs::submit(browser).await;
    docs::expect_error(browser, "Incorrect username or password").await;
    check("docs-error").await;
    docs::close(browser).await;
    docs::fill_in(browser, "johndoe", "secret").await;
    check("docs-dialog").await;
    docs::submit(browser).await;
    docs::expect_authorized(browser).await;
    check("docs-authorized").await;
    docs::close(browser).await;
    docs::try_out(browser).await;
    docs::execute(browser, 200, &docs::johndoe()).await;
    check("docs-response").await;

    // The dialog of the secure profile has more fields.
    let (_gatepass, service): (Gatepass, Service) = sessions::serve(&[]);
    docs::open(browser, &format!("http://{}/docs", service.address)).await;
    // The account page would list a failed sign-in of johndoe in one or several entries, so this one uses another name.
    docs::fill_in(browser, "nobody", "wrong").await;
    check("secure-docs-dialog").await;
    docs::submit(browser).await;
    docs::expect_error(browser, "Incorrect username or password").await;
    check("secure-docs-error").await;
    docs::close(browser).await;
    docs::authorize(browser, "johndoe", PASSPHRASE).await;
    browser.click(".decoded summary").await;
    browser.expect_displayed(".decoded dl").await;
    check("secure-docs-token").await;
    docs::close(browser).await;

    let root = format!("http://{}", service.address);
    browser.open(&format!("{root}/login")).await;
    check("login").await;
    pages::submit(browser, "nobody", "wrong").await;
    browser.expect_displayed("[role=alert]").await;
    check("login-error").await;
    let (_throttled, throttling) =
        sessions::serve(&["--login-throttle=on", "--login-throttle-account-failures=1"]);
    browser.open(&format!("http://{}/login", throttling.address)).await;
    while !browser.is_displayed("#wait").await {
        pages::submit(browser, "nobody", "wrong").await;
        browser.expect_displayed("[role=alert]").await;
    }
    browser.run(STOP_COUNTDOWN).await;
    check("login-throttled").await;
    for notice in ["expired", "signed-out"] {
        browser.open(&format!("{root}/login?done={notice}")).await;
        check(&format!("login-{notice}")).await;
    }
    browser.go_offline(true);
    browser.expect_displayed("#offline").await;
    check("login-offline").await;
    browser.go_offline(false);
    browser.accept_language("de").await;
    browser.open(&format!("{root}/login")).await;
    check("login-german").await;
    browser.accept_language("en").await;

    pages::sign_in(browser, &service).await;
    // Audit trail entries are written after the response.
    let entries = "document.querySelectorAll('[aria-labelledby=events] li').length";
    let read_again = async || {
        browser.reload().await;
        browser.evaluate(entries).await
    };
    browser.expect("the sign-ins and the creation of the user", json!(3), read_again).await;
    check("account").await;
    browser.click("[data-dialog=end-all] button").await;
    browser.expect_displayed("dialog[open]").await;
    check("account-dialog").await;
    browser.press(ESCAPE).await;
    pages::change_password(browser, PASSPHRASE, "secret").await;
    browser.expect_displayed(".field-error").await;
    check("account-error").await;
    browser.accept_language("de").await;
    browser.open(&format!("{root}/account")).await;
    check("account-german").await;
    browser.open(&format!("{root}/nothing/here")).await;
    check("not-found-german").await;
    browser.accept_language("en").await;
    browser.open(&format!("{root}/nothing/here")).await;
    check("not-found").await;
}
