//! Questions that nobody has foreseen.

use axum::extract::{Query, State};
use axum::routing::get;
use axum::{Json, Router};
use cache_runtime::cached;
use serde::{Deserialize, Serialize};
use sqlx::AssertSqlSafe;

use super::keys;
use super::time::Day;
use crate::database::{Db, QUERIES};
use crate::error::Error;

/// Which runs are meant, and how they are counted.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Question {
    from: Day,
    until: Day,
    by: By,
    /// Words of the summary.
    #[serde(default)]
    text: String,
}

#[derive(Debug, Deserialize)]
struct Asked {
    workspace_id: String,
    #[serde(flatten)]
    question: Question,
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

/// Of a hash a pattern can name no part: whose runs they are stands before it.
#[cached(keys::answer(workspace_id, question))]
async fn answer(
    #[skip] db: &Db,
    workspace_id: &str,
    question: &Question,
) -> Result<Vec<Group>, sqlx::Error> {
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
        .bind(workspace_id)
        .bind(question.from.number())
        .bind(question.until.number())
        .bind(&question.text);
    QUERIES.query("report", query.fetch_all(&db.pool)).await
}

pub(super) fn routes() -> Router<Db> {
    Router::new().route("/query", get(get_answer))
}

async fn get_answer(
    State(db): State<Db>,
    Query(asked): Query<Asked>,
) -> Result<Json<Vec<Group>>, Error> {
    let question = asked.question.normal();
    if question.from.number() > question.until.number() {
        return Err(Error::Invalid("`from` comes after `until`".to_owned()));
    }
    let answer = answer(&db, &asked.workspace_id, &question).await?;
    Ok(Json(answer))
}
