//! The user model, and the queries that Gatepass needs.

use gatepass::{
    Account, AuthUser, BackendError, GrantedScopes, PasswordHash, Subject, UserStore, Username,
};
use sea_orm::{DatabaseConnection, QueryOrder, QuerySelect, Set, SqlErr, prelude::*};
use serde::Serialize;

type Result<T> = std::result::Result<T, BackendError>;

/// A row of the table. It contains the password hash, so only this file uses it.
mod row {
    use sea_orm::prelude::*;

    #[derive(Clone, DeriveEntityModel)]
    #[sea_orm(table_name = "users")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i64,
        #[sea_orm(unique)]
        pub email: String,
        pub full_name: String,
        pub password_hash: String,
        pub is_active: bool,
        pub roles: Vec<String>,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}

    /// SeaORM requires `Debug`. The output omits the hash, since it may end up in a log.
    impl std::fmt::Debug for Model {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "user {}", self.id)
        }
    }
}

#[derive(Clone, DerivePartialModel, Serialize)]
#[sea_orm(entity = "row::Entity")]
pub struct User {
    id: i64,
    email: String,
    full_name: String,
    is_active: bool,
    roles: Vec<String>,
}

impl From<row::Model> for User {
    fn from(row: row::Model) -> Self {
        let row::Model {
            id,
            email,
            full_name,
            is_active,
            roles,
            ..
        } = row;
        Self {
            id,
            email,
            full_name,
            is_active,
            roles,
        }
    }
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
pub struct Users(pub DatabaseConnection);

impl UserStore for Users {
    type User = User;

    async fn find_by_username(&self, email: &Username) -> Result<Option<Account<User>>> {
        let email = email.as_str().to_lowercase();
        let user = row::Entity::find().filter(row::Column::Email.eq(email));
        let found = user.one(&self.0).await?.map(|row| {
            let hash = row.password_hash.clone();
            Account::new(User::from(row), hash)
        });
        Ok(found)
    }

    async fn find_by_subject(&self, id: &Subject) -> Result<Option<User>> {
        // A subject that is not a number belongs to no user.
        let Ok(id) = id.as_str().parse::<i64>() else {
            return Ok(None);
        };
        let user = row::Entity::find_by_id(id).into_partial_model();
        Ok(user.one(&self.0).await?)
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
        row::Entity::update_many()
            .filter(row::Column::Id.eq(id))
            .filter(row::Column::PasswordHash.eq(old.expose()))
            .col_expr(row::Column::PasswordHash, Expr::value(new.expose()))
            .exec(&self.0)
            .await?;
        Ok(())
    }
}

impl Users {
    /// Adds a user, or returns `None` if the email address is taken.
    pub async fn add(&self, email: &str, name: &str, hash: &PasswordHash) -> Result<Option<User>> {
        let user = row::ActiveModel {
            email: Set(email.to_lowercase()),
            full_name: Set(name.to_owned()),
            password_hash: Set(hash.expose().to_owned()),
            ..Default::default()
        };
        match user.insert(&self.0).await {
            Ok(row) => Ok(Some(row.into())),
            Err(error) => match error.sql_err() {
                Some(SqlErr::UniqueConstraintViolation(_)) => Ok(None),
                _ => Err(error.into()),
            },
        }
    }

    pub async fn list(&self) -> Result<Vec<User>> {
        let select = row::Entity::find().order_by_asc(row::Column::Id).limit(100);
        Ok(select.into_partial_model().all(&self.0).await?)
    }
}
