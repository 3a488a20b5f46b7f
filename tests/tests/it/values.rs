//! How values are stored: how large they may be (B13).

use std::sync::Arc;
use std::time::Duration;

use cache_runtime::cached;
use redis::AsyncCommands;
use tracing::Level;

use crate::heard::Heard;
use crate::world::{World, patient};

/// As JSON two bytes more: the quotes.
#[cached(namespace = "texts", ttl = "1h", key = length, cache = world.cache)]
async fn text(world: &World, length: usize) -> String {
    world.load(0).await;
    "x".repeat(length)
}

#[cached(namespace = "small", ttl = "1h", local = "1m", max_size = "1KB", key = length, cache = world.cache)]
async fn small(world: &World, length: usize) -> Arc<str> {
    world.load(0).await;
    "x".repeat(length).into()
}

const MIB: usize = 1 << 20;

/// B13: values over 1 MB are refused, and counted; the first one is told of, without its value.
#[tokio::test]
async fn what_is_too_large_is_answered_and_not_stored() {
    let heard = Heard::listen();
    for world in World::both().await {
        for (length, loads) in [(MIB - 2, 1), (MIB - 1, 2)] {
            let before = world.loads();
            for _ in 0..2 {
                assert_eq!(text(&world, length).await.len(), length);
            }
            assert_eq!(world.loads() - before, loads, "{length}");
        }
        let counts = world.cache.stats().function("values::text").unwrap();
        assert_eq!((counts.too_large, counts.stores), (2, 1));
    }
    let told = heard.text();
    assert!(heard.has(Level::WARN, &["texts:1048575", "size=1048577"]));
    assert_eq!(
        told.matches("larger than").count(),
        2,
        "once a cache: {told:.500}"
    );
    assert!(!told.contains("xxx"));
}

/// A function's own limit wins, also over the near cache.
#[tokio::test]
async fn a_function_has_its_own_limit() {
    for world in World::both().await {
        for (length, loads) in [(1022, 1), (1023, 2)] {
            let before = world.loads();
            for _ in 0..2 {
                assert_eq!(small(&world, length).await.len(), length);
            }
            assert_eq!(world.loads() - before, loads, "{length}");
        }
    }
}

/// Those that wait for a value that is too large get it from the one load.
#[tokio::test]
async fn what_is_too_large_is_shared() {
    for world in World::both().await {
        let world = Arc::new(world);
        world.close_gate();
        let calls: Vec<_> = (0..10)
            .map(|_| {
                tokio::spawn({
                    let world = world.clone();
                    async move { text(&world, 2 * MIB).await.len() }
                })
            })
            .collect();
        world.arrival().await;
        // Each of them has looked by now, or will in a moment.
        cache_tests::eventually("all have missed", async || {
            world.cache.stats().total.misses == 10
        })
        .await;
        world.open_gate();
        for call in calls {
            assert_eq!(call.await.unwrap(), 2 * MIB);
        }
        assert_eq!(world.loads(), 1);
    }
}

/// What replaces an answer and is too large leaves nothing old behind.
#[tokio::test]
async fn what_is_too_large_takes_the_place_of_what_was_stored() {
    #[cached(namespace = "grows", ttl = "1h", key = (), cache = world.cache)]
    async fn grows(world: &World) -> String {
        "x".repeat(world.load(0).await as usize)
    }

    let server = cache_tests::RedisServer::start().await;
    let builder = patient(cache_runtime::Cache::builder().redis(server.url())).max_size(100);
    let world = World::over(builder.build().unwrap(), Some(server));
    world.set_row(0, 10);
    assert_eq!(grows(&world).await.len(), 10);
    world.set_row(0, 1000);
    assert_eq!(grows::refresh(&world).await.len(), 1000);
    assert!(grows::peek(&world).await.is_none());
    grows::put(&world, "y".repeat(99)).await;
    let mut redis = world.server().connection().await;
    assert!(!redis.exists::<_, bool>("cache:grows").await.unwrap());
    assert_eq!(world.cache.stats().total.too_large, 2);
}

/// B13: nothing is stored without an expiry, whatever its size.
#[tokio::test]
async fn every_value_expires() {
    let world = World::redis().await;
    text(&world, 5).await;
    let mut redis = world.server().connection().await;
    let left: i64 = redis.ttl("cache:texts:5").await.unwrap();
    assert!(left > 0 && Duration::from_secs(left as u64) <= Duration::from_secs(3600));
}
