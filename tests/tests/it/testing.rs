//! The kit that users test with: what it says is what happens, and no test sees another's cache.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cache_runtime::testing::{
    Fault, TestCache, assert_degraded, assert_hit, assert_loaded, assert_miss, assert_stale,
};
use cache_runtime::{Cache, RateLimit, cached, invalidates};
use cache_tests::{RedisServer, eventually};
use futures_util::FutureExt;
use futures_util::future::join_all;

use crate::world::patient;

/// Of the tests of this file each has a source of its own, with a number for each id.
type Source = Arc<AtomicU64>;

const MINUTE: Duration = Duration::from_secs(60);

#[cached(namespace = "kit:rows", ttl = "10m", key = id)]
async fn row(#[skip] source: &Source, id: u64) -> u64 {
    source.load(Ordering::SeqCst) + id
}

#[cached(namespace = "kit:stale", ttl = "10m", stale_while_revalidate = "10m", key = id)]
async fn stale(#[skip] source: Source, id: u64) -> u64 {
    row(&source, id).await
}

#[cached(namespace = "kit:fallback", ttl = "10m", stale_if_error = "1h", key = id)]
async fn fallback(#[skip] source: &Source, id: u64) -> Result<u64, &'static str> {
    match source.load(Ordering::SeqCst) {
        u64::MAX => Err("the source is away"),
        number => Ok(number + id),
    }
}

#[cached(namespace = "kit:near", ttl = "10m", local = "1m", key = id)]
async fn near(#[skip] source: &Source, id: u64) -> u64 {
    source.load(Ordering::SeqCst) + id
}

#[cached(namespace = "kit:nothing", ttl = "10m", none_ttl = "1m", key = id)]
async fn nothing(id: u64) -> Option<u64> {
    id.checked_sub(100)
}

#[cached(namespace = "kit:early", ttl = "10m", refresh_ahead = on, key = id)]
async fn early(#[skip] source: Source, id: u64) -> u64 {
    // The longer a load takes, the earlier it is done again.
    tokio::time::sleep(Duration::from_millis(300)).await;
    source.fetch_add(1, Ordering::SeqCst) + id
}

#[cached(namespace = "kit:hidden", ttl = "10m", key = id, encrypt = on)]
async fn hidden(id: u64) -> u64 {
    id
}

#[cached(row(ids), batch = ids)]
async fn rows(#[skip] source: &Source, ids: &[u64]) -> std::collections::HashMap<u64, u64> {
    ids.iter()
        .map(|id| (*id, source.load(Ordering::SeqCst) + id))
        .collect()
}

#[invalidates(row(id))]
async fn write(source: &Source, id: u64, number: u64) {
    let _ = id;
    source.store(number, Ordering::SeqCst);
}

/// A cache in this process, and one in Redis: what holds must hold in both.
async fn both() -> [(Option<RedisServer>, TestCache); 2] {
    let server = RedisServer::start().await;
    let redis = TestCache::new(patient(Cache::builder().redis(server.url())));
    [(None, TestCache::memory()), (Some(server), redis)]
}

/// The message with which `work` panics.
async fn message(work: impl Future) -> String {
    let panic = AssertUnwindSafe(work).catch_unwind().await.err();
    let panic = panic.expect("it panics");
    *panic.downcast::<String>().expect("with a message")
}

#[tokio::test]
async fn time_is_moved_and_nothing_waits() {
    for (_server, cache) in both().await {
        let source = Source::default();
        let work = async {
            assert_miss!(row(&source, 1));
            cache.advance(9 * MINUTE).await;
            assert_hit!(row(&source, 1));
            cache.advance(MINUTE).await;
            assert_miss!(row(&source, 1));

            assert_miss!(stale(source.clone(), 1));
            cache.advance(15 * MINUTE).await;
            assert_stale!(stale(source.clone(), 1));
            cache.settle().await;
            assert_hit!(stale(source.clone(), 1));
            cache.advance(20 * MINUTE).await;
            assert_miss!(stale(source.clone(), 1));

            assert_miss!(fallback(&source, 1)).expect("the source is there");
            source.store(u64::MAX, Ordering::SeqCst);
            cache.advance(30 * MINUTE).await;
            assert_eq!(assert_stale!(fallback(&source, 1)), Ok(1));
            cache.advance(41 * MINUTE).await;
            assert!(assert_miss!(fallback(&source, 1)).is_err());

            assert_eq!(assert_miss!(nothing(7)), None);
            cache.advance(MINUTE / 2).await;
            assert_eq!(assert_hit!(nothing(7)), None);
            cache.advance(MINUTE / 2).await;
            assert_miss!(nothing(7));
        };
        cache.scope(work).await;
        cache.clean().await;
    }
}

