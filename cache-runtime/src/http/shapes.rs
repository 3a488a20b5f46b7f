//! Handlers for paths that dashboards and monitors know already, in the very shapes that they expect. Nobody asks for a token here: put them behind
//! [`Management::protect`](super::Management::protect), or where only your own network comes.

use std::future::Future;
use std::ops::Deref;

use axum::Json;
use axum::http::header::CACHE_CONTROL;
use axum::routing::{MethodRouter, get};
use serde::Serialize;
use serde_json::{Value, json};

use super::answers::{HealthAnswer, StatsAnswer, megabytes, milliseconds, percent};
use crate::cache::Cache;
use crate::health::HealthStatus;
use crate::queries::{QueryFigures, QueryMeter};

/// Counters in one object, as for `GET /api/performance/cache`.
///
/// ```json
/// {
///   "cache_metrics": {
///     "hits": 1250, "misses": 150, "sets": 200, "deletes": 50, "errors": 0,
///     "total_reads": 1400, "hit_rate_percent": 89.29, "redis_connected": true
///   },
///   "nfr_target": "60%+ cache hit rate for frequently accessed data",
///   "recommendation": "…"
/// }
/// ```
pub fn performance<S: Clone + Send + Sync + 'static>(cache: &Cache) -> MethodRouter<S> {
    const TARGET: f64 = 60.0;
    answering(cache, |cache| async move {
        let connected = cache.health().await.connected && cache.store_name() == "redis";
        let counts = cache.stats().total;
        let rate = counts.hit_rate().map_or(0.0, percent);
        let recommendation = match cache.report().recommendations.into_iter().next() {
            Some(first) => first.text,
            None if counts.lookups() == 0 => "No reads yet".to_owned(),
            None if rate < TARGET => {
                format!("hit_rate_percent is below {TARGET} %: see the report")
            }
            None => format!("hit_rate_percent is above {TARGET} %: nothing to do"),
        };
        json!({
            "cache_metrics": {
                "hits": counts.lookups() - counts.misses,
                "misses": counts.misses,
                "sets": counts.stores,
                "deletes": counts.invalidations,
                "errors": counts.degraded,
                "total_reads": counts.lookups(),
                "hit_rate_percent": rate,
                "redis_connected": connected,
            },
            "nfr_target": "60%+ cache hit rate for frequently accessed data",
            "recommendation": recommendation,
        })
    })
}

/// Database queries, as for `GET /api/performance/database`: all that a [`QueryMeter`] has counted on this instance, and the twenty names that took most time. `pool` says
/// how the pool of connections is, in any shape; where there is none, `|| ()`.
///
/// ```json
/// {
///   "database_metrics": {
///     "queries": 1250, "slow_queries": 3, "slow_threshold_ms": 100.0,
///     "total_time_ms": 5210.4, "average_time_ms": 4.17, "longest_time_ms": 310.02
///   },
///   "queries": [{
///     "name": "agent by id", "queries": 900, "slow_queries": 3,
///     "total_time_ms": 4100.5, "average_time_ms": 4.56, "longest_time_ms": 310.02
///   }],
///   "pool": {"size": 10, "idle": 7}
/// }
/// ```
///
/// ```
/// use std::sync::Arc;
///
/// use cache_runtime::{QueryMeter, http};
/// # struct Pool; impl Pool { fn size(&self) -> u32 { 10 } }
///
/// # fn app(pool: Arc<Pool>) -> axum::Router {
/// static QUERIES: QueryMeter = QueryMeter::new(); // or an `Arc`
///
/// let route = http::database_performance(&QUERIES, move || serde_json::json!({"size": pool.size()}));
/// axum::Router::new().route("/api/performance/database", route)
/// # }
/// ```
pub fn database_performance<S, Q, P>(
    queries: Q,
    pool: impl Fn() -> P + Clone + Send + Sync + 'static,
) -> MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Q: Deref<Target = QueryMeter> + Clone + Send + Sync + 'static,
    P: Serialize + 'static,
{
    const SHOWN: usize = 20;
    get(move || {
        let stats = queries.stats();
        let slowest = stats.queries.iter().take(SHOWN).map(|(name, figures)| {
            let mut shown = shown(figures);
            shown["name"] = json!(name);
            shown
        });
        let mut metrics = shown(&stats.total);
        metrics["slow_threshold_ms"] = json!(milliseconds(stats.slow_threshold));
        let answer = json!({
            "database_metrics": metrics,
            "queries": slowest.collect::<Vec<_>>(),
            "pool": pool(),
        });
        async move { ([(CACHE_CONTROL, "no-store")], Json(answer)) }
    })
}

fn shown(figures: &QueryFigures) -> Value {
    json!({
        "queries": figures.count,
        "slow_queries": figures.slow,
        "total_time_ms": milliseconds(figures.time),
        "average_time_ms": milliseconds(figures.mean()),
        "longest_time_ms": milliseconds(figures.longest),
    })
}

/// What `GET /stats` of [`Management`](super::Management) answers, as for `GET /api/v1/cache/stats`.
pub fn cache_stats<S: Clone + Send + Sync + 'static>(cache: &Cache) -> MethodRouter<S> {
    answering(cache, |cache| async move { StatsAnswer::of(&cache).await })
}

/// What `GET /health` of [`Management`](super::Management) answers, as for `GET /api/system/cache-health`.
///
/// ```json
/// {
///   "redis_connected": true, "response_time_ms": 2.5, "memory_used_mb": 245.1, "keys_count": 1243, "hit_rate": 0.87,
///   "evictions_per_minute": 0.5, "timestamp": "2024-01-15T10:30:45Z", "status": "healthy"
/// }
/// ```
pub fn cache_health<S: Clone + Send + Sync + 'static>(cache: &Cache) -> MethodRouter<S> {
    answering(cache, |cache| async move {
        HealthAnswer::of(cache.health().await)
    })
}

/// Health as a part of a service's own.
///
/// ```json
/// {
///   "status": "healthy", "available": true, "uptime_seconds": 86400, "used_memory_mb": 512.5, "connected_clients": 3, "ops_per_sec": 150
/// }
/// ```
pub fn service_health<S: Clone + Send + Sync + 'static>(cache: &Cache) -> MethodRouter<S> {
    answering(cache, |cache| async move {
        let health = cache.health().await;
        let server = health.server.as_ref();
        json!({
            "status": match health.status {
                HealthStatus::Unavailable => "unhealthy".to_owned(),
                other => other.to_string(),
            },
            "available": health.connected && health.enabled,
            "uptime_seconds": server.and_then(|server| server.uptime).map(|time| time.as_secs()),
            "used_memory_mb": server.map(|server| megabytes(server.used_memory)),
            "connected_clients": server.and_then(|server| server.connected_clients),
            "ops_per_sec": server.and_then(|server| server.operations_per_second),
        })
    })
}

fn answering<S, T, F>(
    cache: &Cache,
    answer: impl Fn(Cache) -> F + Clone + Send + Sync + 'static,
) -> MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
    T: Serialize + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let cache = cache.clone();
    get(move || {
        let answer = answer(cache.clone());
        async move { ([(CACHE_CONTROL, "no-store")], Json(answer.await)) }
    })
}
