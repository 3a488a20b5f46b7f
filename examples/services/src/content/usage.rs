//! How much is asked, and by whom: counters and rate limits, of all instances together. They are no answers: nothing makes them old but time.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, MatchedPath, Query, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use cache_runtime::{Cache, Key, RateLimit, ttl};
use serde::{Deserialize, Serialize};

use super::{keys, ttls};
use crate::database::Db;
use crate::error::Error;
use crate::serve;

#[derive(Debug, Deserialize)]
struct Asked {
    endpoint: String,
}

#[derive(Debug, Serialize)]
struct Calls {
    endpoint: String,
    calls: i64,
    errors: i64,
}

/// Counts each request, and refuses those of a client beyond `REQUESTS_PER_MINUTE`.
///
/// # Errors
/// When that is no number.
pub(super) fn watched(router: Router) -> Result<Router, Error> {
    let limit = match serve::env_or("REQUESTS_PER_MINUTE", 0)? {
        0 => None,
        limit => Some(RateLimit::sliding(limit, ttl::SHORT)),
    };
    Ok(router.layer(from_fn_with_state(limit, watch)))
}

/// A client is an address: where a proxy stands before the service, it is the proxy that knows it.
async fn watch(
    State(limit): State<Option<RateLimit>>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    path: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Result<Response, Error> {
    if let Some(limit) = limit {
        within(&limit, &keys::requests(client.ip())).await?;
    }
    let Some(path) = path else {
        return Ok(next.run(request).await);
    };
    let cache = Cache::current();
    // Beside the answer, so that it is hardly later for it. Where Redis is away it is not counted.
    let calls = keys::calls(path.as_str());
    let (response, _) = tokio::join!(next.run(request), cache.incr(&calls, 1, ttls::METRICS));
    if response.status().is_server_error() {
        let errors = keys::errors(path.as_str());
        cache.incr(&errors, 1, ttls::METRICS).await;
    }
    Ok(response)
}

/// Whether one more is allowed under `limit`; counted if so. While Redis is away everything is allowed.
pub(super) async fn within(limit: &RateLimit, key: &Key) -> Result<(), Error> {
    let said = Cache::current().allow(key, limit).await;
    match said.allowed {
        true => Ok(()),
        false => Err(Error::TooMany(
            said.retry_after.unwrap_or(said.resets_after),
        )),
    }
}

pub(super) fn routes() -> Router<Db> {
    Router::new().route("/api/metrics/calls", get(calls))
}

/// Of the minute that began with the first of them.
async fn calls(Query(Asked { endpoint }): Query<Asked>) -> Json<Calls> {
    let cache = Cache::current();
    let [calls, errors] = [keys::calls(&endpoint), keys::errors(&endpoint)];
    let (calls, errors) = tokio::join!(cache.counter(&calls), cache.counter(&errors));
    Json(Calls {
        endpoint,
        calls: calls.unwrap_or(0),
        errors: errors.unwrap_or(0),
    })
}