#[tokio::test]
async fn the_near_cache_follows_the_clock() {
    for (_server, cache) in both().await {
        let source = Source::default();
        let work = async {
            near(&source, 1).await;
            let told = message(async { assert_stale!(near(&source, 1)) }).await;
            assert!(told.contains("near-hit"), "{told}");
            // Though the last proof that nothing was missed would be half a minute old.
            cache.advance(MINUTE / 2).await;
            let told = message(async { assert_stale!(near(&source, 1)) }).await;
            assert!(told.contains("near-hit"), "{told}");
            cache.advance(MINUTE / 2).await;
            let told = message(async { assert_stale!(near(&source, 1)) }).await;
            assert!(told.contains(": hit, "), "{told}");
        };
        cache.scope(work).await;
    }
}

/// XFetch draws lots: with a load of 300 ms each call in the last second and a half has one of at least 1 in 150.
#[tokio::test]
async fn early_refreshes_follow_the_clock() {
    let cache = TestCache::memory();
    let source = Source::default();
    let work = async {
        assert_miss!(early(source.clone(), 1));
        cache
            .advance(10 * MINUTE - Duration::from_millis(1_500))
            .await;
        while source.load(Ordering::SeqCst) == 1 {
            assert_hit!(early(source.clone(), 1));
            cache.settle().await;
        }
        assert_eq!(cache.stats().total.refreshes, 1);
    };
    cache.scope(work).await;
}

#[tokio::test]
async fn limits_counters_and_hold_offs_follow_the_clock_in_this_process() {
    let cache = TestCache::new(Cache::builder().hold_off(MINUTE));
    let source = Source::default();
    let work = async {
        let key = cache_runtime::Key::new("kit:calls", [&7_u64 as _]);
        let limit = RateLimit::fixed(1, MINUTE);
        assert!(cache.allow(&key, &limit).await.allowed);
        assert!(!cache.allow(&key, &limit).await.allowed);
        cache.advance(MINUTE).await;
        assert!(cache.allow(&key, &limit).await.allowed);

        write(&source, 1, 5).await;
        assert_miss!(row(&source, 1));
        assert_miss!(row(&source, 1)); // a replica may lag
        cache.advance(MINUTE).await;
        assert_miss!(row(&source, 1));
        assert_hit!(row(&source, 1));
    };
    cache.scope(work).await;
}

/// P2 and P3, as a user sees them: no error, no old answer, nothing lost.
#[tokio::test]
async fn a_broken_store_is_what_it_is_in_production() {
    let server = RedisServer::start().await;
    let redis = Cache::builder()
        .redis(server.url())
        .connect_timeout(Duration::from_secs(20));
    for (cache, fault) in [
        (TestCache::memory(), Fault::Refuse),
        (TestCache::memory(), Fault::Hang),
        (TestCache::memory(), Fault::Delay(MINUTE)),
        (TestCache::new(redis.clone()), Fault::Refuse),
        (TestCache::new(redis.clone()), Fault::Hang),
        (TestCache::new(redis), Fault::Delay(MINUTE)),
    ] {
        let source = Source::default();
        let work = async {
            // Deadlines are those of production here, and this machine may be busy.
            eventually("it is stored", async || {
                row(&source, 1).await;
                row::peek(1).await.is_some()
            })
            .await;
            cache.inject(fault);
            let mut calls = 0;
            while !cache.is_circuit_open() {
                assert_degraded!(row(&source, 1));
                calls += 1;
            }
            let needed = if fault == Fault::Refuse { 1 } else { 3 };
            assert!(calls <= needed, "{fault:?} opened it after {calls} calls");
            assert_degraded!(row(&source, 1));

            write(&source, 1, 5).await;
            assert_eq!(cache.stats().pending_invalidations, 1);
            assert_eq!(assert_degraded!(row(&source, 1)), 6);

            cache.recover().await;
            assert!(!cache.is_circuit_open());
            assert_eq!(cache.stats().pending_invalidations, 0);
            assert_eq!(row(&source, 1).await, 6);
            eventually("it is stored again", async || row::peek(1).await == Some(6)).await;
        };
        cache.scope(work).await;
    }
}

