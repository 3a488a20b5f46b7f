//! P1 whatever Redis loses: evicted keys, a flushed script cache, a lagging replica's past, a clock that jumps.

use std::sync::Arc;

use cache_runtime::{Cache, OnRestart, Pattern, cached, invalidates};
use cache_tests::{RedisServer, eventually};

use crate::world::{World, patient};

#[cached(namespace = "agent:run", ttl = "1h", key = (id, part), tags = ["owner:{id}"], cache = world.cache)]
async fn run(world: &World, id: u64, part: u64) -> (u64, String) {
    (world.load(id).await, "x".repeat(2_000))
}

/// The ways to make a row's answers old, in turn.
async fn write(world: &World, id: u64, value: u64) {
    #[invalidates(run(id, 0), run(id, 1), run(id, 2), cache = world.cache)]
    async fn by_key(world: &World, id: u64, value: u64) {
        world.set_row(id, value);
    }

    #[invalidates("agent:*:{id}:*", cache = world.cache)]
    async fn by_pattern(world: &World, id: u64, value: u64) {
        world.set_row(id, value);
    }

    #[invalidates(tag = "owner:{id}", cache = world.cache)]
    async fn by_tag(world: &World, id: u64, value: u64) {
        world.set_row(id, value);
    }

    match value % 3 {
        0 => by_key(world, id, value).await,
        1 => by_pattern(world, id, value).await,
        _ => by_tag(world, id, value).await,
    }
}

async fn send(server: &RedisServer, command: &[&str]) {
    let mut connection = server.connection().await;
    let mut sent = redis::cmd(command[0]);
    sent.arg(&command[1..]);
    sent.exec_async(&mut connection).await.unwrap();
}

/// A server that evicts anything at any moment: entries, generations, fences.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_evicted_nothing_old_is_served() {
    let server = RedisServer::builder()
        .config("maxmemory", "3500kb")
        .config("maxmemory-policy", "allkeys-random")
        .start()
        .await;
    let cache = patient(Cache::builder().redis(server.url()))
        .build()
        .unwrap();
    let world = Arc::new(World::over(cache, Some(server)));
    let readers: Vec<_> = (0..4)
        .map(|reader| {
            let world = world.clone();
            tokio::spawn(async move {
                for call in 0..5_000_u64 {
                    run(&world, 1_000 + (call * 7 + reader) % 300, call % 3).await;
                }
            })
        })
        .collect();
    for value in 1..=1_000 {
        let id = value % 50;
        let part = value % 3;
        run(&world, id, part).await;
        write(&world, id, value).await;
        assert_eq!(run(&world, id, part).await.0, value);
    }
    for reader in readers {
        reader.await.unwrap();
    }
    let mut redis = world.server().connection().await;
    let stats: String = redis::cmd("INFO")
        .arg("stats")
        .query_async(&mut redis)
        .await
        .unwrap();
    let evicted = stats
        .lines()
        .find_map(|line| line.strip_prefix("evicted_keys:")?.parse().ok());
    assert!(evicted > Some(1_000_u64), "evicted: {evicted:?}");
    let total = world.cache.stats().total;
    assert!(total.hits > 1_000, "{total:?}");
}

#[tokio::test]
async fn a_server_that_forgot_the_scripts_is_told_again() {
    let world = World::redis().await;
    for value in 1..=30 {
        run(&world, 1, 0).await;
        send(world.server(), &["SCRIPT", "FLUSH"]).await;
        write(&world, 1, value).await;
        send(world.server(), &["SCRIPT", "FLUSH"]).await;
        assert_eq!(run(&world, 1, 0).await.0, value);
        let loads = world.loads();
        run(&world, 1, 0).await;
        assert_eq!(world.loads(), loads, "not cached");
    }
    assert_eq!(world.cache.stats().total.degraded, 0);
}

/// The master is told, dies, and a replica that has not heard of it is promoted.
#[tokio::test]
async fn the_promotion_of_a_lagging_replica_brings_nothing_back() {
    let master = RedisServer::start().await;
    let mut replica = RedisServer::start().await;
    let cache = patient(Cache::builder().redis(master.url()))
        .build()
        .unwrap();
    let mut world = World::over(cache, Some(master));
    let port = world.server().port().to_string();
    // Before anybody is connected, since a first replica changes the id of the master's history.
    send(&replica, &["REPLICAOF", "127.0.0.1", &port]).await;
    eventually("the replica is in step", async || {
        let mut redis = replica.connection().await;
        let info: redis::RedisResult<String> = redis::cmd("INFO")
            .arg("replication")
            .query_async(&mut redis)
            .await;
        info.is_ok_and(|info| info.contains("master_link_status:up"))
    })
    .await;
    run(&world, 1, 0).await;
    eventually("the replica has the entry", async || {
        let mut redis = replica.connection().await;
        let found: usize = redis::cmd("EXISTS")
            .arg("cache:agent:run:1:0")
            .query_async(&mut redis)
            .await
            .unwrap_or(0);
        found == 1
    })
    .await;
    // Cut off for good: it cannot come back without the password.
    send(world.server(), &["CONFIG", "SET", "requirepass", "other"]).await;
    let mut redis = redis::Client::open(format!("redis://:other@127.0.0.1:{port}"))
        .unwrap()
        .get_multiplexed_async_connection()
        .await
        .unwrap();
    let killed: usize = redis::cmd("CLIENT")
        .arg(&["KILL", "TYPE", "replica"])
        .query_async(&mut redis)
        .await
        .unwrap();
    assert_eq!(killed, 1);
    for value in 1..=3 {
        write(&world, 1, value).await;
    }
    assert_eq!(world.cache.stats().pending_invalidations, 0);
    world.server.as_mut().unwrap().kill();
    send(&replica, &["REPLICAOF", "NO", "ONE"]).await;

    let cache = patient(Cache::builder().redis(replica.url()))
        .build()
        .unwrap();
    let promoted = World::over(cache, None);
    promoted.set_row(1, 3);
    assert_eq!(
        run(&promoted, 1, 0).await.0,
        3,
        "the replica's past was believed"
    );
    replica.kill();
}

