//! Counters, health, and the report.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;

use super::access::{Scope, Who};
use super::answers::{HealthAnswer, StatsAnswer};
use super::problem::Refused;
use super::{Managed, Management};

/// What this instance's cache has counted, and its server says.
#[utoipa::path(get, path = "/stats", responses(
    (status = 200, body = StatsAnswer),
    Refused,
))]
pub(super) async fn stats(State(managed): State<Arc<Managed>>) -> Json<StatsAnswer> {
    Json(StatsAnswer::of(&managed.cache).await)
}

/// How the cache is. It takes a second at most, also when its server hangs.
#[utoipa::path(get, path = "/health", responses(
    (status = 200, body = HealthAnswer),
    Refused,
))]
pub(super) async fn health(State(managed): State<Arc<Managed>>) -> Json<HealthAnswer> {
    Json(HealthAnswer::of(managed.cache.health().await))
}

/// What the cache is worth, and what would make it better. The hottest keys are for those who may list keys.
#[utoipa::path(get, path = "/report", responses(
    (status = 200, body = Object),
    Refused,
))]
pub(super) async fn report(
    State(managed): State<Arc<Managed>>,
    who: Who,
) -> Json<crate::report::Report> {
    let mut report = managed.cache.report();
    if !who.may(Scope::Keys) {
        for function in &mut report.functions {
            function.hottest.clear();
        }
    }
    Json(report)
}

/// This document.
#[utoipa::path(get, path = "/openapi.json", responses(
    (status = 200, body = Object),
    Refused,
))]
pub(super) async fn openapi() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], Management::openapi())
}
