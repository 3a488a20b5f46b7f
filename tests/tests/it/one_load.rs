//! P4: of any number of callers of a cold key, one loads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cache_runtime::{Cache, cached};
use futures_util::FutureExt;
use futures_util::future::join_all;

use crate::world::World;

#[cached(namespace = "rows", ttl = "1h", key = id, cache = world.cache)]
async fn row(world: &World, id: u64) -> u64 {
    world.load(id).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_callers_cost_one_load() {
    for world in World::both().await {
        let world = Arc::new(world);
        world.set_row(1, 11);
        let callers = (0..10_000).map(|_| {
            let world = world.clone();
            tokio::spawn(async move { row(&world, 1).await })
        });
        for answer in join_all(callers.collect::<Vec<_>>()).await {
            assert_eq!(answer.unwrap(), 11);
        }
        assert_eq!(world.loads(), 1, "in {}", world.cache.store_name());
        let counts = world.cache.stats().total;
        assert_eq!((counts.loads, counts.hits + counts.coalesced), (1, 9_999));
    }
}

/// The first asks for a ticket, and another one for all that have come meanwhile; those that come later find the answer.
#[tokio::test]
async fn callers_that_come_at_once_are_announced_together() {
    let world = World::redis().await;
    row(&world, 0).await;
    let scripts = async || {
        let stats = world.server().commandstats().await;
        let of = |name: &str| stats.get(name).copied().unwrap_or_default();
        of("evalsha") + of("eval")
    };
    let before = scripts().await;
    let began = Instant::now();
    join_all((0..1_000).map(|_| row(&world, 1))).await;
    let took = began.elapsed();
    assert_eq!(world.loads(), 2);
    let scripts = scripts().await - before;
    // Two tickets at a time for those whose look-ups came back together, each relied on for 5 ms, and the fill.
    let most = 3 + 2 * (1 + took.as_millis() / 5);
    assert!(u128::from(scripts) <= most, "{scripts} scripts in {took:?}");
}

/// As with `buffered` streams whose consumer is busy: they have asked for tickets, and never look at the answer.
#[tokio::test]
async fn callers_that_nobody_polls_keep_no_key_out_of_the_cache() {
    let world = World::redis().await;
    row(&world, 0).await;
    let scripts = async || {
        let stats = world.server().commandstats().await;
        stats.get("evalsha").copied().unwrap_or_default()
    };
    let before = scripts().await;
    let mut stuck: Vec<_> = (0..2).map(|_| Box::pin(row(&world, 1))).collect();
    while scripts().await < before + 2 {
        for call in &mut stuck {
            assert!(call.now_or_never().is_none(), "it has only asked");
        }
    }
    for _ in 0..2 {
        assert_eq!(row(&world, 1).await, world.row(1));
    }
    let counts = world.cache.stats().total;
    assert_eq!((counts.loads, counts.hits, counts.degraded), (2, 1, 0));
}

/// The callers come while the load runs and while it ends, again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_that_come_at_any_time_cost_one_load() {
    for world in World::both().await {
        let world = Arc::new(world);
        for id in 0..200 {
            let callers = (0..50).map(|caller| {
                let world = world.clone();
                tokio::spawn(async move {
                    for _ in 0..caller {
                        tokio::task::yield_now().await;
                    }
                    row(&world, id).await
                })
            });
            join_all(callers.collect::<Vec<_>>()).await;
            assert_eq!(world.loads(), id + 1, "in {}", world.cache.store_name());
        }
    }
}

#[tokio::test]
async fn a_cancelled_leader_hands_over() {
    for world in World::both().await {
        let world = Arc::new(world);
        world.close_gate();
        let leader = tokio::spawn({
            let world = world.clone();
            async move { row(&world, 1).await }
        });
        world.arrival().await;
        let followers: Vec<_> = (0..100)
            .map(|_| {
                let world = world.clone();
                tokio::spawn(async move { row(&world, 1).await })
            })
            .collect();
        leader.abort();
        world.arrival().await;
        world.open_gate();
        for answer in join_all(followers).await {
            answer.unwrap();
        }
        assert_eq!(world.loads(), 2, "in {}", world.cache.store_name());
    }
}

#[tokio::test]
async fn a_panic_stays_with_its_caller_and_nobody_hangs() {
    #[cached(namespace = "panics", ttl = "1h", key = (), skip(runs), cache = cache)]
    async fn panics_once(cache: &Cache, runs: &AtomicU64) -> u64 {
        tokio::task::yield_now().await;
        let run = runs.fetch_add(1, Ordering::SeqCst);
        assert!(run > 0, "the first load fails");
        run
    }

    for world in World::both().await {
        let (cache, runs) = (world.cache.clone(), Arc::new(AtomicU64::new(0)));
        let callers = (0..100).map(|_| {
            let (cache, runs) = (cache.clone(), runs.clone());
            tokio::spawn(async move { panics_once(&cache, &runs).await })
        });
        let answers = join_all(callers.collect::<Vec<_>>()).await;
        let panicked = answers.iter().filter(|answer| answer.is_err()).count();
        assert_eq!(
            (panicked, runs.load(Ordering::SeqCst)),
            (1, 2),
            "in {}",
            cache.store_name()
        );
        assert!(answers.into_iter().flatten().all(|answer| answer == 1));
    }
}

/// Nobody waits for one failing load after the other.
#[tokio::test]
async fn an_error_is_answered_and_not_stored() {
    #[cached(namespace = "errors", ttl = "1h", key = (), skip(runs), cache = cache)]
    async fn fails(cache: &Cache, runs: &AtomicU64) -> Result<u64, String> {
        runs.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(20)).await;
        Err("no".to_owned())
    }

    for world in World::both().await {
        let runs = AtomicU64::new(0);
        let answers = join_all((0..50).map(|_| fails(&world.cache, &runs))).await;
        assert!(
            answers
                .iter()
                .all(|answer| answer.as_ref().is_err_and(|error| error == "no"))
        );
        let before = runs.load(Ordering::SeqCst);
        fails(&world.cache, &runs).await.unwrap_err();
        assert_eq!(runs.load(Ordering::SeqCst), before + 1);
        assert_eq!(world.cache.stats().total.stores, 0);
    }
}
