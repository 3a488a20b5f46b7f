//! Loads that take too long, and sources that fail.

use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cache_runtime::{Cache, Source, cached};
use cache_tests::{RedisServer, eventually};
use futures_util::future::join_all;

use crate::world::{World, patient};

#[derive(Debug, PartialEq)]
enum Failure {
    Late,
    Broken,
}

#[tokio::test]
async fn a_load_that_takes_too_long_is_given_up_with_the_user_s_error() {
    #[cached(namespace = "rows", ttl = "1h", load_timeout = "2s", on_timeout = || Failure::Late, key = id, cache = world.cache)]
    async fn row(world: &World, id: u64) -> Result<u64, Failure> {
        Ok(world.load(id).await)
    }

    for world in World::both().await {
        world.set_row(1, 1);
        world.close_gate();
        // Who waits for a load that is given up does not begin its own time anew.
        let answers = join_all((0..50).map(|_| row(&world, 1))).await;
        assert!(answers.iter().all(|answer| *answer == Err(Failure::Late)));
        let counts = world.cache.stats().total;
        assert!(counts.timed_out_loads >= 50, "{counts:?}");
        assert_eq!(
            world.loads(),
            1,
            "a source that hangs is not asked once more"
        );
        world.discard_gate();
        assert_eq!(row(&world, 1).await, Ok(1));
    }
}

#[tokio::test]
async fn an_old_answer_is_better_than_a_late_one() {
    const SHORT: Duration = Duration::from_millis(50);

    #[cached(namespace = "rows", ttl = SHORT, stale_if_error = "1h", load_timeout = "50ms", on_timeout = || Failure::Late, key = id, cache = world.cache)]
    async fn row(world: &World, id: u64) -> Result<u64, Failure> {
        Ok(world.load(id).await)
    }

    for world in World::both().await {
        world.set_row(1, 1);
        row(&world, 1).await.unwrap();
        world.set_row(1, 2);
        world.close_gate();
        eventually("it is past its ttl", async || {
            let (answer, seen) = Cache::observe(row(&world, 1)).await;
            assert_eq!(answer, Ok(1));
            seen.count(Source::Stale) == 1
        })
        .await;
    }
}

/// Of a source that fails: one load for all that wait where its error can be cloned.
#[tokio::test]
async fn an_error_that_can_be_cloned_is_shared() {
    #[cached(namespace = "clone", ttl = "1h", key = (), skip(runs), cache = cache)]
    async fn fails(cache: &Cache, runs: &AtomicU64) -> Result<u64, String> {
        runs.fetch_add(1, Ordering::SeqCst);
        all_have_missed(cache, 1_000).await;
        Err("no".to_owned())
    }

    for world in World::both().await {
        let runs = AtomicU64::new(0);
        let answers = join_all((0..1_000).map(|_| fails(&world.cache, &runs))).await;
        assert!(answers.iter().all(|answer| *answer == Err("no".to_owned())));
        assert_eq!(
            runs.load(Ordering::SeqCst),
            1,
            "in {}",
            world.cache.store_name()
        );
        assert_eq!(world.cache.stats().total.coalesced, 999);
    }
}

/// Where it cannot, one more tries; if that fails too, the others load at once, and not one after the other.
#[tokio::test]
async fn an_error_that_cannot_be_cloned_costs_two_loads_in_series() {
    #[cached(namespace = "own", ttl = "1h", key = round, skip(runs), cache = cache)]
    async fn fails(cache: &Cache, runs: &AtomicU64, round: u64) -> Result<u64, Failure> {
        let run = runs.fetch_add(1, Ordering::SeqCst);
        all_have_missed(cache, 1_000 * round).await;
        match (round, run) {
            (_, 0) => Err(Failure::Broken),
            (1, _) => Ok(run),
            // The third and all later ones run together, or wait in vain.
            (_, 1) => Err(Failure::Broken),
            _ => {
                all_have_begun(runs, 1_000).await;
                Err(Failure::Broken)
            }
        }
    }

    for world in World::both().await {
        let runs = AtomicU64::new(0);
        let answers = join_all((0..1_000).map(|_| fails(&world.cache, &runs, 1))).await;
        let failed = answers.iter().filter(|answer| answer.is_err()).count();
        assert_eq!((failed, runs.load(Ordering::SeqCst)), (1, 2));

        let runs = AtomicU64::new(0);
        let answers = join_all((0..1_000).map(|_| fails(&world.cache, &runs, 2))).await;
        assert!(answers.iter().all(Result::is_err));
    }
}

