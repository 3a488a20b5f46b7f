//! P7: what happened is counted and traced.

use cache_runtime::{Cache, cached, invalidates};
use cache_tests::RedisServer;
use tracing::Level;

use crate::heard::Heard;
use crate::world::World;

#[cached(namespace = "rows:by_id", ttl = "1h", key = id, cache = world.cache)]
async fn row(world: &World, id: u64) -> u64 {
    world.load(id).await
}

#[cached(namespace = "rows:hidden", ttl = "1h", key = id, encrypt = on, cache = world.cache)]
async fn hidden(world: &World, id: u64) -> u64 {
    tracing::info!(target: "cache_runtime::test", "asked");
    world.load(id).await
}

#[invalidates(row(id), "rows:*", cache = world.cache)]
async fn write(world: &World, id: u64) {
    world.set_row(id, 1);
}

/// A5, B3: counters by function and namespace.
#[tokio::test]
async fn every_decision_is_counted() {
    for world in World::both().await {
        for id in [1, 2, 1, 1] {
            row(&world, id).await;
        }
        write(&world, 1).await;
        row(&world, 1).await;

        let stats = world.cache.stats();
        let counts = stats.function("observation::row").unwrap();
        assert_eq!(
            (counts.hits, counts.misses, counts.loads, counts.stores),
            (2, 3, 3, 3)
        );
        assert_eq!(counts.hit_rate(), Some(0.4));
        assert_eq!(stats.namespaces()["rows:by_id"], counts);
        assert_eq!(stats.function("write").unwrap().invalidations, 2);
        assert_eq!(stats.total.lookups(), 5);
        assert_eq!(
            Cache::builder().build().unwrap().stats().total.hit_rate(),
            None
        );
    }
}

/// D8: hit and miss at debug, invalidation at info, slow at warn, connection lost at error.
#[tokio::test]
async fn events_have_the_levels_that_people_expect() {
    let heard = Heard::listen();
    let mut server = RedisServer::builder().password("hunter2").start().await;
    let cache = Cache::builder()
        .redis(server.url())
        .slow_threshold(std::time::Duration::from_nanos(1));
    let world = World::over(crate::world::patient(cache).build().unwrap(), None);

    row(&world, 7).await;
    row(&world, 7).await;
    write(&world, 7).await;
    server.kill();
    row(&world, 7).await;

    for (level, words) in [
        (Level::INFO, &["connected to Redis"][..]),
        (Level::DEBUG, &["cache miss", "rows:by_id:7"]),
        (Level::DEBUG, &["cache hit", "rows:by_id:7"]),
        (
            Level::INFO,
            &["invalidated", "rows:*", "observation::write"],
        ),
        (Level::WARN, &["slow", "rows:by_id:7"]),
        (Level::ERROR, &["connection to Redis lost", "127.0.0.1"]),
    ] {
        assert!(
            heard.has(level, words),
            "{level} {words:?} is not in {heard:#?}"
        );
    }
    assert!(!heard.text().contains("hunter2"), "{heard:#?}");
}

/// D8: what a call was answered from, and how long it took; its body runs inside.
#[tokio::test]
async fn each_call_is_a_span() {
    let heard = Heard::listen();
    let world = World::memory();
    row(&world, 7).await;
    row(&world, 7).await;
    Cache::bypass(row(&world, 7)).await;
    hidden(&world, 8).await;
    let of_row = [
        "cached",
        "function=\"it::observation::row\"",
        "namespace=\"rows:by_id\"",
        "key=rows:by_id:7",
    ];
    for outcome in ["load", "hit", "bypass"] {
        let outcome = format!("outcome=\"{outcome}\" ");
        let words: Vec<_> = of_row
            .iter()
            .copied()
            .chain([&*outcome, "duration="])
            .collect();
        // The span as it has ended.
        assert!(heard.has(Level::DEBUG, &words), "{words:?} in {heard:#?}");
    }
    let inside = ["asked", "in cached", "function=\"it::observation::hidden\""];
    assert!(heard.has(Level::INFO, &inside), "{heard:#?}");
    let spans = heard.text();
    let mut spans = spans.lines().filter(|line| line.contains("DEBUG cached "));
    assert!(
        spans.all(|span| !span.contains("rows:hidden:8")),
        "{heard:#?}"
    );
}
