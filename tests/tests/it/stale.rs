//! Answers past their ttl: served while they are loaded anew, in the place of an error, or of a load that takes long. Never in the place of
//! what was invalidated.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use cache_runtime::{Cache, Source, cached};
use cache_tests::{RedisServer, eventually};

use crate::world::{World, patient};

const SHORT: Duration = Duration::from_millis(200);

#[cached(namespace = "rows", ttl = SHORT, stale_while_revalidate = "1h", key = id, cache = world.cache)]
async fn row(world: Arc<World>, id: u64) -> u64 {
    world.load(id).await
}

/// Waits until the row is past its ttl; what is served then.
async fn stale(world: &Arc<World>) -> u64 {
    let mut answer = 0;
    eventually("the answer is stale", async || {
        let (now, seen) = Cache::observe(row(world.clone(), 1)).await;
        answer = now;
        seen.count(Source::Stale) == 1
    })
    .await;
    answer
}

#[tokio::test]
async fn a_stale_answer_is_served_while_one_load_replaces_it() {
    for world in World::both().await.map(Arc::new) {
        world.set_row(1, 1);
        row(world.clone(), 1).await;
        world.close_gate();
        world.set_row(1, 2);
        assert_eq!(stale(&world).await, 1);
        world.arrival().await;
        for _ in 0..100 {
            assert_eq!(row(world.clone(), 1).await, 1);
        }
        assert_eq!(world.loads(), 2, "in {}", world.cache.store_name());
        world.open_gate();
        eventually("the fresh answer is there", async || {
            row(world.clone(), 1).await == 2
        })
        .await;
        let counts = world.cache.stats().total;
        assert!(counts.stale >= 101 && counts.refreshes >= 1, "{counts:?}");
    }
}

#[tokio::test]
async fn what_was_invalidated_is_not_served_as_stale() {
    for world in World::both().await.map(Arc::new) {
        world.set_row(1, 1);
        row(world.clone(), 1).await;
        world.close_gate();
        stale(&world).await;
        world.arrival().await;
        // The refresh has read the old row, and is on its way.
        world.set_row(1, 2);
        row::invalidate(world.clone(), 1).await;
        world.open_gate();
        assert_eq!(row(world.clone(), 1).await, 2);
        eventually("the refresh has ended", async || {
            world.cache.stats().total.refused_stores == 1
        })
        .await;
        assert_eq!(row(world.clone(), 1).await, 2);
    }
}

#[tokio::test]
async fn one_instance_of_the_fleet_refreshes() {
    let here = Arc::new(World::redis().await);
    let there = Arc::new(here.instance());
    row(here.clone(), 1).await;
    for world in [&here, &there] {
        world.close_gate();
    }
    stale(&here).await;
    here.arrival().await;
    let scripts = async || here.server().commandstats().await["evalsha"];
    let before = scripts().await;
    for _ in 0..20 {
        stale(&there).await;
    }
    // An announcement and a question for the lead, each time.
    eventually("the other one has asked for the lead", async || {
        scripts().await >= before + 4
    })
    .await;
    assert_eq!((here.loads(), there.loads()), (2, 0));
    here.open_gate();
}

#[tokio::test]
async fn too_many_refreshes_are_not_begun() {
    let cache = Cache::builder().background_loads(1).build().unwrap();
    let world = Arc::new(World::over(cache, None));
    for id in [1, 2] {
        row(world.clone(), id).await;
    }
    world.close_gate();
    stale(&world).await;
    world.arrival().await;
    eventually("the second one is skipped", async || {
        row(world.clone(), 2).await;
        world.cache.stats().total.skipped_refreshes > 0
    })
    .await;
    assert_eq!(world.loads(), 3);
    world.open_gate();
}

/// A panic in the background is nobody's; the next call tries again.
#[tokio::test]
async fn a_refresh_that_panics_is_tried_again() {
    #[cached(namespace = "panics", ttl = SHORT, stale_while_revalidate = "1h", key = (), skip(runs), cache = cache)]
    async fn sometimes(cache: Cache, runs: Arc<AtomicU64>) -> u64 {
        let run = runs.fetch_add(1, Ordering::SeqCst);
        assert!(run != 1, "the first refresh panics");
        run
    }

    for world in World::both().await {
        let runs = Arc::new(AtomicU64::new(0));
        eventually("a later refresh has replaced the answer", async || {
            sometimes(world.cache.clone(), runs.clone()).await >= 2
        })
        .await;
    }
}

