//! Switching off and on.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Managed;
use super::params::Body;
use super::problem::Problem;

/// What to switch.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Switch {
    enabled: bool,
    /// The namespace, and those below it; all of the cache when it is left out.
    namespace: Option<String>,
}

/// Switches looking up and storing off, or on again, on this instance. Invalidations go on.
#[utoipa::path(put, path = "/enabled", request_body = Switch, responses(
    (status = 200, body = Switch),
    (status = 400, body = Problem),
    (status = 401, body = Problem),
    (status = 403, body = Problem),
    (status = 503, body = Problem),
))]
pub(super) async fn enabled(
    State(managed): State<Arc<Managed>>,
    Body(switch): Body<Switch>,
) -> Json<Switch> {
    match &switch.namespace {
        Some(namespace) => managed
            .cache
            .set_namespace_enabled(namespace, switch.enabled),
        None => managed.cache.set_enabled(switch.enabled),
    }
    Json(switch)
}
