//! Channels, and how many messages each has.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use cache_runtime::{cached, invalidates};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::ttls;
use crate::database::{Db, QUERIES, Time};
use crate::error::Error;

#[derive(Debug, Serialize, Deserialize, sqlx::FromRow)]
pub(super) struct Channel {
    #[sqlx(try_from = "String")]
    pub(super) id: Uuid,
    name: String,
    topic: String,
    pub(super) status: String,
    #[sqlx(try_from = "String")]
    created: Time,
}

#[derive(Debug, Deserialize)]
struct NewChannel {
    name: String,
    #[serde(default)]
    topic: String,
}

#[derive(Debug, Deserialize)]
struct NewMessage {
    text: String,
}

#[derive(Debug, Serialize)]
struct Count {
    messages: i64,
}

/// All channels.
#[cached("channels:list", ttl = ttls::CHANNEL)]
pub(super) async fn channels(#[skip] db: &Db) -> Result<Vec<Channel>, sqlx::Error> {
    let query = sqlx::query_as("SELECT * FROM channels ORDER BY name, id").fetch_all(&db.pool);
    QUERIES.query("all channels", query).await
}

/// One channel.
#[cached("channels", ttl = ttls::CHANNEL, none_ttl = "30s", key = id)]
pub(super) async fn channel(#[skip] db: &Db, id: Uuid) -> Result<Option<Channel>, sqlx::Error> {
    let query = sqlx::query_as("SELECT * FROM channels WHERE id = $1").bind(id.to_string());
    QUERIES
        .query("channel by id", query.fetch_optional(&db.pool))
        .await
}

/// How many messages a channel has.
#[cached("channels:messages", ttl = ttls::MESSAGE_COUNT, key = id)]
async fn messages(#[skip] db: &Db, id: Uuid) -> Result<i64, sqlx::Error> {
    let sql = "SELECT count(*) FROM messages WHERE channel_id = $1";
    let query = sqlx::query_scalar(sql).bind(id.to_string());
    QUERIES
        .query("messages of a channel", query.fetch_one(&db.pool))
        .await
}

/// What concerns one channel, in whatever function's answers it is.
#[invalidates(channel(id), channels(), messages(id))]
struct ChannelChanged {
    id: Uuid,
}

#[invalidates(event = ChannelChanged { id: result.id })]
async fn create(db: &Db, new: NewChannel) -> Result<Channel, sqlx::Error> {
    let channel = Channel {
        id: Uuid::new_v4(),
        name: new.name,
        topic: new.topic,
        status: "open".to_owned(),
        created: Time::now(),
    };
    let query = sqlx::query(
        "INSERT INTO channels (id, name, topic, status, created) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(channel.id.to_string())
    .bind(&channel.name)
    .bind(&channel.topic)
    .bind(&channel.status)
    .bind(channel.created.0.to_string());
    QUERIES
        .query("create a channel", query.execute(&db.pool))
        .await?;
    Ok(channel)
}

/// Forgets what was said, and keeps the channel.
#[invalidates(event = ChannelChanged { id })]
async fn clear(db: &Db, id: Uuid) -> Result<(), sqlx::Error> {
    let query = sqlx::query("DELETE FROM messages WHERE channel_id = $1").bind(id.to_string());
    QUERIES
        .query("clear a channel", query.execute(&db.pool))
        .await?;
    Ok(())
}

/// Its messages go first: half done, it can be done again.
#[invalidates(event = ChannelChanged { id })]
async fn delete(db: &Db, id: Uuid) -> Result<(), sqlx::Error> {
    clear(db, id).await?;
    let query = sqlx::query("DELETE FROM channels WHERE id = $1").bind(id.to_string());
    QUERIES
        .query("delete a channel", query.execute(&db.pool))
        .await?;
    Ok(())
}

/// A message makes nothing of the channel old but the number of its messages.
#[invalidates(messages(id))]
async fn send(db: &Db, id: Uuid, message: NewMessage) -> Result<(), sqlx::Error> {
    let query = sqlx::query("INSERT INTO messages (channel_id, text) VALUES ($1, $2)")
        .bind(id.to_string())
        .bind(message.text);
    QUERIES
        .query("send a message", query.execute(&db.pool))
        .await?;
    Ok(())
}

pub(super) fn routes() -> Router<Db> {
    Router::new()
        .route("/", get(list).post(post_channel))
        .route("/{id}", get(by_id).delete(delete_channel))
        .route("/{id}/clear", post(clear_channel))
        .route("/{id}/messages", post(send_message))
        .route("/{id}/messages/count", get(count))
}

async fn list(State(db): State<Db>) -> Result<Json<Vec<Channel>>, Error> {
    Ok(Json(channels(&db).await?))
}

async fn by_id(State(db): State<Db>, Path(id): Path<Uuid>) -> Result<Json<Channel>, Error> {
    known(&db, id).await.map(Json)
}

async fn known(db: &Db, id: Uuid) -> Result<Channel, Error> {
    channel(db, id).await?.ok_or(Error::NotFound)
}

async fn post_channel(
    State(db): State<Db>,
    Json(new): Json<NewChannel>,
) -> Result<(StatusCode, Json<Channel>), Error> {
    if new.name.is_empty() {
        return Err(Error::Invalid("a channel needs a name".to_owned()));
    }
    Ok((StatusCode::CREATED, Json(create(&db, new).await?)))
}

async fn delete_channel(State(db): State<Db>, Path(id): Path<Uuid>) -> Result<StatusCode, Error> {
    known(&db, id).await?;
    delete(&db, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn clear_channel(State(db): State<Db>, Path(id): Path<Uuid>) -> Result<StatusCode, Error> {
    known(&db, id).await?;
    clear(&db, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn send_message(
    State(db): State<Db>,
    Path(id): Path<Uuid>,
    Json(message): Json<NewMessage>,
) -> Result<StatusCode, Error> {
    known(&db, id).await?;
    send(&db, id, message).await?;
    Ok(StatusCode::CREATED)
}

async fn count(State(db): State<Db>, Path(id): Path<Uuid>) -> Result<Json<Count>, Error> {
    known(&db, id).await?;
    let messages = messages(&db, id).await?;
    Ok(Json(Count { messages }))
}
