//! The crate `cached`. It writes MessagePack into Redis, and nothing else.

use std::sync::OnceLock;

use cached::macros::{cached, concurrent_cached};
use cached::{AsyncRedisCache, Cached as _, ConcurrentCached as _, ConcurrentCachedAsync as _};

use super::{EXPIRY, Failed, Side};
use crate::row::Row;
use crate::source;

static URL: OnceLock<String> = OnceLock::new();
static STORE: OnceLock<AsyncRedisCache<u64, Row>> = OnceLock::new();

async fn store() -> AsyncRedisCache<u64, Row> {
    AsyncRedisCache::builder("rows")
        .ttl(EXPIRY)
        .connection_string(URL.get().expect("it is started"))
        .connection_manager(true)
        .build()
        .await
        .expect("it is up")
}

#[concurrent_cached(
    ty = "cached::AsyncRedisCache<u64, Row>",
    create = "{ store().await }",
    map_error = "|_| Failed"
)]
async fn stored(id: u64) -> Result<Row, Failed> {
    Ok(source::load(id).await)
}

#[cached(max_size = 20_000, ttl_secs = 3600, sync_writes = "by_key")]
async fn kept(id: u64) -> Row {
    source::load(id).await
}

#[concurrent_cached(max_size = 20_000, ttl_secs = 3600)]
async fn sharded(id: u64) -> Row {
    source::load(id).await
}

pub(crate) struct CachedRedis;

impl Side for CachedRedis {
    const NAME: &'static str = "cached, Redis (MessagePack)";

    async fn start(url: String) {
        URL.get_or_init(|| url);
        // What the macro makes is its own: this one is for invalidations.
        let _ = STORE.set(store().await);
    }

    async fn read(id: u64) -> Result<Row, Failed> {
        stored(id).await
    }

    async fn invalidate(id: u64) -> Result<(), Failed> {
        let store = STORE.get().expect("it is started");
        let done = store.async_cache_delete(&id).await;
        done.map(drop).map_err(|_| Failed)
    }
}

pub(crate) struct CachedMemory;

impl Side for CachedMemory {
    const NAME: &'static str = "cached, in memory";

    async fn start(_: String) {}

    async fn read(id: u64) -> Result<Row, Failed> {
        Ok(kept(id).await)
    }

    async fn invalidate(id: u64) -> Result<(), Failed> {
        let _ = KEPT.write().await.cache_remove(&id);
        Ok(())
    }
}

pub(crate) struct CachedSharded;

impl Side for CachedSharded {
    const NAME: &'static str = "cached, in memory, sharded";

    async fn start(_: String) {}

    async fn read(id: u64) -> Result<Row, Failed> {
        Ok(sharded(id).await)
    }

    async fn invalidate(id: u64) -> Result<(), Failed> {
        let sharded = SHARDED.get().ok_or(Failed)?;
        sharded.cache_remove(&id).map(drop).map_err(|_| Failed)
    }
}
