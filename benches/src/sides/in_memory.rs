//! Caches of one process.

use std::convert::Infallible;
use std::sync::LazyLock;
use std::time::Instant;

use super::{EXPIRY, Failed, Side};
use crate::row::Row;
use crate::source;

static MOKA: LazyLock<moka::future::Cache<u64, Row>> = LazyLock::new(|| {
    moka::future::Cache::builder()
        .max_capacity(20_000)
        .time_to_live(EXPIRY)
        .build()
});

/// It has no expiry: that is beside the value.
static QUICK: LazyLock<quick_cache::sync::Cache<u64, (Row, Instant)>> =
    LazyLock::new(|| quick_cache::sync::Cache::new(20_000));

pub(crate) struct Moka;

impl Side for Moka {
    const NAME: &'static str = "moka";

    async fn start(_: String) {}

    async fn read(id: u64) -> Result<Row, Failed> {
        Ok(MOKA.get_with(id, source::load(id)).await)
    }

    async fn invalidate(id: u64) -> Result<(), Failed> {
        MOKA.invalidate(&id).await;
        Ok(())
    }
}

pub(crate) struct QuickCache;

impl Side for QuickCache {
    const NAME: &'static str = "quick_cache";

    async fn start(_: String) {}

    async fn read(id: u64) -> Result<Row, Failed> {
        loop {
            let load =
                async { Ok::<_, Infallible>((source::load(id).await, Instant::now() + EXPIRY)) };
            let Ok((row, expires)) = QUICK.get_or_insert_async(&id, load).await;
            if expires > Instant::now() {
                return Ok(row);
            }
            QUICK.remove(&id);
        }
    }

    async fn invalidate(id: u64) -> Result<(), Failed> {
        QUICK.remove(&id);
        Ok(())
    }
}
