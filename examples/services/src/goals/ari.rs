//! How self-reliant somebody is (ARI), as snapshots tell.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use cache_runtime::{Cache, cached, invalidates};
use serde::{Deserialize, Serialize};

use super::events::AriSnapshotCreated;
use super::{Repositories, ttls};
use crate::database::{Db, QUERIES};
use crate::error::Error;

#[derive(Debug, Serialize, Deserialize, sqlx::FromRow)]
struct Snapshot {
    /// The number of the day.
    day: i64,
    autonomy: f64,
    skill: f64,
    reliance: f64,
}

/// A day, and how the last hundred snapshots up to it were.
#[derive(Debug, Serialize, Deserialize, sqlx::FromRow)]
struct Trend {
    day: i64,
    autonomy: f64,
    moving: f64,
}

#[derive(Debug, Clone)]
pub(super) struct AriRepository {
    db: Db,
    cache: Cache,
}

impl AriRepository {
    pub(super) fn new(db: &Db, cache: &Cache) -> Self {
        let (db, cache) = (db.clone(), cache.clone());
        Self { db, cache }
    }

    /// How somebody is.
    #[cached("user:ari:latest", ttl = ttls::ARI_METRICS, none_ttl = "30s", key = user_id, cache = self.cache)]
    async fn latest_snapshot(&self, user_id: &str) -> Result<Option<Snapshot>, sqlx::Error> {
        let sql = "SELECT day, autonomy, skill, reliance FROM snapshots WHERE user_id = $1 ORDER BY day DESC, id DESC LIMIT 1";
        let query = sqlx::query_as(sql).bind(user_id);
        QUERIES
            .query("latest snapshot", query.fetch_optional(&self.db.pool))
            .await
    }

    /// How somebody was, on the last 90 days with a snapshot.
    #[cached("user:ari:history", ttl = ttls::ARI_METRICS, key = user_id, cache = self.cache)]
    async fn snapshots_by_user(&self, user_id: &str) -> Result<Vec<Trend>, sqlx::Error> {
        let query = sqlx::query_as(
            "SELECT day, CAST(avg(autonomy) AS DOUBLE PRECISION) AS autonomy, CAST(avg(moving) AS DOUBLE PRECISION) AS moving
             FROM (SELECT day, autonomy, avg(autonomy) OVER (ORDER BY day, id ROWS BETWEEN 99 PRECEDING AND CURRENT ROW) AS moving
                   FROM snapshots WHERE user_id = $1) AS snapshots
             GROUP BY day ORDER BY day DESC LIMIT 90",
        )
        .bind(user_id);
        QUERIES
            .query("history of snapshots", query.fetch_all(&self.db.pool))
            .await
    }

    #[invalidates(event = AriSnapshotCreated { user_id: user_id.to_owned() }, cache = self.cache)]
    async fn save_snapshot(&self, user_id: &str, new: Snapshot) -> Result<(), sqlx::Error> {
        let sql = "INSERT INTO snapshots (id, user_id, day, autonomy, skill, reliance)
                   SELECT max(id) + 1, $1, $2, $3, $4, $5 FROM snapshots";
        let query = sqlx::query(sql)
            .bind(user_id)
            .bind(new.day)
            .bind(new.autonomy)
            .bind(new.skill)
            .bind(new.reliance);
        QUERIES
            .query("save a snapshot", query.execute(&self.db.pool))
            .await?;
        Ok(())
    }
}

pub(super) fn routes() -> Router<Repositories> {
    Router::new()
        .route("/", get(latest).post(save))
        .route("/history", get(history))
}

async fn latest(
    State(all): State<Repositories>,
    Path(user_id): Path<String>,
) -> Result<Json<Snapshot>, Error> {
    let latest = all.ari.latest_snapshot(&user_id).await?;
    latest.map(Json).ok_or(Error::NotFound)
}

async fn history(
    State(all): State<Repositories>,
    Path(user_id): Path<String>,
) -> Result<Json<Vec<Trend>>, Error> {
    Ok(Json(all.ari.snapshots_by_user(&user_id).await?))
}

async fn save(
    State(all): State<Repositories>,
    Path(user_id): Path<String>,
    Json(new): Json<Snapshot>,
) -> Result<StatusCode, Error> {
    let parts = [new.autonomy, new.skill, new.reliance];
    if !parts.iter().all(|part| (0.0..=1.0).contains(part)) {
        return Err(Error::Invalid("each part goes from 0 to 1".to_owned()));
    }
    all.users.known(&user_id).await?;
    all.ari.save_snapshot(&user_id, new).await?;
    Ok(StatusCode::CREATED)
}
