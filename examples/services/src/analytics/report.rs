//! Questions that nobody has foreseen.

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use cache_runtime::cached;
use serde::{Deserialize, Serialize};
use sqlx::AssertSqlSafe;

use super::keys;
use super::time::Day;
use super::workspace;
use crate::database::{Db, QUERIES};
use crate::error::Error;

/// Which runs are meant, and how they are counted.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Question {
    workspace_id: String,
    from: Day,
    until: Day,
    by: By,
    /// Words of the summary.
    #[serde(default)]
    text: String,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum By {
    Agent,
    User,
    Status,
}

#[derive(Debug, Serialize, Deserialize, sqlx::FromRow)]
struct Group {
    name: String,
    runs: i64,
    credits: i64,
    average_ms: f64,
}

impl Question {
    /// Two that have the same answer are the same: one key.
    fn normal(mut self) -> Self {
        self.text = self.text.trim().to_lowercase();
        self
    }
}

/// The key is a hash, of which a pattern can name no part: a tag says whose runs are in the answer.
#[cached(keys::answer(question), tags = ["runs:{question.workspace_id}"])]
async fn answer(#[skip] db: &Db, question: &Question) -> Result<Vec<Group>, sqlx::Error> {
    let by = match question.by {
        By::Agent => "agent_id",
        By::User => "user_id",
        By::Status => "status",
    };
    let sql = format!(
        "SELECT {by} AS name, count(*) AS runs, CAST(sum(credits) AS BIGINT) AS credits, CAST(avg(duration_ms) AS DOUBLE PRECISION) AS average_ms
         FROM runs WHERE workspace_id = $1 AND day >= $2 AND day <= $3 AND lower(summary) LIKE '%' || $4 || '%'
         GROUP BY {by} ORDER BY {by}"
    );
    let query = sqlx::query_as(AssertSqlSafe(sql))
        .bind(&question.workspace_id)
        .bind(question.from.number())
        .bind(question.until.number())
        .bind(&question.text);
    QUERIES.query("report", query.fetch_all(&db.pool)).await
}

pub(super) fn routes() -> Router<Db> {
    Router::new().route("/query", post(query))
}

async fn query(
    State(db): State<Db>,
    Json(question): Json<Question>,
) -> Result<Json<Vec<Group>>, Error> {
    if question.from.number() > question.until.number() {
        return Err(Error::Invalid("`from` comes after `until`".to_owned()));
    }
    workspace::known(&db, &question.workspace_id).await?;
    Ok(Json(answer(&db, &question.normal()).await?))
}
