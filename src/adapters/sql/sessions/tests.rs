use std::num::NonZeroU32;

use futures_util::future::{join, join_all};

use super::*;
use crate::{
    adapters::sql::{
        SqlClients, SqlUsers, User, UserChange,
        testing::{account, on_postgres},
    },
    domain::{
        client::{Client, ClientId},
        ports::PasswordStore,
        user::AuthUser,
    },
};

const NOW: Timestamp = Timestamp::from_unix(1_700_000_000);

fn member(subject: i64) -> SessionOwner {
    SessionOwner { user_kind: "Member".into(), subject: subject.into() }
}

async fn open(
    sessions: &SqlSessions,
    owner: &SessionOwner,
    id: &str,
    credentials_version: CredentialsVersion,
) -> bool {
    let id = SessionId::new(id).unwrap();
    let session = NewSession {
        id: &id,
        owner,
        credentials_version,
        client_id: None,
        granted_scopes: &GrantedScopes::All,
        audiences: &[],
        client_info: &ClientInfo::default(),
        now: NOW,
        expires_at: None,
        refresh_token: None,
        max_sessions: NonZeroU32::MAX,
    };
    sessions.open(&session).await.unwrap().is_some()
}

#[tokio::test]
async fn open_with_a_stale_credentials_version_is_rejected() {
    let run = async |database: Database| {
        let sessions = SqlSessions::new(database);
        let owner = member(7);
        let first = sessions.credentials_version(&owner).await.unwrap();
        assert!(open(&sessions, &owner, "a", first).await);
        sessions.end_all(&owner, NOW).await.unwrap();
        assert!(!open(&sessions, &owner, "b", first).await);
        let second = sessions.credentials_version(&owner).await.unwrap();
        assert!(second > first);
        assert!(open(&sessions, &owner, "c", second).await);
        // `end_all` raises the version even for a user without sessions.
        let other = member(8);
        sessions.end_all(&other, NOW).await.unwrap();
        assert!(!open(&sessions, &other, "d", first).await);
        // A user of another kind with the same subject has a version and sessions of its own.
        let staff = SessionOwner { user_kind: "Staff".into(), ..owner.clone() };
        let version = sessions.credentials_version(&staff).await.unwrap();
        assert!(open(&sessions, &staff, "e", version).await);
        let claims = Claims {
            session_id: Some("c".parse().unwrap()),
            ..Claims::new(owner.subject.clone(), GrantedScopes::All)
        };
        assert!(sessions.find_active(&owner, &claims).await.unwrap().is_some());
        assert_eq!(sessions.find_active(&staff, &claims).await.unwrap(), None);
        // `end_all_users` raises the version even for a user without sessions.
        let newcomer = member(9);
        let version = sessions.credentials_version(&newcomer).await.unwrap();
        sessions.end_all_users(NOW).await.unwrap();
        assert!(!open(&sessions, &newcomer, "f", version).await);
    };
    run(Database::open("sqlite::memory:").await.unwrap()).await;
    on_postgres(run).await;
}

