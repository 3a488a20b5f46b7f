//! Users, who rarely change.

use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use cache_runtime::{Cache, cached, invalidates};
use serde::{Deserialize, Serialize};

use super::events::UserUpdated;
use super::{Repositories, ttls};
use crate::database::{Db, QUERIES};
use crate::error::Error;

#[derive(Debug, Serialize, Deserialize, sqlx::FromRow)]
pub(super) struct User {
    id: String,
    name: String,
    style: String,
}

#[derive(Debug, Deserialize)]
struct Change {
    name: String,
    style: String,
}

#[derive(Debug, Clone)]
pub(super) struct UserRepository {
    pub(super) db: Db,
    pub(super) cache: Cache,
}

impl UserRepository {
    pub(super) fn new(db: &Db, cache: &Cache) -> Self {
        let (db, cache) = (db.clone(), cache.clone());
        Self { db, cache }
    }

    #[cached("user:profile", ttl = ttls::USER_PROFILE, none_ttl = "30s", key = user_id, cache = self.cache)]
    async fn user_by_id(&self, user_id: &str) -> Result<Option<User>, sqlx::Error> {
        let query = sqlx::query_as("SELECT * FROM users WHERE id = $1").bind(user_id);
        QUERIES
            .query("user by id", query.fetch_optional(&self.db.pool))
            .await
    }

    /// The user, or 404.
    pub(super) async fn known(&self, user_id: &str) -> Result<User, Error> {
        self.user_by_id(user_id).await?.ok_or(Error::NotFound)
    }

    #[invalidates(event = UserUpdated { user_id: user_id.to_owned() }, cache = self.cache)]
    async fn update_user(
        &self,
        user_id: &str,
        change: Change,
    ) -> Result<Option<User>, sqlx::Error> {
        let sql = "UPDATE users SET name = $1, style = $2 WHERE id = $3 RETURNING *";
        let query = sqlx::query_as(sql)
            .bind(change.name)
            .bind(change.style)
            .bind(user_id);
        QUERIES
            .query("update a user", query.fetch_optional(&self.db.pool))
            .await
    }
}

pub(super) fn routes() -> Router<Repositories> {
    Router::new().route("/", get(by_id).put(update))
}

async fn by_id(
    State(all): State<Repositories>,
    Path(user_id): Path<String>,
) -> Result<Json<User>, Error> {
    all.users.known(&user_id).await.map(Json)
}

async fn update(
    State(all): State<Repositories>,
    Path(user_id): Path<String>,
    Json(change): Json<Change>,
) -> Result<Json<User>, Error> {
    if change.name.is_empty() {
        return Err(Error::Invalid("a user needs a name".to_owned()));
    }
    let user = all.users.update_user(&user_id, change).await?;
    user.map(Json).ok_or(Error::NotFound)
}
