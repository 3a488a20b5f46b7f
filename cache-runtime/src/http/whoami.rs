//! Who asks.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

use super::access::{Scope, Who};
use super::problem::Refused;

/// A token, as the service knows it.
#[derive(Serialize, ToSchema)]
pub(super) struct Identity {
    /// What stands in the audit.
    name: String,
    scopes: Vec<Scope>,
}

/// Whose token this is, and what it may do. One that may do nothing is told so.
#[utoipa::path(get, path = "/whoami", responses(
    (status = 200, body = Identity),
    Refused,
))]
pub(super) async fn whoami(who: Who) -> Json<Identity> {
    Json(Identity {
        name: who.name().to_owned(),
        scopes: who.scopes().collect(),
    })
}
