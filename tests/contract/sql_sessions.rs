//! SQL sessions: the contract, and changes that end sessions.

use std::num::NonZeroU32;

use actix_web::rt::spawn;
use futures_util::future::{join, join_all};
use gatepass::{
    AuthUser, Client, ClientId, ClientInfo, GrantedScopes, PasswordStore, UserStore,
    sessions::{CredentialsVersion, NewSession, SessionOwner, SessionStore, TokenHash},
    sql::{SqlClients, SqlSessions, SqlUsers, User, UserChange},
    testing::contract,
};

use crate::contract::sql::{NOW, add, on_both, on_postgres};

/// Returns the owner of a user's sessions.
pub fn owner(user: &User) -> SessionOwner {
    SessionOwner { user_kind: User::user_kind().into(), subject: user.subject() }
}

/// Returns the session owner for a user in an application's table.
fn member(id: u64) -> SessionOwner {
    SessionOwner { user_kind: "Member".into(), subject: id.into() }
}

async fn ids(store: &SqlSessions, owner: &SessionOwner) -> Vec<String> {
    let sessions = store.list(owner, NOW).await.unwrap();
    sessions.into_iter().map(|session| session.id.to_string()).collect()
}

pub async fn version(store: &SqlSessions, owner: &SessionOwner) -> CredentialsVersion {
    store.credentials_version(owner).await.unwrap()
}

/// Opens a session with `id` as its ID, its token family and the hash of its refresh token. Returns whether the
/// session was opened.
pub async fn open_at(
    store: &SqlSessions,
    (id, owner, client_id): (&str, &SessionOwner, Option<&ClientId>),
    credentials_version: CredentialsVersion,
) -> bool {
    let hash = TokenHash::from_stored(id.to_owned());
    let session = NewSession {
        id: &id.parse().unwrap(),
        owner,
        credentials_version,
        client_id,
        granted_scopes: &GrantedScopes::All,
        audiences: &[],
        client_info: &ClientInfo::default(),
        now: NOW,
        expires_at: None,
        refresh_token: Some((&hash, &hash)),
        max_sessions: NonZeroU32::MAX,
    };
    store.open(&session).await.unwrap().is_some()
}

#[test]
fn sql_sessions_of_sql_users_fulfill_the_contract() {
    on_both(async |database| {
        let users = SqlUsers::new(database.clone());
        let [one, other] = [add(&users, "johndoe").await, add(&users, "alice").await];
        let (store, owners) = (SqlSessions::new(database), [&owner(&one), &owner(&other)]);
        contract::session_store(&store, owners, Some(&"web".parse().unwrap())).await.unwrap();
    });
}

#[test]
fn sql_sessions_of_users_in_an_application_table_fulfill_the_contract() {
    on_both(async |database| {
        let owners = [&member(7), &member(8)];
        contract::session_store(&SqlSessions::new(database), owners, None).await.unwrap();
    });
}

