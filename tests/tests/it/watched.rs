//! What changes under a connection that works is noticed: a server's role, and the history of its data.

use std::time::Duration;

use cache_runtime::{Cache, cached};
use cache_tests::{Direction, Proxy, RedisServer, eventually};
use redis::AsyncCommands as _;

use crate::world::World;

#[cached(namespace = "rows:all", ttl = "1h", key = id, cache = world.cache)]
async fn row(world: &World, id: u64) -> u64 {
    world.load(id).await
}

#[cached(namespace = "rows:near", ttl = "1h", key = id, local = "30m", cache = world.cache)]
async fn near(world: &World, id: u64) -> u64 {
    world.load(id).await
}

async fn replica_of(server: &RedisServer, of: [&str; 2]) {
    let mut redis = server.connection().await;
    let told: redis::RedisResult<()> = redis::cmd("REPLICAOF")
        .arg(&of)
        .query_async(&mut redis)
        .await;
    told.unwrap();
}

/// Whether the second of two calls hits, of both in turn.
async fn share(worlds: [&World; 2]) -> bool {
    let mut loads = 0;
    for _ in 0..2 {
        for world in worlds {
            let before = world.loads();
            row(world, 1).await;
            loads += world.loads() - before;
        }
    }
    // The first of all may have found an entry of before.
    loads <= 1
}

/// The first replica of a server changes the id of its history. Who was connected before would otherwise differ for ever from who comes after.
#[tokio::test]
async fn who_was_connected_before_and_after_the_first_replica_share_entries() {
    let before = World::redis().await;
    assert!(share([&before, &before]).await);
    let replica = RedisServer::start().await;
    let port = before.server().port().to_string();
    replica_of(&replica, ["127.0.0.1", &port]).await;
    eventually("the replica is there", async || {
        let mut redis = before.server().connection().await;
        let count: redis::RedisResult<String> = redis::cmd("INFO")
            .arg("replication")
            .query_async(&mut redis)
            .await;
        count.unwrap().contains("connected_slaves:1")
    })
    .await;
    let after = before.instance();
    eventually("they share", async || share([&before, &after]).await).await;
    assert_eq!(before.cache.stats().total.near_hits, 0);
}

/// A server that was turned into a replica, and back, has another past; nobody has called meanwhile.
#[tokio::test]
async fn a_server_that_was_a_replica_for_a_moment_is_not_believed() {
    let world = World::redis().await;
    near(&world, 1).await;
    row(&world, 1).await;
    let server = world.server();
    // What the replica brings from its own master, in which no invalidation has happened.
    let mut redis = server.connection().await;
    let [entry, generations] = ["cache:rows:all:1", "cache:%gen:rows"];
    let entry: Vec<u8> = redis::cmd("DUMP")
        .arg(entry)
        .query_async(&mut redis)
        .await
        .unwrap();
    let generations: Vec<u8> = redis::cmd("DUMP")
        .arg(generations)
        .query_async(&mut redis)
        .await
        .unwrap();
    let other = RedisServer::start().await;
    let mut redis = other.connection().await;
    for (name, dump) in [
        ("cache:rows:all:1", entry),
        ("cache:%gen:rows", generations),
    ] {
        let restored: redis::RedisResult<()> = redis::cmd("RESTORE")
            .arg((name, 0, dump))
            .query_async(&mut redis)
            .await;
        restored.unwrap();
    }
    world.cache.invalidate([row::key(1), near::key(1)]).await;
    world.set_row(1, 5);
    replica_of(server, ["127.0.0.1", &other.port().to_string()]).await;
    eventually("the other's data is there", async || {
        let mut redis = server.connection().await;
        redis.exists("cache:rows:all:1").await.unwrap()
    })
    .await;
    replica_of(server, ["NO", "ONE"]).await;
    eventually("its past is not believed", async || {
        row(&world, 1).await == 5 && near(&world, 1).await == 5
    })
    .await;
}

/// Nobody calls, so no operation finds it out.
#[tokio::test]
async fn a_server_that_becomes_a_replica_is_left() {
    let world = World::redis().await;
    row(&world, 1).await;
    replica_of(world.server(), ["127.0.0.1", "1"]).await;
    eventually("it is left", async || {
        world
            .cache
            .health()
            .await
            .problem
            .is_some_and(|why| why.contains("replica"))
    })
    .await;
    replica_of(world.server(), ["NO", "ONE"]).await;
    eventually("it is used again", async || share([&world, &world]).await).await;
}

/// Nobody calls, and no end of it says so.
#[tokio::test]
async fn a_connection_that_is_silently_dead_is_left() {
    let server = RedisServer::start().await;
    let proxy = Proxy::start(server.port()).await;
    let cache = Cache::builder()
        .redis(proxy.url())
        .connect_timeout(Duration::from_millis(500));
    let world = World::over(cache.build().unwrap(), Some(server));
    eventually("it is used", async || share([&world, &world]).await).await;
    let before = proxy.accepted();
    proxy.hold(Direction::ToClient, true);
    eventually("another connection is made", async || {
        proxy.accepted() > before
    })
    .await;
    proxy.hold(Direction::ToClient, false);
    eventually("it is used again", async || share([&world, &world]).await).await;
}

/// The watch is one task of its connection, and goes with it.
#[test]
fn the_watch_ends_with_its_cache_and_goes_on_after_its_runtime() {
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap()
    };
    let (first, second) = (runtime(), runtime());
    let (world, proxy) = second.block_on(async {
        let server = RedisServer::start().await;
        let proxy = Proxy::start(server.port()).await;
        let cache = crate::world::patient(cache_runtime::Cache::builder().redis(proxy.url()));
        (World::over(cache.build().unwrap(), Some(server)), proxy)
    });
    first.block_on(row(&world, 1));
    first.shutdown_timeout(Duration::from_secs(5));
    second.block_on(async {
        eventually("another runtime takes over", async || {
            share([&world, &world]).await
        })
        .await;
        replica_of(world.server(), ["127.0.0.1", "1"]).await;
        eventually("and watches", async || {
            world.cache.health().await.problem.is_some()
        })
        .await;
        replica_of(world.server(), ["NO", "ONE"]).await;
        eventually("it is used again", async || share([&world, &world]).await).await;
        let World { cache, server, .. } = world;
        drop(cache);
        eventually("no connection is left", async || proxy.connections() == 0).await;
        drop(server);
    });
}
