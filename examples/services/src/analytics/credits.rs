//! Credits: bought by workspaces, spent by their runs.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use cache_runtime::{cached, invalidates};
use serde::{Deserialize, Serialize};
use sqlx::AnyConnection;

use super::events::CreditTransaction;
use super::time::{Asked, Day, Timeframe};
use super::{keys, workspace};
use crate::database::{Db, QUERIES};
use crate::error::Error;

#[derive(Debug, Serialize, Deserialize, sqlx::FromRow)]
struct Credits {
    transactions: i64,
    bought: i64,
    spent: i64,
    average: f64,
}

#[derive(Debug, Deserialize)]
pub(super) struct NewTransaction {
    amount: i64,
    date: Day,
}

/// What came and went in a timeframe, up to the last transaction.
#[cached(keys::credits(workspace_id, timeframe), skip_cache = skip_cache)]
async fn credits(
    #[skip] db: &Db,
    workspace_id: &str,
    timeframe: Timeframe,
    skip_cache: bool,
) -> Result<Credits, sqlx::Error> {
    let query = sqlx::query_as(
        "SELECT count(*) AS transactions, CAST(coalesce(sum(CASE WHEN amount > 0 THEN amount END), 0) AS BIGINT) AS bought,
                CAST(-coalesce(sum(CASE WHEN amount < 0 THEN amount END), 0) AS BIGINT) AS spent,
                CAST(coalesce(avg(amount), 0) AS DOUBLE PRECISION) AS average
         FROM credits WHERE workspace_id = $1 AND day > (SELECT max(day) FROM credits WHERE workspace_id = $1) - $2",
    )
    .bind(workspace_id)
    .bind(timeframe.days());
    QUERIES
        .query("credits of a workspace", query.fetch_one(&db.pool))
        .await
}

#[invalidates(event = CreditTransaction { workspace_id: workspace_id.to_owned() })]
pub(super) async fn add(
    connection: &mut AnyConnection,
    workspace_id: &str,
    date: Day,
    amount: i64,
    reason: &str,
) -> Result<(), sqlx::Error> {
    let sql = "INSERT INTO credits (workspace_id, day, amount, reason) VALUES ($1, $2, $3, $4)";
    let query = sqlx::query(sql)
        .bind(workspace_id)
        .bind(date.number())
        .bind(amount)
        .bind(reason);
    QUERIES
        .query("add credits", query.execute(connection))
        .await?;
    Ok(())
}

pub(super) fn routes() -> Router<Db> {
    Router::new().route("/credits", get(get_credits))
}

async fn get_credits(
    State(db): State<Db>,
    Query(asked): Query<Asked>,
) -> Result<Json<Credits>, Error> {
    let credits = credits(&db, &asked.workspace_id, asked.timeframe, asked.skip_cache).await?;
    Ok(Json(credits))
}

/// `POST /workspaces/{id}/credits`
pub(super) async fn transact(
    State(db): State<Db>,
    Path(id): Path<String>,
    Json(new): Json<NewTransaction>,
) -> Result<StatusCode, Error> {
    if new.amount == 0 {
        return Err(Error::Invalid("nothing is no transaction".to_owned()));
    }
    workspace::known(&db, &id).await?;
    let mut connection = db.pool.acquire().await?;
    let reason = if new.amount > 0 { "purchase" } else { "refund" };
    add(&mut connection, &id, new.date, new.amount, reason).await?;
    Ok(StatusCode::CREATED)
}