/// Neither does a loader that always panics.
#[tokio::test]
async fn a_loader_that_always_panics_is_not_called_by_one_after_the_other() {
    #[cached(namespace = "panics", ttl = "1h", key = (), skip(runs), cache = cache)]
    async fn panics(cache: &Cache, runs: &AtomicU64) -> u64 {
        let run = runs.fetch_add(1, Ordering::SeqCst);
        all_have_missed(cache, 100).await;
        if run > 1 {
            all_have_begun(runs, 100).await;
        }
        panic!("always");
    }

    let world = World::memory();
    let runs = Arc::new(AtomicU64::new(0));
    let call = || {
        let (cache, runs) = (world.cache.clone(), runs.clone());
        tokio::task::spawn_local(async move { panics(&cache, &runs).await })
    };
    // What waits for a condition is not `Send`.
    let here = tokio::task::LocalSet::new();
    let ended = here.run_until(async { join_all((0..100).map(|_| call())).await });
    for call in ended.await {
        let panic = call.unwrap_err().into_panic();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"always"));
    }
}

/// Waits until so many callers have found nothing: each of them leads or waits.
async fn all_have_missed(cache: &Cache, callers: u64) {
    eventually("all have missed", || {
        ready(cache.stats().total.misses >= callers)
    })
    .await;
}

/// Waits until so many loads have begun.
async fn all_have_begun(runs: &AtomicU64, loads: u64) {
    eventually("they load at once", || {
        ready(runs.load(Ordering::SeqCst) >= loads)
    })
    .await;
}

/// A leader that nobody polls holds up nobody for longer than `lock`.
#[tokio::test]
async fn a_leader_that_stands_still_is_not_waited_for_for_ever() {
    #[cached(namespace = "rows", ttl = "1h", lock = "50ms", key = id, cache = world.cache)]
    async fn row(world: &World, id: u64) -> u64 {
        world.load(id).await
    }

    for world in World::both().await {
        world.set_row(1, 1);
        world.close_gate();
        let mut leader = Box::pin(row(&world, 1));
        eventually("it leads", async || {
            let _ = futures_util::poll!(&mut leader);
            world.loads() == 1
        })
        .await;
        world.arrival().await;
        world.discard_gate();
        world.set_row(1, 2);
        let answer = tokio::time::timeout(Duration::from_secs(30), row(&world, 1)).await;
        assert_eq!(answer, Ok(2));
        // And stored.
        assert_eq!((row(&world, 1).await, world.loads()), (2, 2));
    }
}

/// What is stored together does not expire together.
#[tokio::test]
async fn expiries_are_spread() {
    #[cached(namespace = "spread", ttl = "1000s", key = id, cache = cache)]
    async fn spread(cache: &Cache, id: u64) -> u64 {
        id
    }

    let server = RedisServer::start().await;
    for (jitter, least, spread_at_least) in [(0.1, 900, 80), (0.5, 500, 400), (0.0, 1_000, 0)] {
        let cache = patient(Cache::builder().redis(server.url()))
            .prefix(format!("jitter{}", jitter * 10.0))
            .ttl_jitter(jitter)
            .build()
            .unwrap();
        let mut redis = server.connection().await;
        let mut lives = Vec::new();
        for id in 0..1_000 {
            spread(&cache, id).await;
            let name = format!("jitter{}:spread:{id}", jitter * 10.0);
            let left: i64 = redis::cmd("PTTL")
                .arg(name)
                .query_async(&mut redis)
                .await
                .unwrap();
            lives.push(left / 1_000);
        }
        let (first, last) = (*lives.iter().min().unwrap(), *lives.iter().max().unwrap());
        assert!(first >= least - 60 && last <= 1_000, "{first} to {last}");
        assert!(last - first >= spread_at_least, "{first} to {last}");
    }
}
