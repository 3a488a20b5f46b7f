use std::sync::{Arc, OnceLock};

use multi_tier_cache::{
    CacheManager, CacheStrategy, CacheSystemBuilder, InvalidationConfig, L1Cache, L2Cache,
    MokaCacheConfig, TierConfig,
};

use super::{EXPIRY, Failed, Side};
use crate::row::Row;
use crate::source;

static BOTH: OnceLock<Arc<CacheManager>> = OnceLock::new();
static REDIS: OnceLock<Arc<CacheManager>> = OnceLock::new();

async fn read(manager: &CacheManager, id: u64) -> Result<Row, Failed> {
    let load = || async move { Ok(source::load(id).await) };
    let strategy = CacheStrategy::Custom(EXPIRY);
    let row = manager
        .get_or_compute_typed(&format!("rows:{id}"), strategy, load)
        .await;
    row.map_err(|_| Failed)
}

async fn invalidate(manager: &CacheManager, id: u64) -> Result<(), Failed> {
    let done = manager.invalidate(&format!("rows:{id}")).await;
    done.map_err(|_| Failed)
}

/// Its memory before Redis, and invalidations that other instances hear of.
pub(crate) struct MultiTier;

impl MultiTier {
    pub(crate) async fn invalidate_pattern(pattern: &str) -> Result<(), Failed> {
        let both = BOTH.get().expect("it is started");
        let done = both.invalidate_pattern(pattern).await;
        done.map_err(|_| Failed)
    }
}

impl Side for MultiTier {
    const NAME: &'static str = "multi-tier-cache";

    async fn start(url: String) {
        let memory = MokaCacheConfig {
            max_capacity: 20_000,
            ..MokaCacheConfig::default()
        };
        let manager = CacheManager::new_with_invalidation(
            Arc::new(L1Cache::new(memory).expect("a memory")),
            Arc::new(L2Cache::with_url(&url).await.expect("it is up")),
            &url,
            InvalidationConfig::default(),
        );
        let _ = BOTH.set(Arc::new(manager.await.expect("it is up")));
    }

    async fn read(id: u64) -> Result<Row, Failed> {
        read(BOTH.get().expect("it is started"), id).await
    }

    async fn invalidate(id: u64) -> Result<(), Failed> {
        invalidate(BOTH.get().expect("it is started"), id).await
    }
}

/// With Redis as its only tier.
pub(crate) struct MultiTierRedis;

impl Side for MultiTierRedis {
    const NAME: &'static str = "multi-tier-cache, Redis alone";

    async fn start(url: String) {
        let redis = Arc::new(L2Cache::with_url(&url).await.expect("it is up"));
        let system = CacheSystemBuilder::new().with_tier(redis, TierConfig::as_l1());
        let system = system.build().await.expect("a cache");
        let _ = REDIS.set(system.cache_manager);
    }

    async fn read(id: u64) -> Result<Row, Failed> {
        read(REDIS.get().expect("it is started"), id).await
    }

    async fn invalidate(id: u64) -> Result<(), Failed> {
        invalidate(REDIS.get().expect("it is started"), id).await
    }
}