#[tokio::test]
async fn what_hangs_goes_on_when_the_fault_ends_and_what_is_late_within_its_time_is_a_hit() {
    for (_server, cache) in both().await {
        let cache = match cache.store_name() {
            "memory" => TestCache::new(patient(Cache::builder())),
            _ => cache,
        };
        let source = Source::default();
        let work = async {
            assert_miss!(row(&source, 1));
            cache.inject(Fault::Hang);
            let call = async { assert_hit!(row(&source, 1)) };
            let heal = async {
                tokio::task::yield_now().await;
                cache.recover().await;
            };
            tokio::join!(call, heal);
            cache.inject(Fault::Delay(Duration::from_millis(5)));
            assert_hit!(row(&source, 1));
            assert!(!cache.is_circuit_open());
        };
        cache.scope(work).await;
    }
}

/// Two tests beside each other, in one process and over one server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tests_do_not_see_each_other() {
    let server = RedisServer::start().await;
    let redis = || TestCache::new(patient(Cache::builder().redis(server.url())));
    for caches in [
        [TestCache::memory(), TestCache::memory()],
        [redis(), redis()],
    ] {
        let together = Arc::new(tokio::sync::Barrier::new(2));
        let tests = caches.clone().map(|cache| {
            let together = together.clone();
            let scope = cache.clone();
            // In tasks of their own, side by side.
            tokio::spawn(scope.scope(async move {
                let source = Source::default();
                together.wait().await;
                assert_miss!(row(&source, 1));
                assert_hit!(row(&source, 1));
                together.wait().await;
                write(&source, 1, 5).await;
                assert_eq!(assert_miss!(row(&source, 1)), 6);
                cache.advance(5 * MINUTE).await;
                assert_hit!(row(&source, 1));
                assert_eq!(cache.stats().total.loads, 2);
                assert_eq!(Cache::current().stats().total.loads, 2);
                assert_miss!(stale(source.clone(), 1));
                cache.advance(15 * MINUTE).await;
                assert_stale!(stale(source.clone(), 1));
                cache.settle().await;
                // Also what the background's body has called: nothing of the process' own cache.
                assert_eq!(cache.stats().function("testing::row").unwrap().loads, 3);
            }))
        });
        for test in join_all(tests).await {
            test.expect("it passes");
        }
        let [one, other] = caches;
        let source = Source::default();
        one.scope(async { assert_hit!(row(&source, 1)) }).await;
        other.inject(Fault::Refuse);
        one.scope(async { assert_hit!(row(&source, 1)) }).await;
        other
            .scope(async { assert_degraded!(row(&source, 1)) })
            .await;
        // The inner one counts, and the outer one afterwards.
        let inner = TestCache::memory();
        one.scope(async {
            inner.scope(async { assert_miss!(row(&source, 1)) }).await;
            assert_hit!(row(&source, 1));
        })
        .await;
    }
}

