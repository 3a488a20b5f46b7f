//! Sessions, by hand: rows of the database that are asked for with each request, so that they are kept at hand.

use std::fmt::Write as _;
use std::net::SocketAddr;

use axum::extract::{ConnectInfo, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use cache_runtime::{Cache, RateLimit, invalidates, ttl};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{keys, ttls, usage};
use crate::database::{Db, QUERIES, Time};
use crate::error::Error;

#[derive(Debug, Clone, Serialize, Deserialize, sqlx::FromRow)]
struct Session {
    user_id: i64,
    name: String,
    #[sqlx(try_from = "String")]
    expires: Time,
}

/// Without `Debug`: what is in it lets people in.
#[derive(Deserialize)]
struct Login {
    key: String,
}

#[derive(Serialize)]
struct LoggedIn {
    token: String,
    #[serde(flatten)]
    session: Session,
}

#[derive(Serialize)]
struct Seen {
    #[serde(flatten)]
    session: Session,
    calls_today: Option<i64>,
}

/// A session that has not ended. Who guesses is told nothing, and fills no cache: an error is not stored.
async fn find(db: &Db, id: &str) -> Result<Session, Error> {
    let sql = "SELECT user_id, name, expires FROM sessions JOIN users ON users.id = user_id WHERE sessions.id = $1";
    let load = async {
        let query = sqlx::query_as(sql).bind(id.to_owned());
        let found: Option<Session> = QUERIES
            .query("session", query.fetch_optional(&db.pool))
            .await?;
        found.ok_or(Error::Unauthorized)
    };
    let cache = Cache::current();
    let session = cache.get_or_try_set(&keys::session(id), None, load).await?;
    if session.expires < Time::now() {
        return Err(Error::Unauthorized);
    }
    Ok(session)
}

async fn begin(db: &Db, key: &str) -> Result<LoggedIn, Error> {
    let query = sqlx::query_as("SELECT id, name FROM users WHERE key_hash = $1").bind(hash(key));
    let user: Option<(i64, String)> = QUERIES
        .query("user by key", query.fetch_optional(&db.pool))
        .await?;
    let (user_id, name) = user.ok_or(Error::Unauthorized)?;
    let expires = Time(Time::now().0 + ttls::SESSION);
    let session = Session {
        user_id,
        name,
        expires,
    };
    let ended =
        sqlx::query("DELETE FROM sessions WHERE expires < $1").bind(Time::now().0.to_string());
    QUERIES
        .query("sessions that have ended", ended.execute(&db.pool))
        .await?;
    let token = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
    let id = hash(&token);
    let sql = "INSERT INTO sessions (id, user_id, expires) VALUES ($1, $2, $3)";
    let query = sqlx::query(sql)
        .bind(&id)
        .bind(user_id)
        .bind(expires.0.to_string());
    QUERIES
        .query("begin a session", query.execute(&db.pool))
        .await?;
    // Its first request will be here in a moment.
    let cache = Cache::current();
    cache.set(&keys::session(&id), &session, None).await;
    Ok(LoggedIn { token, session })
}

/// By the attribute, and not with `Cache::delete`: a client that goes away half way would leave the session open.
#[invalidates(keys::session(id))]
async fn end(db: &Db, id: &str) -> Result<(), sqlx::Error> {
    let query = sqlx::query("DELETE FROM sessions WHERE id = $1").bind(id.to_owned());
    QUERIES
        .query("end a session", query.execute(&db.pool))
        .await?;
    Ok(())
}

/// Of a token, or of a user's key: neither database nor Redis know them. They are long and random, so that this is enough.
fn hash(secret: &str) -> String {
    let hash = Sha256::digest(secret.as_bytes());
    hash.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub(super) fn routes() -> Router<Db> {
    Router::new()
        .route("/api/login", post(log_in))
        .route("/api/session", get(get_session).delete(log_out))
}

/// Ten times a minute for each client, whether the key is right or not.
async fn log_in(
    State(db): State<Db>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    Json(login): Json<Login>,
) -> Result<Json<LoggedIn>, Error> {
    let limit = RateLimit::sliding(10, ttl::SHORT);
    usage::within(&limit, &keys::logins(client.ip())).await?;
    Ok(Json(begin(&db, &login.key).await?))
}

async fn get_session(State(db): State<Db>, headers: HeaderMap) -> Result<Json<Seen>, Error> {
    let session = find(&db, &id_of(&headers)?).await?;
    let calls = keys::calls_of_user(session.user_id);
    let calls_today = Cache::current().incr(&calls, 1, ttl::DAY).await;
    Ok(Json(Seen {
        session,
        calls_today,
    }))
}

async fn log_out(State(db): State<Db>, headers: HeaderMap) -> Result<StatusCode, Error> {
    end(&db, &id_of(&headers)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn id_of(headers: &HeaderMap) -> Result<String, Error> {
    let header = headers
        .get(AUTHORIZATION)
        .and_then(|header| header.to_str().ok());
    let token = header.and_then(|header| header.strip_prefix("Bearer "));
    token.map(hash).ok_or(Error::Unauthorized)
}