#[tokio::test]
async fn a_hit_is_refreshed_ahead_of_its_expiry() {
    #[cached(namespace = "ahead", ttl = "1h", refresh_ahead = 1e12, key = id, cache = world.cache)]
    async fn ahead(world: Arc<World>, id: u64) -> u64 {
        tokio::time::sleep(Duration::from_millis(2)).await;
        world.load(id).await
    }
    #[cached(namespace = "in_time", ttl = "1h", refresh_ahead = on, key = id, cache = world.cache)]
    async fn in_time(world: Arc<World>, id: u64) -> u64 {
        world.load(id).await
    }

    for world in World::both().await.map(Arc::new) {
        world.set_row(1, 1);
        ahead(world.clone(), 1).await;
        world.set_row(1, 2);
        let (answer, seen) = Cache::observe(ahead(world.clone(), 1)).await;
        assert_eq!((answer, seen.count(Source::Hit)), (1, 1));
        eventually("it is loaded anew long before its expiry", async || {
            ahead(world.clone(), 1).await == 2
        })
        .await;
        in_time(world.clone(), 1).await;
        let before = world.cache.stats().function("in_time").unwrap();
        for _ in 0..100 {
            in_time(world.clone(), 1).await;
        }
        let after = world.cache.stats().function("in_time").unwrap();
        assert_eq!(after.loads, before.loads, "an hour before its expiry");
    }
}

/// A table that may be broken.
#[derive(Debug)]
struct Breaking {
    world: World,
    broken: AtomicBool,
}

impl Breaking {
    async fn load(&self, id: u64) -> Result<u64, String> {
        let row = self.world.load(id).await;
        if self.broken.load(Ordering::SeqCst) {
            return Err("broken".to_owned());
        }
        Ok(row)
    }

    async fn both() -> [Arc<Self>; 2] {
        World::both().await.map(|world| {
            Arc::new(Self {
                world,
                broken: AtomicBool::new(false),
            })
        })
    }
}

#[tokio::test]
async fn an_error_gives_way_to_an_answer_past_its_ttl() {
    #[cached(namespace = "errors", ttl = SHORT, stale_if_error = "1h", key = id, cache = table.world.cache)]
    async fn row(table: &Breaking, id: u64) -> Result<u64, String> {
        table.load(id).await
    }

    for table in Breaking::both().await {
        table.world.set_row(1, 1);
        row(&table, 1).await.unwrap();
        table.broken.store(true, Ordering::SeqCst);
        table.world.set_row(1, 2);
        eventually("the answer is past its ttl", async || {
            let (answer, seen) = Cache::observe(row(&table, 1)).await;
            assert_eq!(answer, Ok(1));
            seen.count(Source::Stale) == 1
        })
        .await;
        row::invalidate(&table, 1).await;
        assert_eq!(row(&table, 1).await, Err("broken".to_owned()));
        table.broken.store(false, Ordering::SeqCst);
        assert_eq!(row(&table, 1).await, Ok(2));
    }
}

/// And with it the many that wait for the load.
#[tokio::test]
async fn a_slow_load_gives_way_and_goes_on_in_the_background() {
    #[cached(namespace = "slow", ttl = SHORT, stale_if_error = "1h", soft_timeout = "20ms", key = id, cache = table.world.cache)]
    async fn row(table: Arc<Breaking>, id: u64) -> Result<u64, String> {
        table.load(id).await
    }

    for table in Breaking::both().await {
        let world = &table.world;
        world.set_row(1, 1);
        row(table.clone(), 1).await.unwrap();
        let is_past = async || row::peek(table.clone(), 1).await.is_none();
        eventually("the answer is past its ttl", is_past).await;
        world.close_gate();
        world.set_row(1, 2);
        let before = world.loads();
        let calls = (0..50).map(|_| Cache::observe(row(table.clone(), 1)));
        for (answer, seen) in futures_util::future::join_all(calls).await {
            assert_eq!((answer, seen.count(Source::Stale)), (Ok(1), 1));
        }
        assert_eq!(world.loads(), before + 1);
        world.arrival().await;
        world.open_gate();
        eventually("the load has ended", async || {
            world.cache.stats().total.stores >= 2
        })
        .await;
        assert_eq!(row(table.clone(), 1).await, Ok(2));
    }
}

/// A caller that is gone takes nothing with it.
#[tokio::test]
async fn a_refresh_outlives_its_caller() {
    let server = RedisServer::start().await;
    let build = || patient(Cache::builder().redis(server.url())).build();
    let world = Arc::new(World::over(build().unwrap(), None));
    world.set_row(1, 1);
    row(world.clone(), 1).await;
    world.close_gate();
    world.set_row(1, 2);
    let caller = tokio::spawn({
        let world = world.clone();
        async move {
            while Cache::observe(row(world.clone(), 1))
                .await
                .1
                .count(Source::Stale)
                == 0
            {}
        }
    });
    caller.await.unwrap();
    world.arrival().await;
    let other = Arc::new(World::over(build().unwrap(), None));
    other.set_row(1, 3);
    world.open_gate();
    eventually(
        "another instance finds what the refresh has stored",
        async || {
            let (answer, seen) = Cache::observe(row(other.clone(), 1)).await;
            answer == 2 && seen.count(Source::Hit) == 1
        },
    )
    .await;
    assert_eq!(other.loads(), 0);
}
