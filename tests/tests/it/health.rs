//! D5, E5: how a cache is, whatever state its server is in.

use std::time::{Duration, Instant};

use cache_runtime::{Cache, Health, HealthStatus, Pattern};
use cache_tests::{Direction, Proxy, RedisServer, eventually};

use crate::world::patient;

#[tokio::test]
async fn a_server_that_is_well_tells_its_figures() {
    let server = RedisServer::builder()
        .config("maxmemory", "64mb")
        .config("maxmemory-policy", "allkeys-lru")
        .start()
        .await;
    let cache = patient(Cache::builder().redis(server.url()))
        .build()
        .unwrap();
    let rows = cache.namespace("rows");
    rows.set(&1, &1).await;
    assert_eq!(rows.get::<u64>(&1).await, Some(1));
    assert_eq!(rows.get::<u64>(&2).await, None);
    let health = cache.health().await;
    let figures = health.server.clone().expect("it answered");
    assert_eq!(
        (health.store, health.enabled, health.connected),
        ("redis", true, true)
    );
    assert_eq!(health.hit_rate, Some(0.5));
    assert_eq!(figures.memory_limit, Some(64 << 20));
    assert_eq!(figures.eviction_policy.as_deref(), Some("allkeys-lru"));
    assert_eq!(figures.evicted_keys, Some(0));
    assert_eq!(figures.evictions_per_minute, Some(0.0));
    assert!(
        figures.keys >= 1 && figures.used_memory > 100_000,
        "{health:?}"
    );
    assert!(figures.connected_clients >= Some(1), "{health:?}");
    assert!(figures.version.is_some_and(|version| version.contains('.')));
    assert!(figures.uptime.is_some() && figures.operations_per_second.is_some());
    // Its status is the machine's mood too.
    let quick = health.response_time < Some(Duration::from_millis(10));
    assert_eq!(health.status == HealthStatus::Healthy, quick, "{health:?}");
}

#[tokio::test]
async fn evictions_are_counted() {
    let server = RedisServer::builder()
        .config("maxmemory", "3mb")
        .config("maxmemory-policy", "allkeys-lru")
        .start()
        .await;
    let cache = patient(Cache::builder().redis(server.url()))
        .build()
        .unwrap();
    let rows = cache.namespace("rows");
    let value = "x".repeat(20_000);
    let mut n = 0_u64;
    eventually("something is evicted", async || {
        for _ in 0..50 {
            n += 1;
            rows.set(&n, &value).await;
        }
        cache
            .health()
            .await
            .server
            .and_then(|server| server.evicted_keys)
            > Some(0)
    })
    .await;
    let rate = cache
        .health()
        .await
        .server
        .and_then(|server| server.evictions_per_minute);
    assert!(rate > Some(0.0), "{rate:?}");
}

#[tokio::test]
async fn a_server_that_is_slow_away_or_hangs_is_told_within_a_deadline() {
    let server = RedisServer::start().await;
    let proxy = Proxy::start(server.port()).await;
    let cache = patient(Cache::builder().redis(proxy.url()))
        .build()
        .unwrap();
    eventually("it is there", async || cache.health().await.connected).await;

    proxy.delay(Direction::ToClient, Duration::from_millis(40));
    eventually("it is slow", async || {
        let slow = cache.health().await;
        let late = slow.response_time > Some(Duration::from_millis(10));
        late && slow.status == HealthStatus::Degraded
    })
    .await;

    proxy.delay(Direction::ToClient, Duration::ZERO);
    proxy.hold(Direction::ToClient, true);
    let asked = Instant::now();
    let hung = cache.health().await;
    assert!(
        asked.elapsed() < Duration::from_secs(15),
        "{:?}",
        asked.elapsed()
    );
    away(&hung);

    proxy.hold(Direction::ToClient, false);
    proxy.refuse(true);
    proxy.cut();
    eventually("it is away", async || !cache.health().await.connected).await;
    away(&cache.health().await);

    proxy.refuse(false);
    eventually("it is back", async || cache.health().await.connected).await;
}

fn away(health: &Health) {
    assert_eq!(health.status, HealthStatus::Unavailable, "{health:?}");
    assert!(
        health.problem.is_some() && health.server.is_none(),
        "{health:?}"
    );
    assert!(
        health.to_string().starts_with("✗ Redis Disconnected ("),
        "{health}"
    );
}

#[tokio::test]
async fn invalidations_that_wait_are_told() {
    let mut server = RedisServer::start().await;
    let cache = Cache::builder().redis(server.url()).build().unwrap();
    assert!(cache.health().await.connected);
    server.kill();
    cache.invalidate([Pattern::parse("rows:*").unwrap()]).await;
    let health = cache.health().await;
    assert_eq!((health.connected, health.pending_invalidations), (false, 1));
    assert!(
        health.to_string().contains("Pending Invalidations: 1"),
        "{health}"
    );
}

#[tokio::test]
async fn a_cache_without_redis_and_one_that_is_off_are_told() {
    let cache = Cache::builder().build().unwrap();
    cache.namespace("rows").set(&1, &1).await;
    let health = cache.health().await;
    assert_eq!(
        (health.status, health.store),
        (HealthStatus::Healthy, "memory")
    );
    assert_eq!(health.server.unwrap().keys, 1);
    cache.set_enabled(false);
    let off = cache.health().await;
    assert_eq!((off.status, off.connected), (HealthStatus::Disabled, true));
    let json = serde_json::to_value(&off).unwrap();
    assert_eq!(json["status"], "disabled");
}

/// Whoever looks at it must not learn how to get in.
#[tokio::test]
async fn no_secret_is_told() {
    let server = RedisServer::builder().password("hunter2").start().await;
    for url in [server.url(), server.url().replace("hunter2", "hunter3")] {
        let cache = patient(Cache::builder().redis(url)).build().unwrap();
        let health = cache.health().await;
        let told = format!(
            "{health} {health:?} {}",
            serde_json::to_string(&health).unwrap()
        );
        assert!(!told.contains("hunter"), "{told}");
    }
}
