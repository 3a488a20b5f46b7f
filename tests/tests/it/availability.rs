//! P2: no fault of Redis reaches a caller.

use std::net::TcpListener;
use std::time::Duration;

use cache_runtime::{Cache, Pattern, cached};
use cache_tests::{RedisServer, eventually};

use crate::world::{World, patient};

#[cached(namespace = "rows", ttl = "1h", key = id, cache = world.cache)]
async fn row(world: &World, id: u64) -> u64 {
    world.load(id).await
}

/// Two calls that are answered by the source and two that hit prove that the cache works.
async fn works(world: &World) -> bool {
    row(world, 1).await;
    let before = world.loads();
    row(world, 1).await;
    world.loads() == before
}

/// A port where nobody listens.
fn deserted() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// A13: the program starts and answers, and uses Redis as soon as it is there.
#[tokio::test]
async fn redis_absent_at_start() {
    let mut server = RedisServer::start().await;
    server.kill();
    let world = World::over(Cache::builder().redis(server.url()).build().unwrap(), None);
    world.set_row(1, 7);
    for _ in 0..10 {
        assert_eq!(row(&world, 1).await, 7);
    }
    assert_eq!(world.loads(), 10);
    assert!(world.cache.stats().total.degraded > 0);
    let refused = world
        .cache
        .try_invalidate([Pattern::parse("rows:*").unwrap()])
        .await;
    assert_eq!(
        refused.unwrap_err().kind(),
        cache_runtime::ErrorKind::Unreachable
    );

    server.restart().await;
    eventually("Redis is used", async || works(&world).await).await;
}

#[tokio::test]
async fn redis_goes_and_comes_back() {
    let mut server = RedisServer::start().await;
    let world = World::over(Cache::builder().redis(server.url()).build().unwrap(), None);
    eventually("Redis is used", async || works(&world).await).await;
    for round in 1..=3 {
        server.kill();
        world.set_row(1, round);
        eventually("the source answers", async || row(&world, 1).await == round).await;
        let before = world.loads();
        assert_eq!(row(&world, 1).await, round);
        assert_eq!(world.loads(), before + 1);
        server.restart().await;
        eventually("Redis is used again", async || works(&world).await).await;
        assert_eq!(row(&world, 1).await, round);
    }
}

/// A server that accepts and never answers costs the deadline, then nothing.
#[tokio::test]
async fn redis_hangs() {
    let server = RedisServer::start().await;
    let world = World::over(
        Cache::builder()
            .redis(server.url())
            .operation_timeout(Duration::from_millis(100))
            .build()
            .unwrap(),
        None,
    );
    eventually("Redis is used", async || works(&world).await).await;
    server.pause();
    world.set_row(1, 9);
    assert_eq!(row(&world, 1).await, 9);
    let began = std::time::Instant::now();
    for _ in 0..1_000 {
        assert_eq!(row(&world, 1).await, 9);
    }
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "every call has waited"
    );
    server.resume();
    eventually("Redis is used again", async || works(&world).await).await;
}

#[tokio::test]
async fn nobody_or_a_stranger_listens() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let guarded = RedisServer::builder().password("right").start().await;
    let urls = [
        format!("redis://127.0.0.1:{}", deserted()),
        format!("redis://127.0.0.1:{}", silent.local_addr().unwrap().port()),
        format!("redis://:wrong@127.0.0.1:{}", guarded.port()),
        format!("redis://127.0.0.1:{}", guarded.port()),
    ];
    for url in urls {
        let cache = Cache::builder()
            .redis(&url)
            .operation_timeout(Duration::from_millis(100))
            .build()
            .unwrap();
        let world = World::over(cache, None);
        world.set_row(1, 3);
        for _ in 0..5 {
            assert_eq!(row(&world, 1).await, 3, "{url}");
        }
        world
            .cache
            .invalidate([Pattern::parse("rows:*").unwrap()])
            .await;
        assert_eq!(world.cache.stats().total.queued_invalidations, 1);
        assert_eq!(world.cache.stats().pending_invalidations, 1);
        assert_eq!(world.cache.stats().function("row").unwrap().loads, 5);
    }
}

#[tokio::test]
async fn a_password_and_a_database_are_used() {
    let server = RedisServer::builder().password("a:b@c").start().await;
    let url = format!("redis://:a%3Ab%40c@127.0.0.1:{}/2", server.port());
    let world = World::over(patient(Cache::builder().redis(url)).build().unwrap(), None);
    assert!(works(&world).await);
    let mut redis = server.connection().await;
    let _: () = redis::cmd("SELECT")
        .arg(2)
        .query_async(&mut redis)
        .await
        .unwrap();
    let keys: Vec<String> = redis::cmd("KEYS")
        .arg("*rows*")
        .query_async(&mut redis)
        .await
        .unwrap();
    assert!(keys.contains(&"cache:rows:1".to_owned()), "{keys:?}");
}

/// B10: out of memory, with and without eviction.
#[tokio::test]
async fn redis_out_of_memory() {
    for policy in ["noeviction", "allkeys-lru", "allkeys-random"] {
        let server = RedisServer::builder()
            .config("maxmemory", "3mb")
            .config("maxmemory-policy", policy)
            .start()
            .await;
        let world = World::over(
            patient(Cache::builder().redis(server.url()))
                .build()
                .unwrap(),
            None,
        );
        #[cached(namespace = "large", key = id, cache = world.cache)]
        async fn large(world: &World, id: u64) -> String {
            "x".repeat(10_000) + &world.load(id).await.to_string()
        }
        for id in 0..500 {
            world.set_row(id, id);
            assert_eq!(
                large(&world, id).await.len(),
                10_000 + id.to_string().len(),
                "{policy}"
            );
        }
        for id in 0..500 {
            world.set_row(id, id + 1);
            large::invalidate(&world, id).await;
            assert!(
                large(&world, id).await.ends_with(&format!("x{}", id + 1)),
                "{policy}"
            );
        }
        for id in 0..50 {
            world.set_row(id, id + 2);
        }
        world
            .cache
            .invalidate([Pattern::parse("large:*").unwrap()])
            .await;
        for id in 0..50 {
            assert!(
                large(&world, id).await.ends_with(&format!("x{}", id + 2)),
                "{policy}"
            );
        }
        assert_eq!(
            world.cache.stats().total.queued_invalidations,
            0,
            "{policy}"
        );
    }
}

/// A12, E4: switched off, everything runs, and the fleet still hears of this instance's writes.
#[tokio::test]
async fn switched_off() {
    let here = World::redis().await;
    let url = here.server().url();
    let off = World::over(
        patient(Cache::builder().redis(url).enabled(false))
            .build()
            .unwrap(),
        None,
    );
    here.set_row(1, 1);
    row(&here, 1).await;
    row(&off, 1).await;
    row(&off, 1).await;
    assert_eq!((off.loads(), off.cache.stats().total.bypassed), (2, 2));
    here.set_row(1, 2);
    row::invalidate(&off, 1).await;
    assert_eq!(row(&here, 1).await, 2);
}
