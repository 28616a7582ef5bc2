//! The documentation page of the secure profile.

use serde_json::Value;

use crate::browser::{
    docs::{self, DIALOG},
    sessions::{PASSPHRASE, profile, serve},
    webdriver::browse,
};

#[test]
fn authorization_with_all_some_or_no_scopes_gives_access_to_users_me() {
    browse(async |browser| {
        let (_gatepass, service) = serve(&[]);
        let all = ["me", "offline_access", "openid", "tokens:introspect"];
        for (scopes, granted) in
            [(&all[..], "me openid offline_access"), (&["me"], "me"), (&[], "me users:read")]
        {
            docs::open(browser, &format!("http://{}/docs", service.address)).await;
            docs::fill_in(browser, "johndoe", PASSPHRASE).await;
            docs::keep_scopes(browser, scopes).await;
            docs::submit(browser).await;
            docs::expect_authorized(browser).await;
            browser.expect_text(&format!("{DIALOG} dl > div:last-child dd"), granted).await;
            docs::close(browser).await;
            docs::try_out(browser).await;
            docs::execute(browser, 200, &profile(&service)).await;
            assert_eq!(browser.stored().await, Vec::<Value>::new());
            browser.open("about:blank").await;
        }
    });
}
