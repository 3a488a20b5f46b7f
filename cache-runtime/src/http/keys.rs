//! Keys, and what stands under them.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Managed;
use super::access::Who;
use super::answers::EntryAnswer;
use super::params::{self, Named, Params};
use super::problem::{Problem, Refused, StoreFailed};
use crate::by_hand::Page;

/// Keys on a page, where nothing is said, and at most.
const PAGE: u16 = 100;
const LARGEST_PAGE: u16 = 1_000;

/// How long a page may take. A rare pattern among very many keys has pages with nothing on them.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// Keys to list; all when it is left out, but for a cache without a prefix, as names of others stand among its own.
    #[param(example = "tasks:*")]
    pattern: Option<String>,
    /// Keys on a page: 1 to 1,000, usually 100.
    #[param(minimum = 1, maximum = 1000, value_type = Option<u16>)]
    limit: Option<i64>,
    /// Of the page before.
    cursor: Option<String>,
}

/// A page of keys.
#[derive(Serialize, ToSchema)]
pub(super) struct Keys {
    pattern: Option<String>,
    /// Keys on this page.
    total_found: usize,
    limit: u16,
    /// Names: what stands there may be old.
    keys: Vec<String>,
    /// Of the next page; `null` on the last one. A page may be empty and not be the last.
    cursor: Option<String>,
}

/// Keys of a pattern, page by page, in no order. A page looks at names for a second at most.
#[utoipa::path(get, path = "/keys", params(Asked), responses(
    (status = 200, body = Keys),
    (status = 400, body = Problem),
    Refused,
    StoreFailed,
))]
pub(super) async fn list(
    State(managed): State<Arc<Managed>>,
    who: Who,
    Params(asked): Params<Asked>,
) -> Result<Json<Keys>, Problem> {
    let limit = match asked.limit {
        None => PAGE,
        Some(limit) => u16::try_from(limit)
            .ok()
            .filter(|limit| (1..=LARGEST_PAGE).contains(limit))
            .ok_or_else(|| Problem::bad_request("`limit` is from 1 to 1000"))?,
    };
    let pattern = asked.pattern.as_deref().map(params::pattern).transpose()?;
    let cursor = asked.cursor.as_deref().map(Cursor::from_str).transpose()?;
    let page = cursor.unwrap_or_default().0;
    let until = Instant::now() + PATIENCE;
    let cache = who.cache(&managed.cache);
    let (keys, next) = cache
        .page(pattern.as_ref(), page, usize::from(limit), until)
        .await?;
    Ok(Json(Keys {
        pattern: asked.pattern,
        total_found: keys.len(),
        limit,
        keys,
        cursor: next.map(|page| Cursor(page).to_string()),
    }))
}

/// One entry: its value, decoded, and what is known of it. An encrypted value is not shown. In the path the key is percent-encoded, its slashes and percent signs too.
#[utoipa::path(get, path = "/key/{key}", params(("key" = String, Path, example = "tasks:7")), responses(
    (status = 200, body = EntryAnswer),
    (status = 400, body = Problem),
    (status = 404, body = Problem),
    Refused,
    StoreFailed,
))]
pub(super) async fn value(
    State(managed): State<Arc<Managed>>,
    who: Who,
    Named(key): Named,
) -> Result<Json<EntryAnswer>, Problem> {
    let key = params::key(&key)?;
    let found = who.cache(&managed.cache).try_inspect(&key).await?;
    let entry = found.ok_or_else(|| Problem::nothing("there is nothing under this key"))?;
    Ok(Json(EntryAnswer::of(entry)))
}

/// A page as it stands in a URL.
#[derive(Default)]
struct Cursor(Page);

impl FromStr for Cursor {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let parts = text.split_once('-').and_then(|(step, skip)| {
            Some(Page {
                step: step.parse().ok()?,
                skip: skip.parse().ok()?,
            })
        });
        parts
            .map(Self)
            .ok_or_else(|| Problem::bad_request("`cursor` is none that was given"))
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.0.step, self.0.skip)
    }
}
