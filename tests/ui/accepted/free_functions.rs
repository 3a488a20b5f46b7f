//! Free functions, and every option, in a crate that denies warnings.
#![deny(
    warnings,
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    rust_2018_idioms,
    clippy::all,
    clippy::pedantic
)]

use std::sync::Arc;
use std::time::Duration;

use cache_runtime::{Cache, cached, invalidates};
use serde::{Deserialize, Serialize};

/// A row.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Dashboard {
    /// Its owner.
    pub workspace_id: String,
    /// What it shows.
    pub total: u64,
}

/// A filter.
#[derive(Clone, Copy, Debug, Serialize)]
pub enum Timeframe {
    /// One day.
    Day,
    /// One week.
    Week,
}

/// What may go wrong.
#[derive(Debug)]
pub struct DbError;

/// A pool.
#[derive(Debug)]
pub struct Db;

type DbResult<T> = Result<T, DbError>;

/// Shows a dashboard.
///
/// # Errors
/// When the database is away.
#[cached(namespace = "exec:dashboard", ttl = "30m", key = (workspace_id, timeframe))]
pub async fn dashboard(
    #[skip] db: &Db,
    workspace_id: &str,
    timeframe: Timeframe,
) -> Result<Dashboard, DbError> {
    let _ = (db, timeframe);
    let total = fetch(workspace_id).await?;
    if total == 0 {
        return Err(DbError);
    }
    Ok(Dashboard {
        workspace_id: workspace_id.to_owned(),
        total,
    })
}

async fn fetch(id: &str) -> DbResult<u64> {
    tokio::task::yield_now().await;
    Ok(id.len() as u64)
}

#[cached("agents", "1h", key = agent_id)]
async fn agent(agent_id: u64) -> Option<Dashboard> {
    (agent_id > 0).then(|| Dashboard {
        workspace_id: String::new(),
        total: agent_id,
    })
}

#[cached("plain", 60)]
async fn plain(a: u32, b: String) -> u32 {
    a + u32::try_from(b.len()).unwrap_or(0)
}

#[cached("nothing")]
async fn no_parameters() -> String {
    "always".to_owned()
}

#[cached("unit", key = ())]
async fn unit_key(#[skip] _db: &Db) -> String {
    "always".to_owned()
}

#[cached("arc", "1d 12h", key = "{id}:v{page.0}-x:list")]
async fn shared(id: &str, page: (u32, u32)) -> DbResult<Arc<Dashboard>> {
    Ok(Arc::new(Dashboard {
        workspace_id: id.to_owned(),
        total: u64::from(page.0 + page.1),
    }))
}

#[cached(
    namespace = "options",
    ttl = Duration::from_secs(days * 86_400),
    none_ttl = "30s",
    key = ("list", id, format!("{days}-{}", id.len())),
    skip(db),
    skip_cache = force,
    cache_if = |found| found.total > 1,
    version = 2,
    tags = ["workspace:{id}", "all"],
    cache = cache,
)]
async fn options(
    db: &Db,
    cache: Cache,
    id: String,
    days: u64,
    force: bool,
) -> DbResult<Option<Dashboard>> {
    drop(cache);
    let _ = (db, force);
    Ok(Some(Dashboard {
        workspace_id: id,
        total: days,
    }))
}

fn worth(found: &str) -> bool {
    !found.is_empty()
}

#[cached("rules", cache_if = worth, ttl_with = |found| Duration::from_secs(found.len() as u64))]
async fn rules(mut id: u32) -> String {
    id += 1;
    id.to_string()
}

#[cached("off", companion = off)]
async fn off(id: u32) -> u32 {
    id
}

#[cached("raw")]
async fn r#type(r#match: u32) -> u32 {
    r#match
}

#[cached("raw:text", key = "{match}")]
async fn raw_in_text(r#match: u32) -> u32 {
    r#match
}

/// An extractor.
#[derive(Debug)]
pub struct Path<T>(pub T);

#[cached(
    "moved",
    ttl = Duration::from_secs(org.len() as u64),
    none_ttl = Duration::from_secs(org.len() as u64),
    cache_if = |found| *found != org.len(),
    tags = ["org:{org}"],
)]
async fn moved(org: String, page: String) -> Option<usize> {
    Some(page.len())
}