#[test]
fn changing_the_password_of_a_user_or_disabling_or_removing_the_user_ends_all_sessions() {
    on_both(async |database| {
        let users = SqlUsers::new(database.clone());
        let (store, clients) = (SqlSessions::new(database.clone()), SqlClients::new(database));
        let [one, other] = [add(&users, "johndoe").await, add(&users, "alice").await];
        let (subject, one, other) = (one.subject(), &owner(&one), &owner(&other));
        let client_id = &ClientId::new("web").unwrap();
        assert!(clients.add(&Client::public(client_id.clone()), "").await.unwrap());
        let open = async |owner: &SessionOwner| {
            for (id, client_id) in [("of a client", Some(client_id)), ("of no client", None)] {
                let id = format!("{id} {}", owner.subject);
                let version = version(&store, owner).await;
                assert!(open_at(&store, (&id, owner, client_id), version).await, "{id}");
            }
        };
        open(one).await;
        open(other).await;

        let name = UserChange { full_name: Some(Some("John Doe".into())), ..UserChange::default() };
        assert!(users.update(&subject, name).await.unwrap());
        let scopes = UserChange { scopes: Some("me".parse().unwrap()), ..UserChange::default() };
        assert!(users.update(&subject, scopes).await.unwrap());
        users.replace_hash(&subject, &"hash".into(), &"rehashed".into()).await.unwrap();
        assert_eq!(users.find_hash(&subject).await.unwrap(), Some("rehashed".into()));
        assert!(!users.change_password(&subject, &"hash".into(), &"lost".into(), NOW).await.unwrap());
        assert_eq!(ids(&store, one).await.len(), 2, "none of these changes should end a session");

        let late = ("late", one, None);
        let before = version(&store, one).await;
        assert!(users.change_password(&subject, &"rehashed".into(), &"new".into(), NOW).await.unwrap());
        assert_eq!(ids(&store, one).await, [""; 0]);
        assert!(!open_at(&store, late, before).await, "a sign-in in progress should not open a session");
        let set = UserChange { password_hash: Some("set".into()), ..UserChange::default() };
        let disabled = |disabled| UserChange { disabled: Some(disabled), ..UserChange::default() };
        for changes in [vec![set], vec![disabled(true), disabled(false)]] {
            open(one).await;
            let before = version(&store, one).await;
            for change in changes {
                assert!(users.update(&subject, change).await.unwrap());
                assert_eq!(ids(&store, one).await, [""; 0]);
            }
            assert!(!open_at(&store, late, before).await, "a sign-in in progress should not open a session");
        }

        open(one).await;
        assert!(clients.remove(client_id).await.unwrap());
        assert_eq!(ids(&store, one).await, [format!("of no client {subject}")]);
        assert_eq!(ids(&store, other).await, [format!("of no client {}", other.subject)]);

        let family = TokenHash::from_stored(format!("of no client {subject}"));
        assert!(store.find_token_family(&family).await.unwrap().is_some());
        let before = version(&store, one).await;
        assert!(users.remove(&subject).await.unwrap());
        assert_eq!(users.find_hash(&subject).await.unwrap(), None);
        assert_eq!(ids(&store, one).await, [""; 0]);
        assert!(store.find_token_family(&family).await.unwrap().is_none());
        assert!(!open_at(&store, late, before).await, "a sign-in in progress should not open a session");
        assert_eq!(ids(&store, other).await.len(), 1);
    });
}

/// This is a race only on PostgreSQL: SQLite has one writer at a time.
#[test]
fn sign_in_concurrent_with_a_change_to_the_user_does_not_leave_a_session() {
    on_postgres(async |database| {
        let (users, store) = (SqlUsers::new(database.clone()), SqlSessions::new(database));
        let user = add(&users, "johndoe").await;
        let (subject, owner) = (user.subject(), owner(&user));
        let disabled = |disabled| UserChange { disabled: Some(disabled), ..UserChange::default() };
        let (mut old, mut contested) = ("hash".to_owned(), 0);
        for round in 0..80 {
            let version = self::version(&store, &owner).await;
            let sign_ins = (0..8).map(|number| {
                let (store, owner) = (store.clone(), owner.clone());
                let id = format!("{round} {number}");
                spawn(async move { open_at(&store, (&id, &owner, None), version).await })
            });
            let new = format!("hash {round}");
            let change = async {
                if round % 2 == 0 {
                    let (old, new) = (old.as_str().into(), new.as_str().into());
                    assert!(users.change_password(&subject, &old, &new, NOW).await.unwrap());
                } else {
                    assert!(users.update(&subject, disabled(true)).await.unwrap());
                }
            };
            let (opened, ()) = join(join_all(sign_ins.collect::<Vec<_>>()), change).await;
            assert_eq!(ids(&store, &owner).await, [""; 0], "round {round}");
            let count = opened.into_iter().filter(|opened| *opened.as_ref().unwrap()).count();
            contested += usize::from((1..8).contains(&count));
            if round % 2 == 0 {
                let version = self::version(&store, &owner).await;
                assert!(open_at(&store, (&format!("{round}"), &owner, None), version).await);
                old = new;
            } else {
                assert!(users.update(&subject, disabled(false)).await.unwrap());
            }
        }
        assert!(contested > 0, "expected some sign-ins to run concurrently with a change");
    });
}
