//! What users do. It is personal: cached for a short time, and only encrypted.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use cache_runtime::{Cache, cached, invalidates};
use serde::{Deserialize, Serialize};

use super::events::UserActivity;
use super::keys;
use super::time::Day;
use crate::database::{Db, QUERIES};
use crate::error::Error;

#[derive(Debug, Serialize, Deserialize)]
struct Activity {
    name: String,
    email: String,
    done: Vec<Done>,
}

#[derive(Debug, Serialize, Deserialize, sqlx::FromRow)]
struct Done {
    kind: String,
    times: i64,
}

/// Daily, weekly and monthly active users.
#[derive(Debug, Serialize, Deserialize, sqlx::FromRow)]
struct ActiveUsers {
    dau: i64,
    wau: i64,
    mau: i64,
}

#[derive(Debug, Deserialize)]
struct On {
    date: Day,
}

#[derive(Debug, Deserialize)]
struct NewActivity {
    date: Day,
    kind: String,
}

/// What a user did on a day.
#[cached(keys::activity(user_id, date))]
async fn activity(
    #[skip] db: &Db,
    user_id: &str,
    date: Day,
) -> Result<Option<Activity>, sqlx::Error> {
    let Some((name, email)) = by_id(db, user_id).await? else {
        return Ok(None);
    };
    let sql = "SELECT kind, count(*) AS times FROM activity WHERE user_id = $1 AND day = $2 GROUP BY kind ORDER BY kind";
    let query = sqlx::query_as(sql).bind(user_id).bind(date.number());
    let done = QUERIES
        .query("activity of a user", query.fetch_all(&db.pool))
        .await?;
    Ok(Some(Activity { name, email, done }))
}

async fn by_id(db: &Db, id: &str) -> Result<Option<(String, String)>, sqlx::Error> {
    let query = sqlx::query_as("SELECT name, email FROM users WHERE id = $1").bind(id);
    QUERIES
        .query("user by id", query.fetch_optional(&db.pool))
        .await
}

/// By hand, where a function of its own would be no more than this.
async fn active_users(db: &Db, date: Day) -> Result<ActiveUsers, sqlx::Error> {
    let query = sqlx::query_as(
        "SELECT count(DISTINCT CASE day WHEN $1 THEN user_id END) AS dau, count(DISTINCT CASE WHEN day > $1 - 7 THEN user_id END) AS wau,
                count(DISTINCT user_id) AS mau
         FROM activity WHERE day > $1 - 30 AND day <= $1",
    )
    .bind(date.number());
    let load = QUERIES.query("active users", query.fetch_one(&db.pool));
    let key = keys::active_users(date);
    Cache::current().get_or_try_set(&key, None, load).await
}

#[invalidates(event = UserActivity { user_id: user_id.to_owned() })]
async fn act(db: &Db, user_id: &str, new: NewActivity) -> Result<(), sqlx::Error> {
    let query = sqlx::query("INSERT INTO activity (user_id, day, kind) VALUES ($1, $2, $3)")
        .bind(user_id)
        .bind(new.date.number())
        .bind(new.kind);
    QUERIES
        .query("insert an activity", query.execute(&db.pool))
        .await?;
    Ok(())
}

pub(super) fn routes() -> Router<Db> {
    Router::new().route("/{id}/activity", get(get_activity).post(post_activity))
}

pub(super) fn metrics() -> Router<Db> {
    Router::new().route("/users/active", get(get_active_users))
}

async fn get_activity(
    State(db): State<Db>,
    Path(id): Path<String>,
    Query(on): Query<On>,
) -> Result<Json<Activity>, Error> {
    let activity = activity(&db, &id, on.date).await?;
    activity.map(Json).ok_or(Error::NotFound)
}

async fn post_activity(
    State(db): State<Db>,
    Path(id): Path<String>,
    Json(new): Json<NewActivity>,
) -> Result<StatusCode, Error> {
    by_id(&db, &id).await?.ok_or(Error::NotFound)?;
    act(&db, &id, new).await?;
    Ok(StatusCode::CREATED)
}

async fn get_active_users(
    State(db): State<Db>,
    Query(on): Query<On>,
) -> Result<Json<ActiveUsers>, Error> {
    Ok(Json(active_users(&db, on.date).await?))
}
