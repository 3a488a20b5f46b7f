//! Switching off and on.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Managed;
use super::access::Who;
use super::params::Body;
use super::problem::{Problem, Refused};

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
    Refused,
))]
pub(super) async fn enabled(
    State(managed): State<Arc<Managed>>,
    who: Who,
    Body(switch): Body<Switch>,
) -> Json<Switch> {
    let cache = who.cache(&managed.cache);
    match &switch.namespace {
        Some(namespace) => cache.set_namespace_enabled(namespace, switch.enabled),
        None => cache.set_enabled(switch.enabled),
    }
    Json(switch)
}
