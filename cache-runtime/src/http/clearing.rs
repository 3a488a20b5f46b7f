//! Making answers old.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Managed;
use super::access::{Visitor, Who};
use super::params::{self, Named, Params};
use super::problem::{Problem, Refused};
use crate::by_hand::Everything;
use crate::error::{Error, ErrorKind};
use crate::key::{Key, Reach};
use crate::site::Site;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// What to make old.
    #[param(example = "tasks:*")]
    pattern: Option<String>,
    /// `true` where the pattern cuts a segment (`ws12*`), and all keys have to be walked through.
    sweep: Option<bool>,
    /// `everything`, in the place of a pattern.
    confirm: Option<String>,
}

/// What became of it.
#[derive(Serialize, ToSchema)]
pub(super) struct Cleared {
    /// The key or the pattern; `null` for everything.
    cleared: Option<String>,
    /// `true` when the server could not be told: this instance respects it now, the others when it is delivered.
    queued: bool,
}

/// Makes all old that matches, on all instances. What is done costs one write, however many keys there are.
#[utoipa::path(delete, path = "/clear", params(Asked), responses(
    (status = 200, body = Cleared),
    (status = 202, body = Cleared, description = "it is queued"),
    (status = 400, body = Problem),
    (status = 429, body = Problem),
    Refused,
))]
pub(super) async fn clear(
    State(managed): State<Arc<Managed>>,
    who: Who,
    Params(asked): Params<Asked>,
) -> Result<(StatusCode, Json<Cleared>), Problem> {
    let pattern = match (&asked.pattern, asked.confirm.as_deref()) {
        (Some(pattern), None) => Some(params::pattern(pattern)?),
        (None, Some("everything")) => None,
        (Some(_), Some(_)) => {
            return Err(Problem::bad_request(
                "say `pattern`, or `confirm`, not both",
            ));
        }
        (None, _) => {
            return Err(Problem::bad_request(
                "say `pattern=…`, or `confirm=everything` for all of the cache",
            ));
        }
    };
    let walks = |pattern: &crate::key::Pattern| pattern.reach() == Reach::Partial;
    if pattern.as_ref().is_some_and(walks) && asked.sweep != Some(true) {
        return Err(Problem::bad_request(
            "this pattern cuts a segment, so that all keys have to be walked through: say `sweep=true`, or let its `*` stand for whole segments",
        ));
    }
    within_limit(&managed, &who).await?;
    let cache = who.cache(&managed.cache);
    let done = match pattern {
        Some(pattern) => cache.try_invalidate([pattern]).await,
        None => cache.try_clear(Everything).await,
    };
    cleared(&managed, asked.pattern, done)
}

/// Makes one answer old, on all instances.
#[utoipa::path(delete, path = "/key/{key}", params(("key" = String, Path, example = "tasks:7")), responses(
    (status = 200, body = Cleared),
    (status = 202, body = Cleared, description = "it is queued"),
    (status = 400, body = Problem),
    (status = 429, body = Problem),
    Refused,
))]
pub(super) async fn delete(
    State(managed): State<Arc<Managed>>,
    who: Who,
    Named(text): Named,
) -> Result<(StatusCode, Json<Cleared>), Problem> {
    let key = params::key(&text)?;
    within_limit(&managed, &who).await?;
    let done = who.cache(&managed.cache).try_delete(&key).await;
    cleared(&managed, Some(text), done)
}

async fn within_limit(managed: &Managed, who: &Visitor) -> Result<(), Problem> {
    static SITE: Site = Site::new("Management::clear_limit", "%clears:{}");
    let key = Key::of(&SITE, &[&who.name()]);
    let allowance = managed.cache.allow(&key, &managed.clear_limit).await;
    match allowance.allowed {
        true => Ok(()),
        false => Err(Problem::limited(allowance.retry_after)),
    }
}

fn cleared(
    managed: &Managed,
    cleared: Option<String>,
    done: Result<(), Error>,
) -> Result<(StatusCode, Json<Cleared>), Problem> {
    let (status, queued) = match done {
        Ok(()) => (StatusCode::OK, false),
        Err(error) if error.kind() == ErrorKind::Limited => return Err(error.into()),
        // There is nobody whom it could ever be delivered to.
        Err(error) if managed.cache.engine.severed => return Err(error.into()),
        // Else what fails is queued, whatever the reason is.
        Err(_) => (StatusCode::ACCEPTED, true),
    };
    Ok((status, Json(Cleared { cleared, queued })))
}