#[tokio::test]
async fn open_is_rejected_if_the_user_changed_during_the_sign_in() {
    let database = Database::open("sqlite::memory:").await.unwrap();
    let (users, sessions) = (SqlUsers::new(database.clone()), SqlSessions::new(database));
    let account = account("johndoe");
    assert!(users.insert(&account).await.unwrap());
    let subject = account.user.subject();
    let owner = SessionOwner { user_kind: User::user_kind().into(), subject: subject.clone() };
    let changes = [
        UserChange { password_hash: Some("hash".into()), ..UserChange::default() },
        UserChange { disabled: Some(true), ..UserChange::default() },
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let version = sessions.credentials_version(&owner).await.unwrap();
        assert!(open(&sessions, &owner, &format!("before {number}"), version).await);
        assert!(users.update(&subject, change).await.unwrap());
        assert!(!open(&sessions, &owner, &format!("after {number}"), version).await);
        assert_eq!(sessions.list(&owner, NOW).await.unwrap(), []);
    }
    let version = sessions.credentials_version(&owner).await.unwrap();
    assert!(users.change_password(&subject, &"hash".into(), &"new".into(), NOW).await.unwrap());
    assert!(!open(&sessions, &owner, "after a change", version).await);
    let version = sessions.credentials_version(&owner).await.unwrap();
    assert!(users.remove(&subject).await.unwrap());
    assert!(!open(&sessions, &owner, "after the removal", version).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn end_all_during_concurrent_sign_ins_does_not_leave_a_session() {
    on_postgres(async |database| {
        let sessions = SqlSessions::new(database);
        let (mut opened, mut contested) = (0, 0);
        for round in 0..300 {
            // In every third round, the user is new and has never had a session.
            let owner = member(if round % 3 == 0 { round } else { -1 });
            let version = sessions.credentials_version(&owner).await.unwrap();
            let sign_ins = (0..6).map(|number| {
                let (sessions, owner) = (sessions.clone(), owner.clone());
                tokio::spawn(
                    async move { open(&sessions, &owner, &format!("{round} {number}"), version).await },
                )
            });
            let (results, ended) = join(join_all(sign_ins), sessions.end_all(&owner, NOW)).await;
            ended.unwrap();
            assert_eq!(sessions.list(&owner, NOW).await.unwrap(), [], "round {round}");
            let count = results.into_iter().filter(|opened| *opened.as_ref().unwrap()).count();
            opened += count;
            contested += usize::from((1..6).contains(&count));
        }
        eprintln!(
            "{opened} of 1800 sign-ins succeeded; in {contested} of 300 rounds, some succeeded and some failed"
        );
        assert!(contested > 0, "expected some sign-ins to be concurrent with `end_all`, but none was");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revoke_concurrent_with_end_does_not_fail() {
    on_postgres(async |database| {
        let sessions = SqlSessions::new(database);
        let owner = member(7);
        let version = sessions.credentials_version(&owner).await.unwrap();
        for round in 0..100 {
            let id = SessionId::new(format!("{round}")).unwrap();
            assert!(open(&sessions, &owner, id.as_str(), version).await);
            let claims = Claims {
                session_id: Some(id.clone()),
                token_id: Some(format!("token {round}").into()),
                ..Claims::new(owner.subject.clone(), GrantedScopes::All)
            };
            let (revoked, ended) =
                join(sessions.revoke(&owner, &claims, NOW), sessions.end(&owner, &id, NOW)).await;
            revoked.unwrap();
            assert!(ended.unwrap());
        }
    })
    .await;
}

#[tokio::test]
async fn removing_a_client_ends_its_sessions() {
    let database = Database::open("sqlite::memory:").await.unwrap();
    let (clients, sessions) = (SqlClients::new(database.clone()), SqlSessions::new(database));
    let client_id: ClientId = "web".parse().unwrap();
    assert!(clients.add(&Client::public(client_id.clone()), "").await.unwrap());
    let (owner, id) = (member(7), "s".parse().unwrap());
    let session = NewSession {
        id: &id,
        owner: &owner,
        credentials_version: sessions.credentials_version(&owner).await.unwrap(),
        client_id: Some(&client_id),
        granted_scopes: &GrantedScopes::All,
        audiences: &[],
        client_info: &ClientInfo::default(),
        now: NOW,
        expires_at: None,
        refresh_token: None,
        max_sessions: NonZeroU32::MAX,
    };
    assert_eq!(sessions.open(&session).await.unwrap(), Some(Vec::new()));
    assert!(clients.remove(&client_id).await.unwrap());
    assert_eq!(sessions.list(&owner, NOW).await.unwrap(), []);
}

#[tokio::test]
async fn open_without_a_maximum_does_not_search_for_sessions_to_evict() {
    on_postgres(async |database| {
        // The trigger runs for each `DELETE` statement, even if no row is deleted.
        for statement in [
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
             'BEGIN RAISE EXCEPTION ''searched''; END'",
            "CREATE TRIGGER refuse BEFORE DELETE ON sessions FOR EACH STATEMENT EXECUTE FUNCTION refuse()",
        ] {
            database.pool.execute(Statement::new(statement)).await.unwrap();
        }
        let sessions = SqlSessions::new(database);
        let owner = member(7);
        let version = sessions.credentials_version(&owner).await.unwrap();
        assert!(open(&sessions, &owner, "a", version).await);
        sessions.end(&owner, &SessionId::new("a").unwrap(), NOW).await.unwrap_err();
    })
    .await;
}