/// `on_restart = keep` is what it says: what the snapshot has is served, also what was invalidated since.
#[tokio::test]
async fn who_keeps_what_a_restart_brings_gets_the_old_back() {
    for (policy, kept) in [(OnRestart::Keep, true), (OnRestart::Discard, false)] {
        let server = RedisServer::start().await;
        let cache = patient(Cache::builder().redis(server.url()).on_restart(policy))
            .build()
            .unwrap();
        let mut world = World::over(cache, Some(server));
        run(&world, 1, 0).await;
        run(&world, 2, 0).await;
        send(world.server(), &["SAVE"]).await;
        write(&world, 1, 5).await;
        let server = world.server.as_mut().unwrap();
        server.kill();
        server.restart().await;
        eventually("Redis is used again", async || {
            let loads = world.loads();
            run(&world, 9, 0).await;
            world.loads() == loads
        })
        .await;
        let loads = world.loads();
        run(&world, 2, 0).await;
        assert_eq!(world.loads() == loads, kept, "{policy:?}");
        assert_eq!(run(&world, 1, 0).await.0 == 0, kept, "{policy:?}");
    }
}

/// The common race, while the server's clock jumps forth and back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_jumps_brings_nothing_back() {
    let server = RedisServer::builder().movable_clock().start().await;
    let cache = patient(Cache::builder().redis(server.url()))
        .build()
        .unwrap();
    let world = Arc::new(World::over(cache, Some(server)));
    let mut redis = world.server().connection().await;
    let mut now = async || {
        let (seconds, _): (i64, i64) = redis::cmd("TIME").query_async(&mut redis).await.unwrap();
        seconds
    };
    let start = now().await;
    let jumps = [0, 900, -900, 86_400, -86_400, 1_200, 0, -30];
    for (value, jump) in (1..=200).zip(jumps.into_iter().cycle()) {
        world.close_gate();
        let reader = tokio::spawn({
            let world = world.clone();
            async move { run(&world, 1, 0).await }
        });
        world.arrival().await;
        write(&world, 1, value).await;
        world.server().clock().set(jump);
        world.open_gate();
        reader.await.unwrap();
        assert_eq!(run(&world, 1, 0).await.0, value, "after a jump to {jump}");
        write(&world, 1, 1_000 + value).await;
    }
    world.server().clock().set(86_400);
    let moved = now().await - start;
    assert!(
        (86_000..90_000).contains(&moved),
        "the clock moved by {moved} s"
    );
}

/// Memory that a million invalidations leave behind.
#[tokio::test]
async fn a_million_invalidations_leave_little_behind() {
    let world = World::redis().await;
    let mut redis = world.server().connection().await;
    let mut used = async || -> u64 {
        let memory: String = redis::cmd("INFO")
            .arg("memory")
            .query_async(&mut redis)
            .await
            .unwrap();
        let used = |line: &str| line.strip_prefix("used_memory:")?.trim().parse().ok();
        memory.lines().find_map(used).unwrap()
    };
    run(&world, 1, 0).await;
    let before = used().await;
    let mut most = 0;
    for thousand in 0..1_000 {
        let ids = thousand * 1_000..(thousand + 1) * 1_000;
        world
            .cache
            .invalidate(ids.clone().map(|id| run::key(id, 0)))
            .await;
        let patterns = ids.map(|id| Pattern::parse(&format!("agent:*:{id}:*")).unwrap());
        world.cache.invalidate(patterns).await;
        if thousand % 20 == 0 {
            most = most.max(used().await - before);
        }
    }
    assert!(most < 24 << 20, "{most} bytes");
    let last = Pattern::parse("agent:*:1:*").unwrap();
    world.set_row(1, 7);
    world.cache.invalidate([last]).await;
    assert_eq!(run(&world, 1, 0).await.0, 7);
    let loads = world.loads();
    run(&world, 1, 0).await;
    assert_eq!(world.loads(), loads, "not cached any more");
}
