//! The user model, and the queries that Gatepass needs.

use diesel::prelude::*;
use diesel_async::pooled_connection::deadpool::Pool;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use gatepass::{
    Account, AuthUser, BackendError, GrantedScopes, PasswordHash, Subject, UserStore, Username,
};
use serde::Serialize;

type Result<T> = std::result::Result<T, BackendError>;

diesel::table! {
    users (id) {
        id -> BigInt,
        email -> Text,
        full_name -> Text,
        password_hash -> Text,
        is_active -> Bool,
        roles -> Array<Text>,
    }
}

#[derive(Clone, Queryable, Selectable, Serialize)]
pub struct User {
    id: i64,
    email: String,
    full_name: String,
    is_active: bool,
    roles: Vec<String>,
}

impl AuthUser for User {
    fn subject(&self) -> Subject {
        self.id.into()
    }

    fn is_active(&self) -> bool {
        self.is_active
    }

    fn allowed_scopes(&self) -> GrantedScopes {
        let is_admin = self.roles.iter().any(|role| role == "admin");
        let scopes = if is_admin { "me users:read" } else { "me" };
        GrantedScopes::Only(scopes.parse().unwrap_or_default())
    }
}

#[derive(Clone)]
pub struct Users(pub Pool<AsyncPgConnection>);

impl UserStore for Users {
    type User = User;

    async fn find_by_username(&self, email: &Username) -> Result<Option<Account<User>>> {
        let user = users::table.filter(users::email.eq(email.as_str().to_lowercase()));
        let found = user
            .select((User::as_select(), users::password_hash))
            .first::<(User, String)>(&mut self.0.get().await?)
            .await
            .optional()?;
        Ok(found.map(|(user, hash)| Account::new(user, hash)))
    }

    async fn find_by_subject(&self, id: &Subject) -> Result<Option<User>> {
        // A subject that is not a number belongs to no user.
        let Ok(id) = id.as_str().parse::<i64>() else {
            return Ok(None);
        };
        let user = users::table.find(id).select(User::as_select());
        Ok(user.first(&mut self.0.get().await?).await.optional()?)
    }

    async fn replace_hash(
        &self,
        id: &Subject,
        old: &PasswordHash,
        new: &PasswordHash,
    ) -> Result<()> {
        let Ok(id) = id.as_str().parse::<i64>() else {
            return Ok(());
        };
        let user = users::table
            .find(id)
            .filter(users::password_hash.eq(old.expose()));
        let update = diesel::update(user).set(users::password_hash.eq(new.expose()));
        update.execute(&mut self.0.get().await?).await?;
        Ok(())
    }
}

impl Users {
    /// Adds a user, or returns `None` if the email address is taken.
    pub async fn add(&self, email: &str, name: &str, hash: &PasswordHash) -> Result<Option<User>> {
        let user = (
            users::email.eq(email.to_lowercase()),
            users::full_name.eq(name),
            users::password_hash.eq(hash.expose()),
        );
        let insert = diesel::insert_into(users::table)
            .values(user)
            .on_conflict_do_nothing();
        let added = insert.returning(User::as_returning());
        Ok(added
            .get_result(&mut self.0.get().await?)
            .await
            .optional()?)
    }

    pub async fn list(&self) -> Result<Vec<User>> {
        let select = users::table
            .order(users::id)
            .limit(100)
            .select(User::as_select());
        Ok(select.load(&mut self.0.get().await?).await?)
    }
}
