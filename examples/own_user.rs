//! Your own model and store. Try it: cargo run --example own_user
//! curl -d 'username=alice@example.com&password=secret2' http://127.0.0.1:8001/token
//! curl -H 'Authorization: Bearer 7' http://127.0.0.1:8001/greeting
use actix_web::{App, HttpServer, get};
use gatepass::tutorial::{InsecureFakeHasher, InsecureSubjectTokens}; // insecure: not for real users
use gatepass::{Account, ActiveUser, Auth, AuthUser, BackendError, GrantedScopes, PasswordHash, Subject};
use gatepass::{UserStore, Username};
use std::{collections::HashMap, sync::RwLock};

#[derive(Clone)]
struct Member {
    id: u64,
    email: String,
    suspended: bool,
}
impl AuthUser for Member {
    fn subject(&self) -> Subject {
        self.id.into()
    }
    fn is_active(&self) -> bool {
        !self.suspended
    }
    fn allowed_scopes(&self) -> GrantedScopes {
        GrantedScopes::All
    }
}

struct Members(RwLock<HashMap<Subject, Account<Member>>>);
impl UserStore for Members {
    type User = Member;
    async fn find_by_username(&self, name: &Username) -> Result<Option<Account<Member>>, BackendError> {
        let members = self.0.read().unwrap();
        Ok(members.values().find(|account| account.user.email == name.as_str()).cloned())
    }
    async fn find_by_subject(&self, subject: &Subject) -> Result<Option<Member>, BackendError> {
        Ok(self.0.read().unwrap().get(subject).map(|account| account.user.clone()))
    }
    async fn replace_hash(
        &self,
        id: &Subject,
        old: &PasswordHash,
        new: &PasswordHash,
    ) -> Result<(), BackendError> {
        if let Some(account) = self.0.write().unwrap().get_mut(id).filter(|a| a.password_hash == *old) {
            account.password_hash = new.clone();
        }
        Ok(())
    }
}

#[get("/greeting")]
async fn greeting(me: ActiveUser<Member>) -> String {
    format!("Hello, member {} ({})", me.id, me.email)
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let alice = Member { id: 7, email: "alice@example.com".into(), suspended: false };
    let account = Account { user: alice, password_hash: "fakehashedsecret2".into() };
    let members = Members(RwLock::new(HashMap::from([(7u64.into(), account)])));
    let auth =
        Auth::builder(members).hasher(InsecureFakeHasher::default()).tokens(InsecureSubjectTokens).build();
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8001".into());
    let app = move || App::new().wrap(auth.bearer()).configure(auth.routes()).service(greeting);
    HttpServer::new(app).bind(address)?.run().await
}
