//! Warming of declared sets (A9, B9, D11).

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cache_runtime::{Warming, WarmingEnd, cached};
use futures_util::stream;

use crate::world::World;

#[cached(namespace = "rows", ttl = "1h", key = id, cache = world.cache)]
async fn row(world: &World, id: u64) -> u64 {
    world.load(id).await
}

/// A9: what is missing is loaded, what is fresh is not, and the report says so.
#[tokio::test]
async fn what_is_fresh_is_not_loaded_again() {
    for world in &World::both().await {
        for id in 0..3 {
            row(world, id).await;
        }
        let warming = Warming::new().stream("rows", stream::iter(0..10), |id| async move {
            row(world, id).await;
        });
        let report = warming.run().await;
        let set = &report.sets[0];
        assert_eq!((set.loaded, set.fresh, set.left), (7, 3, 0), "{report}");
        assert_eq!((report.end, world.loads()), (WarmingEnd::Complete, 10));
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(
            (&json["sets"][0]["loaded"], &json["end"]),
            (&7.into(), &"complete".into())
        );
    }
}

/// B6: reloading replaces what is fresh, and asks as usual for what the loads call: in functions of one key and of many.
#[tokio::test]
async fn what_is_fresh_is_loaded_again_and_what_it_calls_is_not() {
    #[cached(namespace = "boards", ttl = "1h", key = id, cache = world.cache)]
    async fn board(world: &World, id: u64) -> u64 {
        id + row(world, 7).await
    }

    #[cached("pages", "1h", key = ids, batch = ids, cache = world.cache, skip(world))]
    async fn pages(world: &World, ids: &[u64]) -> HashMap<u64, u64> {
        let sum = row(world, 7).await;
        ids.iter().map(|id| (*id, id + sum)).collect()
    }

    for world in &World::both().await {
        let warming = || {
            let boards = Warming::new().set("boards", 0..5, |id| async move {
                board(world, id).await;
                board(world, id + 5).await;
            });
            boards.set("pages", 0..1, |_| async move {
                pages(world, &[1, 2]).await;
            })
        };
        let stores = || world.cache.stats().total.stores;
        warming().run().await;
        assert_eq!((world.loads(), stores()), (1, 13));
        world.set_row(7, 1);
        row::invalidate(world, 7).await;
        let report = warming().reload().run().await;
        assert_eq!((report.sets[0].loaded, report.sets[1].loaded), (5, 1));
        assert_eq!((world.loads(), stores()), (2, 26));
        assert_eq!(
            (board(world, 9).await, pages(world, &[2]).await[&2]),
            (10, 3)
        );
    }
}

/// Never more calls at one time than were allowed, and as many as that.
#[tokio::test]
async fn concurrency_is_bounded() {
    let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let (now, most) = (&now, &most);
    let call = |_| async move {
        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        tokio::task::yield_now().await;
        now.fetch_sub(1, Ordering::SeqCst);
    };
    let report = Warming::new().set("calls", 0..100, call).concurrency(7);
    let report = report.run().await;
    assert_eq!(
        report.sets[0].bypassed, 100,
        "no cached function was called"
    );
    assert_eq!(most.load(Ordering::SeqCst), 7);
}

/// An `Err` and a panic, in the closure or in its future, are counted, and stop nothing.
#[tokio::test]
async fn failures_stop_nothing() {
    for world in World::both().await {
        let world = &world;
        let warming = Warming::new().set("rows", 0..10_u64, |id| {
            assert_ne!(id, 2, "no closure for this");
            async move {
                assert_ne!(id, 5, "no future for this");
                match id {
                    7 => Err("not found".repeat(100)),
                    _ => Ok(row(world, id).await),
                }
            }
        });
        let report = warming.concurrency(1).run().await;
        let set = &report.sets[0];
        assert_eq!((set.loaded, set.failed), (7, 3), "{report}");
        assert_eq!(set.errors[..2], ["panicked", "panicked"]);
        assert_eq!(set.errors[2].len(), 200);
    }
}

/// B9: at the deadline it ends, whatever runs, and tells what is left; the sets behind it too.
#[tokio::test]
async fn the_deadline_ends_it() {
    for world in World::both().await {
        world.close_gate();
        let world = &world;
        let call = |id| async move {
            row(world, id).await;
        };
        let warming = Warming::new()
            .set("held", 0..20, call)
            .set("next", 0..5, call);
        let report = warming
            .concurrency(4)
            .deadline(Duration::from_millis(50))
            .run()
            .await;
        assert_eq!(report.end, WarmingEnd::Deadline);
        assert_eq!((report.sets[0].left, report.sets[1].left), (20, 5));
        world.discard_gate();
        // What was dropped half way holds up nobody.
        assert_eq!(row(world, 0).await, 0);
    }
}

/// Calls that never wait see the deadline all the same.
#[tokio::test]
async fn the_deadline_ends_what_never_waits() {
    let warming = Warming::new().set("endless", 0_u64.., |_| async {});
    let report = warming.deadline(Duration::from_millis(20)).run().await;
    assert_eq!(report.end, WarmingEnd::Deadline);
}

/// Without a store the sources are not asked for nothing.
#[tokio::test]
async fn without_redis_it_stops_early() {
    let mut world = World::redis().await;
    row(&world, 1_000).await;
    world.server.as_mut().unwrap().kill();
    let world = &world;
    let warming = Warming::new().set("rows", 0..500, |id| async move {
        row(world, id).await;
    });
    let report = warming.concurrency(2).run().await;
    let set = &report.sets[0];
    assert_eq!(report.end, WarmingEnd::StoreAway, "{report}");
    assert!(set.degraded >= 10 && set.left > 400, "{report}");
    assert!(world.loads() < 50);
}