#[cached("tagged", "1m", tags = ["org:{org}"])]
async fn tagged(Path((org, id)): Path<(String, String)>) -> u8 {
    drop((org, id));
    1
}

#[cached("same")]
async fn same(same: u8, same_: u8) -> u8 {
    same + same_
}

#[cached("arguments")]
async fn arguments(Path(a): Path<u8>, arg0: u8, arg0_a: u8) -> u8 {
    a + arg0 + arg0_a
}

#[cached("named", key = format!("{id}-{other}", id = id.len(), other = 1))]
async fn named(id: &str) -> usize {
    id.len()
}

#[cached("another:self")]
async fn another_self(id: u8) -> u8 {
    struct One(u8);
    impl One {
        fn new(id: u8) -> Self {
            Self(id)
        }
    }
    One::new(id).0
}

mod inner {
    use super::Db;

    #[cache_runtime::cached("inner", crate = cache_runtime)]
    pub(super) async fn visible(id: u32, #[skip] _: &Db) -> u32 {
        id
    }
}

#[invalidates(
    dashboard(workspace_id, _),
    inner::visible(total),
    "exec:*:{workspace_id}:*",
    tag = "workspace:{workspace_id}"
)]
async fn rename(workspace_id: &str, total: u32) -> DbResult<()> {
    let _ = (workspace_id, total);
    Ok(())
}

#[cfg(any())]
#[cached("never")]
async fn never(id: Missing) -> u32 {
    id
}

#[cached("never")]
#[cfg(any())]
async fn never_below(id: Missing) -> u32 {
    id
}

#[tokio::test]
async fn works() {
    let db = Db;
    let cache = Cache::current();
    let found: DbResult<Dashboard> = dashboard(&db, "w", Timeframe::Day).await;
    assert!(found.is_ok());
    let _ = dashboard::key("w", Timeframe::Week);
    let _ = dashboard::pattern(Some("w"), None);
    dashboard::invalidate("w", Timeframe::Day).await;
    let _: Option<DbResult<Dashboard>> = dashboard::peek("w", Timeframe::Day).await;
    if let Ok(found) = found {
        dashboard::put("w", Timeframe::Day, found.clone()).await;
        dashboard::put("w", Timeframe::Day, Ok(found)).await;
    }
    let _: DbResult<Dashboard> = dashboard::refresh(&db, "w", Timeframe::Day).await;
    let _: DbResult<Dashboard> = dashboard::uncached(&db, "w", Timeframe::Day).await;
    let _ = agent(1).await;
    let _: Option<Option<Dashboard>> = agent::peek(1).await;
    let _ = plain(1, "a".to_owned()).await;
    let _ = plain::pattern(None, Some("a".to_owned()));
    let _ = (
        no_parameters().await,
        no_parameters::key(),
        unit_key(&db).await,
        unit_key::key(),
    );
    let _ = shared("a", (1, 2)).await;
    let _ = shared::pattern(Some("a"), None);
    let _ = options(&db, cache.clone(), "a".to_owned(), 1, false).await;
    let _ = options::pattern(Some("a".to_owned()), None);
    options::put(cache, "a".to_owned(), 1, None).await;
    let _ = (
        rules(1).await,
        off(1).await,
        r#type(1).await,
        raw_in_text(1).await,
    );
    let _ = (r#type::key(1), raw_in_text::key(1));
    let _ = inner::visible(1, &db).await;
    let _ = moved(String::new(), String::new()).await;
    let _ = moved::peek(String::new(), String::new()).await;
    moved::put(String::new(), String::new(), None).await;
    let _ = tagged(Path((String::new(), String::new()))).await;
    tagged::put(String::new(), String::new(), 1).await;
    let _ = (same(1, 2).await, same::refresh(1, 2).await, same::key(1, 2));
    let _ = (
        arguments(Path(1), 2, 3).await,
        arguments::refresh(Path(1), 2, 3).await,
        arguments::key(1, 2, 3),
    );
    let _ = (
        named("a").await,
        named::key("a"),
        another_self(1).await,
        another_self::key(1),
    );
    let _ = rename("w", 1).await;
}
