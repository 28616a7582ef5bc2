//! The setting `--password-grant`.

use crate::secure::{ISSUER, JOHNDOE, on_sqlite, outcome, serve};

#[test]
fn without_the_password_grant_sign_ins_are_refused_and_sessions_stay_active() {
    let (gatepass, issuing) = on_sqlite(&ISSUER);
    let mut tokens = issuing.sign_in_offline();
    let off = ["--password-grant", "off", "--require-grant-type"];
    let service = serve(&gatepass, &[&ISSUER[..], &off].concat());
    assert_eq!(service.users_me(&tokens.access).status, 200);
    let refused = service.sign_in(&format!("{JOHNDOE}&grant_type=password"));
    assert_eq!(outcome(&refused), (400, "Signing in with a password is turned off".into(), None));
    assert_eq!(refused.json()["error"], "unsupported_grant_type");
    // A refresh needs its grant type, whether or not the password grant requires one.
    for service in [service, issuing] {
        let reply = service.sign_in(&format!("refresh_token={}", tokens.refresh));
        assert_eq!((reply.status, &reply.json()["error"]), (400, &"invalid_request".into()));
        tokens = service.refreshed(&tokens.refresh);
        assert_eq!(service.users_me(&tokens.access).status, 200);
    }
}