#[tokio::test]
async fn a_clean_test_leaves_nothing_in_redis() {
    let server = RedisServer::start().await;
    let (clean, other) = (
        TestCache::redis(server.url()),
        TestCache::redis(server.url()),
    );
    let source = Source::default();
    for cache in [&clean, &other] {
        let stored = async {
            eventually("it is stored", async || {
                row(&source, 1).await;
                row::peek(1).await.is_some()
            })
            .await;
            write(&source, 2, 0).await;
        };
        cache.scope(stored).await;
    }
    let size = async || -> u64 {
        let mut connection = server.connection().await;
        redis::cmd("DBSIZE")
            .query_async(&mut connection)
            .await
            .unwrap()
    };
    let before = size().await;
    clean.clean().await;
    assert!(size().await < before);
    other.scope(async { assert_hit!(row(&source, 1)) }).await;
    other.clean().await;
    assert_eq!(size().await, 0);
}

#[tokio::test]
async fn an_assertion_that_fails_tells_what_happened_under_which_key() {
    let cache = TestCache::memory();
    let source = Source::default();
    let work = async {
        let told = message(async { assert_hit!(row(&source, 1)) }).await;
        assert!(
            told.starts_with("`row(&source, 1)` should have been a hit."),
            "{told}"
        );
        assert!(
            told.contains("kit:rows:1 of it::testing::row: load"),
            "{told}"
        );

        let told = message(async { assert_miss!(row(&source, 1)) }).await;
        assert!(
            told.contains("been a miss") && told.contains("kit:rows:1 of it::testing::row: hit"),
            "{told}"
        );
        let told = message(async { assert_stale!(row(&source, 1)) }).await;
        assert!(
            told.contains("been stale") && told.contains(": hit"),
            "{told}"
        );
        let told = message(async { assert_degraded!(row(&source, 1)) }).await;
        assert!(
            told.contains("been degraded") && told.contains(": hit"),
            "{told}"
        );
        let told = message(async { assert_hit!(Cache::bypass(row(&source, 1))) }).await;
        assert!(told.contains(": bypass"), "{told}");

        let both = || async { (row(&source, 1).await, row(&source, 2).await) };
        let told = message(async { assert_hit!(both()) }).await;
        assert!(
            told.contains("kit:rows:1 of") && told.contains("kit:rows:2 of it::testing::row: load"),
            "{told}"
        );
        let told = message(async { assert_loaded!(2, both()) }).await;
        assert!(told.contains("loaded 2 times"), "{told}");
        assert_loaded!(0, both());

        let told = message(async { assert_loaded!(0, std::future::ready(())) }).await;
        assert!(told.contains("No cached function was called"), "{told}");
        let told = message(async { assert_hit!(hidden(987_654)) }).await;
        let shown = "(a key that is not shown) of it::testing::hidden";
        assert!(told.contains(shown) && !told.contains("987654:"), "{told}");
    };
    cache.scope(work).await;
}

#[tokio::test]
async fn loads_are_counted_of_crowds_bodies_and_batches() {
    let cache = TestCache::memory();
    let source = Source::default();
    let work = async {
        let crowd = join_all((0..100).map(|_| row(&source, 1)));
        assert_eq!(assert_loaded!(1, crowd), [1; 100]);
        // A body that hits is a miss all the same.
        assert_miss!(stale(source.clone(), 1));
        assert_miss!(rows(&source, &[2, 3]));
        assert_loaded!(1, rows(&source, &[2, 3, 4]));
        assert_hit!(rows(&source, &[2, 3, 4]));
        let told = message(async { assert_miss!(rows(&source, &[4, 5])) }).await;
        assert!(
            told.contains("kit:rows:4") && told.contains("kit:rows:5"),
            "{told}"
        );
    };
    cache.scope(work).await;
}

/// With Tokio's own clock standing still, nothing in this process needs the time to pass.
#[tokio::test(start_paused = true)]
async fn it_goes_together_with_paused_time() {
    let cache = TestCache::memory();
    let source = Source::default();
    let work = async {
        assert_miss!(row(&source, 1));
        cache.inject(Fault::Hang);
        while !cache.is_circuit_open() {
            assert_degraded!(row(&source, 1));
        }
        write(&source, 1, 1).await;
        cache.recover().await;
        assert_eq!(assert_miss!(row(&source, 1)), 2);
    };
    cache.scope(work).await;
}
