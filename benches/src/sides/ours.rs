use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use cache_runtime::{Cache, cached};

use super::{Failed, Side};
use crate::row::Row;
use crate::source;

static CACHE: OnceLock<Cache> = OnceLock::new();

/// Sets it up with the deadline that redis-rs has, half a second, in place of 50 ms: for what is to be measured, not defended.
pub(crate) fn patient(url: String) {
    let cache = Cache::builder()
        .redis(url)
        .operation_timeout(Duration::from_millis(500))
        .call_budget(Duration::from_secs(1));
    CACHE.get_or_init(|| cache.build().expect("a cache"));
}

/// The cache of all of these.
pub(crate) fn cache() -> &'static Cache {
    CACHE.get().expect("it is started")
}

#[cached(namespace = "rows", ttl = "1h", key = id, cache = cache())]
async fn row(id: u64) -> Row {
    source::load(id).await
}

#[cached(row(ids), batch = ids, cache = cache())]
pub(crate) async fn rows(ids: &[u64]) -> HashMap<u64, Row> {
    let mut rows = HashMap::new();
    for id in ids {
        rows.insert(*id, source::load(*id).await);
    }
    rows
}

#[cached(namespace = "compact", ttl = "1h", codec = postcard, key = id, cache = cache())]
async fn compact(id: u64) -> Row {
    source::load(id).await
}

#[cached(namespace = "fleet", ttl = "1h", single_flight = fleet, key = id, cache = cache())]
async fn fleet(id: u64) -> Row {
    source::load(id).await
}

#[cached(namespace = "near", ttl = "1h", local = "1h", key = id, cache = cache())]
async fn near(id: u64) -> Row {
    source::load(id).await
}

#[cached(namespace = "shared", ttl = "1h", local = "1h", key = id, cache = cache())]
pub(crate) async fn shared(id: u64) -> Arc<Row> {
    Arc::new(source::load(id).await)
}

macro_rules! side {
    ($side:ident, $function:ident, $name:literal) => {
        pub(crate) struct $side;

        impl Side for $side {
            const NAME: &'static str = $name;

            async fn start(url: String) {
                CACHE.get_or_init(|| Cache::builder().redis(url).build().expect("a cache"));
            }

            async fn read(id: u64) -> Result<Row, Failed> {
                Ok($function(id).await)
            }

            async fn invalidate(id: u64) -> Result<(), Failed> {
                cache().invalidate([$function::key(id)]).await;
                Ok(())
            }
        }
    };
}

side!(Ours, row, "cache-runtime");
side!(OursCompact, compact, "cache-runtime, postcard");
side!(OursFleet, fleet, "cache-runtime, `single_flight = fleet`");
side!(OursNear, near, "cache-runtime, `local`");
