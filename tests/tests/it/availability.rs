//! P2: no fault of Redis reaches a caller.

use std::net::TcpListener;
use std::time::Duration;

use cache_runtime::{Cache, Pattern, Source, cached};
use cache_tests::{Direction, Proxy, RedisServer, eventually};
use serde_json::Value;
use tokio::process::Command;

use crate::world::{World, patient};

#[cached(namespace = "rows", ttl = "1h", key = id, cache = world.cache)]
async fn row(world: &World, id: u64) -> u64 {
    world.load(id).await
}

/// Every fault of the table in docs/failures.md. Its times are figures, not bounds: these here are generous, and would be missed by a
/// cache that waits for ever, or for each call.
#[tokio::test]
async fn no_fault_shows() {
    let output = Command::new(env!("CARGO_BIN_EXE_faults"))
        .arg("--json")
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let mut faults = 0;
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let figures: Value = serde_json::from_str(line).unwrap();
        assert_eq!(
            (&figures["wrong"], &figures["calls"]),
            (&0.into(), &600.into()),
            "{figures}"
        );
        let counters = figures["counters"].as_object().unwrap();
        assert!(
            !counters.is_empty() || figures["fault"] == "cut",
            "not counted: {figures}"
        );
        for (figure, most) in [
            ("longest_call_ms", 5_000.0),
            ("longest_write_ms", 5_000.0),
            ("median_call_us", 50_000.0),
            ("recovery_ms", 10_000.0),
        ] {
            assert!(
                figures[figure].as_f64().unwrap_or_default() < most,
                "{figure}: {figures}"
            );
        }
        faults += 1;
    }
    assert_eq!(faults, 14);
}

/// P4 while there is no Redis: those that come at one time share a load, and nobody joins one that has begun.
#[tokio::test]
async fn callers_share_loads_while_redis_is_away() {
    let cache = Cache::builder().redis(format!("redis://127.0.0.1:{}", deserted()));
    let world = World::over(cache.build().unwrap(), None);
    eventually("the circuit is open", async || {
        row(&world, 9).await;
        world.cache.stats().total.degraded > 10
    })
    .await;
    let before = world.loads();
    world.set_row(1, 1);
    world.close_gate();
    let mut first = Box::pin(row(&world, 1));
    assert!(futures_util::poll!(&mut first).is_pending());
    world.arrival().await;
    // Somebody writes, of whom this instance hears nothing.
    world.set_row(1, 2);
    world.discard_gate();
    let crowd = futures_util::future::join_all((0..1_000).map(|_| Cache::observe(row(&world, 1))));
    for (answer, seen) in crowd.await {
        assert_eq!((answer, seen.count(Source::Degraded)), (2, 1));
    }
    assert_eq!(world.loads() - before, 2);
}

/// When it is back it is found by one connection, whoever waits.
#[tokio::test]
async fn one_probe_finds_redis_when_it_is_back() {
    let mut server = RedisServer::start().await;
    let proxy = Proxy::start(server.port()).await;
    let world = World::over(Cache::builder().redis(proxy.url()).build().unwrap(), None);
    eventually("Redis is used", async || works(&world).await).await;
    let before = proxy.accepted();
    server.kill();
    eventually("the circuit is open", async || {
        let (_, seen) = Cache::observe(row(&world, 1)).await;
        seen.count(Source::Degraded) == 1
    })
    .await;
    for _ in 0..10_000 {
        row(&world, 1).await;
    }
    assert!(proxy.accepted() - before < 10, "callers connect");
    server.restart().await;
    let began = std::time::Instant::now();
    eventually("Redis is used again", async || works(&world).await).await;
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
    assert!(proxy.accepted() - before < 20, "a herd connects");
}

/// A connection that is cut costs a retry, not a hit.
#[tokio::test]
async fn a_cut_connection_is_tried_again() {
    let server = RedisServer::start().await;
    let proxy = Proxy::start(server.port()).await;
    for (retries, expected) in [(5, Source::Hit), (0, Source::Degraded)] {
        let builder = patient(Cache::builder().redis(proxy.url())).retries(retries);
        let world = World::over(builder.build().unwrap(), None);
        eventually("Redis is used", async || works(&world).await).await;
        proxy.hold(Direction::ToClient, true);
        let mut call = Box::pin(Cache::observe(row(&world, 1)));
        assert!(futures_util::poll!(&mut call).is_pending());
        proxy.cut();
        proxy.hold(Direction::ToClient, false);
        let (_, seen) = call.await;
        assert_eq!(seen.count(expected), 1, "{retries} retries: {seen:?}");
    }
}

/// However many operations a call needs, they have one budget.
#[tokio::test]
async fn a_call_has_one_budget() {
    let server = RedisServer::start().await;
    let proxy = Proxy::start(server.port()).await;
    let builder = Cache::builder()
        .redis(proxy.url())
        .operation_timeout(Duration::from_secs(20))
        .call_budget(Duration::from_millis(300))
        .failure_threshold(1_000);
    let world = World::over(builder.build().unwrap(), None);
    eventually("Redis is used", async || works(&world).await).await;
    // A look and an announcement succeed; storing would be the third wait.
    proxy.delay(Direction::ToClient, Duration::from_millis(120));
    let began = std::time::Instant::now();
    row(&world, 2).await;
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(240), "{took:?}");
    assert!(
        took < Duration::from_millis(350) || world.cache.stats().total.stores == 0,
        "{took:?}"
    );
    assert_eq!(world.cache.stats().total.abandoned_waits, 0);
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
            format!("{}{}", "x".repeat(10_000), world.load(id).await)
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
