//! Bytes of answers come from replicas, and what is current from their master: so nothing that a replica has missed is served.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cache_runtime::{Builder, Cache, Key, Pattern, ReadFrom, ReplicaStats, Source, cached};
use cache_tests::{Direction, Proxy, RedisCluster, RedisSentinels, RedisServer, eventually};
use futures_util::StreamExt;
use futures_util::future::join_all;
use redis::AsyncCommands;

use crate::freshness::{Way, run, write};
use crate::world::{World, patient};

const WAYS: [Way; 7] = [
    Way::Key,
    Way::TypedHole,
    Way::Trailing,
    Way::Domain,
    Way::Middle,
    Way::Tag,
    Way::Sweep,
];

/// Where a replica can do without an entry's life.
#[cached(namespace = "aged", ttl = "1h", stale_if_error = "1h", key = id, cache = world.cache)]
async fn aged(world: &World, id: u64) -> Result<u64, String> {
    Ok(world.load(id).await)
}

#[cached(namespace = "large", ttl = "1h", key = id, cache = world.cache)]
async fn large(world: &World, id: u64) -> String {
    // The same length for each.
    (world.load(id).await % 10).to_string().repeat(20_000)
}

/// A master, a replica, and what lies between the two.
struct Pair {
    master: RedisServer,
    replica: RedisServer,
    between: Proxy,
}

impl Pair {
    async fn start() -> Self {
        let master = RedisServer::builder().config("repl-diskless-sync-delay", "0");
        let master = master.start().await;
        let between = Proxy::start(master.port()).await;
        let pair = Self {
            replica: RedisServer::start().await,
            master,
            between,
        };
        pair.follow().await;
        pair
    }

    async fn follow(&self) {
        let place = ("127.0.0.1", self.between.port());
        tell::<()>(&self.replica, redis::cmd("REPLICAOF").arg(place)).await;
        eventually("the replica is in step", async || self.is_in_step().await).await;
    }

    async fn is_in_step(&self) -> bool {
        let [master, replica] = [&self.master, &self.replica].map(offset);
        let (master, replica) = futures_util::join!(master, replica);
        master.is_some() && master == replica
    }

    /// What the master does from now on the replica does not hear.
    fn lag(&self, lags: bool) {
        self.between.hold(Direction::ToClient, lags);
    }

    fn world(&self, from: ReadFrom) -> World {
        let builder = Cache::builder().redis(self.master.url());
        let cache = patient(builder.read_from(from)).build().unwrap();
        World::over(cache, None)
    }

    /// A cache that has found the replica.
    async fn reading(&self) -> World {
        let world = self.world(ReadFrom::Replicas);
        is_connected(&world).await;
        world
    }
}

/// How far a server is in its history: as a master, or as a replica in step.
async fn offset(server: &RedisServer) -> Option<String> {
    let info: String = tell(server, redis::cmd("INFO").arg("replication")).await;
    let is_up = info.contains("role:master") || info.contains("master_link_status:up");
    let offset = |name: &str| {
        let line = info.lines().find_map(|line| line.strip_prefix(name));
        line.map(|offset| offset.trim().to_owned())
    };
    offset("slave_repl_offset:")
        .or_else(|| offset("master_repl_offset:"))
        .filter(|_| is_up)
}

async fn tell<T: redis::FromRedisValue>(server: &RedisServer, command: &redis::Cmd) -> T {
    let mut connection = server.connection().await;
    command.query_async(&mut connection).await.unwrap()
}

fn told(world: &World) -> ReplicaStats {
    world.cache.stats().replicas.unwrap()
}

async fn is_connected(world: &World) {
    eventually("a replica is connected", async || {
        run(world, u64::MAX, "connecting").await;
        told(world).connected > 0
    })
    .await;
}

/// So many calls of each command.
async fn calls(server: &RedisServer) -> BTreeMap<String, u64> {
    server.commandstats().await
}

fn of(calls: &BTreeMap<String, u64>, command: &str) -> u64 {
    calls.get(command).copied().unwrap_or_default()
}

/// Stores them and waits for the replica.
async fn stored(pair: &Pair, world: &World, ids: std::ops::Range<u64>) {
    for id in ids {
        run(world, id, "part").await;
        aged(world, id).await.unwrap();
        large(world, id).await;
    }
    eventually("the replica is in step", async || pair.is_in_step().await).await;
}

#[tokio::test]
async fn bytes_come_from_replicas_and_nothing_else() {
    let pair = Pair::start().await;
    let world = pair.reading().await;
    stored(&pair, &world, 0..10).await;
    let (loads, before) = (world.loads(), told(&world));
    let [master, replica] = [&pair.master, &pair.replica];
    let (at_master, at_replica) = (calls(master).await, calls(replica).await);
    let sent = output(master).await;
    // One after the other, together, and by hand.
    for id in 0..10 {
        run(&world, id, "part").await;
        aged(&world, id).await.unwrap();
        large(&world, id).await;
    }
    let together = join_all((0..10).map(|id| large(&world, id))).await;
    assert!(together.iter().all(|text| text.len() == 20_000));
    let keys: Vec<_> = (0..10).map(large::key).collect();
    let by_hand: Vec<Option<String>> = world.cache.mget(&keys).await;
    assert!(by_hand.iter().all(Option::is_some));
    assert_eq!(world.loads(), loads, "all were hits");
    let after = told(&world);
    assert_eq!(after.answered - before.answered, 50);
    assert_eq!((after.behind, after.silent), (before.behind, before.silent));
    // A million bytes of answers, and heads alone from the master.
    let sent = output(master).await - sent;
    assert!(sent < 100_000, "the master has sent {sent} bytes");
    let now = calls(master).await;
    assert_eq!(
        of(&now, "get"),
        of(&at_master, "get"),
        "asked of the master"
    );
    assert_eq!(
        of(&now, "mget"),
        of(&at_master, "mget"),
        "asked of the master"
    );

    // What else there is, the master does.
    let key = Key::parse("api:calls").unwrap();
    let hour = Duration::from_secs(3_600);
    world.cache.incr(&key, 1, hour).await.unwrap();
    drop(world.cache.lock(&key, hour).await.unwrap());
    let pattern = Pattern::parse("large:*").unwrap();
    assert_eq!(world.cache.scan(pattern).count().await, 10);
    run::invalidate(&world, 1, "part").await;
    run(&world, 1, "part").await;
    let mut asked = calls(replica).await;
    asked.retain(|command, calls| *calls > of(&at_replica, command));
    let is_asked = |command: &str| asked.contains_key(command);
    assert!(is_asked("mget"), "{asked:?}");
    for command in [
        "get", "hmget", "hget", "pttl", "getrange", "evalsha", "eval", "scan",
    ] {
        assert!(!is_asked(command), "asked of the replica: {asked:?}");
    }
}

#[cached(namespace = "sized", ttl = "1h", key = (size, id), cache = world.cache)]
async fn sized(world: &World, size: usize, id: u64) -> String {
    (world.load(id).await % 10).to_string().repeat(size)
}

/// Figures of docs/scale.md: what 200 hits of each size cost the master, with and without a replica.
#[tokio::test]
async fn what_the_master_is_spared() {
    let pair = Pair::start().await;
    let worlds = [pair.world(ReadFrom::Master), pair.reading().await];
    for size in [100, 1_000, 10_000, 100_000] {
        let mut sent = [0, 0];
        for (world, sent) in worlds.iter().zip(&mut sent) {
            sized(world, size, 1).await;
            eventually("the replica is in step", async || pair.is_in_step().await).await;
            let [before, cpu] = [output(&pair.master).await, busy(&pair.master).await];
            let loads = world.loads();
            for _ in 0..200 {
                assert_eq!(sized(world, size, 1).await.len(), size);
            }
            assert_eq!(world.loads(), loads);
            *sent = (output(&pair.master).await - before) / 200;
            let cpu = (busy(&pair.master).await - cpu) / 200;
            eprintln!(
                "{size} bytes: for each hit the master sends {sent} bytes and works {cpu} µs"
            );
        }
        let [alone, spared] = sent;
        assert!(spared < 500, "{spared} bytes");
        assert!(alone as usize > size, "{alone} bytes");
    }
}

/// Microseconds of CPU that a server has taken.
async fn busy(server: &RedisServer) -> u64 {
    let info: String = tell(server, redis::cmd("INFO").arg("cpu")).await;
    let field = |name: &str| -> f64 {
        let line = info.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().trim().parse().unwrap()
    };
    ((field("used_cpu_user_main_thread:") + field("used_cpu_sys_main_thread:")) * 1e6) as u64
}

/// Bytes that a server has sent.
async fn output(server: &RedisServer) -> u64 {
    let stats: String = tell(server, redis::cmd("INFO").arg("stats")).await;
    let field = |name: &str| -> u64 {
        let line = stats.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().trim().parse().unwrap()
    };
    field("total_net_output_bytes:") - field("total_net_repl_output_bytes:")
}

/// A replica has what was invalidated, and the generations that go with it. It is the one test that needs the heads: a key leaves no other trace.
#[tokio::test]
async fn what_a_replica_has_missed_is_not_served() {
    let pair = Pair::start().await;
    let world = pair.reading().await;
    let there = pair.reading().await;
    for (round, way) in (1..).zip(WAYS) {
        stored(&pair, &world, 0..2).await;
        pair.lag(true);
        write(way, &world, 1, round).await;
        let old: Option<Vec<u8>> = pair
            .replica
            .connection()
            .await
            .get("cache:agent:run:1:part")
            .await
            .unwrap();
        assert!(old.is_some(), "the replica does not lag");
        for world in [&world, &there] {
            world.set_row(1, round);
            assert_eq!(run(world, 1, "part").await, round, "{way:?}");
            // What has taken its place is not there yet either.
            let (loads, behind) = (world.loads(), told(world).behind);
            assert_eq!(run(world, 1, "part").await, round, "{way:?}");
            assert_eq!(world.loads(), loads, "{way:?}: not a hit");
            assert!(told(world).behind > behind, "{way:?}: answered by whom?");
        }
        pair.lag(false);
    }
}

/// Many writes and calls while the replica lags, and is in step, and lags.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_the_lag_nothing_old_is_served() {
    let pair = Pair::start().await;
    let worlds = [pair.reading().await, pair.reading().await].map(Arc::new);
    let [writer, reader] = &worlds;
    for trial in 1..=400_u64 {
        let (id, way) = (trial % 3, WAYS[trial as usize % 6]);
        pair.between
            .delay(Direction::ToClient, Duration::from_millis(trial % 5));
        let noise = tokio::spawn({
            let reader = reader.clone();
            async move { run(&reader, id, "part").await }
        });
        reader.set_row(id, trial);
        write(way, writer, id, trial).await;
        let (one, two) = futures_util::join!(run(reader, id, "part"), run(writer, id, "part"));
        assert_eq!([one, two], [trial; 2], "{way:?}");
        noise.await.unwrap();
        if trial % 7 == 0 {
            eventually("the replica is in step", async || pair.is_in_step().await).await;
            run(reader, id, "part").await;
        }
    }
    let told = [told(writer), told(reader)];
    assert!(told.iter().all(|told| told.behind > 0), "{told:?}");
    assert!(told.iter().any(|told| told.answered > 0), "{told:?}");
}

#[tokio::test]
async fn a_replica_that_is_gone_is_not_missed() {
    let mut pair = Pair::start().await;
    let world = pair.reading().await;
    stored(&pair, &world, 0..5).await;
    let loads = world.loads();
    pair.replica.kill();
    for id in (0..5).cycle().take(100) {
        let (_, seen) = Cache::observe(run(&world, id, "part")).await;
        assert_eq!(seen.count(Source::Hit), 1);
    }
    assert_eq!(world.loads(), loads);
    assert_eq!(told(&world).connected, 0);
    pair.replica.restart().await;
    pair.follow().await;
    eventually("the replica answers again", async || {
        let before = told(&world).answered;
        run(&world, 1, "part").await;
        told(&world).answered > before
    })
    .await;
    assert_eq!(world.loads(), loads);
}

/// A replica that stands still costs a call half of an operation's time, a few times, and then nothing.
#[tokio::test]
async fn a_replica_that_hangs_holds_nobody() {
    let pair = Pair::start().await;
    let builder = Cache::builder()
        .redis(pair.master.url())
        .read_from(ReadFrom::Replicas);
    let builder = builder
        .operation_timeout(Duration::from_secs(2))
        .call_budget(Duration::from_secs(4));
    let world = World::over(builder.build().unwrap(), None);
    is_connected(&world).await;
    stored(&pair, &world, 0..5).await;
    let loads = world.loads();
    pair.replica.pause();
    let mut calls = 0;
    eventually("it is not asked any more", async || {
        let began = Instant::now();
        let (_, seen) = Cache::observe(run(&world, 1, "part")).await;
        assert_eq!(seen.count(Source::Hit), 1, "the master has it");
        assert!(began.elapsed() < Duration::from_secs(4));
        calls += 1;
        told(&world).connected == 0
    })
    .await;
    assert!(calls <= 3, "{calls} calls have waited");
    // A miss has waited for nobody.
    let began = Instant::now();
    for id in 0..200 {
        run(&world, id % 5, "part").await;
    }
    assert!(began.elapsed() < Duration::from_secs(10));
    assert_eq!(world.loads(), loads);
    pair.replica.resume();
    eventually("it is asked again", async || {
        run(&world, 1, "part").await;
        told(&world).connected == 1
    })
    .await;
}

/// A miss is one as soon as the master says so.
#[tokio::test]
async fn a_miss_waits_for_no_replica() {
    let pair = Pair::start().await;
    let world = pair.reading().await;
    pair.replica.pause();
    let began = Instant::now();
    for id in 0..20 {
        run(&world, id, "new").await;
    }
    // An operation has 20 seconds.
    assert!(began.elapsed() < Duration::from_secs(9));
    assert_eq!(told(&world).silent, 0);
}

/// Neither answers without the master: nobody could say what is current.
#[tokio::test]
async fn without_the_master_the_sources_answer() {
    let mut pair = Pair::start().await;
    let builder = Cache::builder().redis(pair.master.url());
    let cache = builder.read_from(ReadFrom::Replicas).build().unwrap();
    let world = World::over(cache, None);
    is_connected(&world).await;
    stored(&pair, &world, 0..2).await;
    pair.master.kill();
    world.set_row(1, 7);
    assert_eq!(run(&world, 1, "part").await, 7);
}

/// Of servers that are named, those that follow a master are read, whichever it is at the time.
#[tokio::test]
async fn replicas_are_named_by_their_addresses() {
    let pair = Pair::start().await;
    let named = [&pair.master, &pair.replica].map(|server| format!("127.0.0.1:{}", server.port()));
    let world = pair.world(ReadFrom::ReplicasAt(named.to_vec()));
    is_connected(&world).await;
    stored(&pair, &world, 0..3).await;
    let before = told(&world).answered;
    eventually("the replica answers", async || {
        run(&world, 1, "part").await;
        told(&world).answered > before
    })
    .await;
    assert_eq!(told(&world).connected, 1, "the master is no replica");
    // Promoted, it is left.
    tell::<()>(&pair.replica, redis::cmd("REPLICAOF").arg(("NO", "ONE"))).await;
    eventually("it is no replica any more", async || {
        run(&world, 1, "part").await;
        told(&world).connected == 0
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_a_replica_is_told_and_no_secret() {
    let redis = || Cache::builder().redis("redis://cache");
    let at = |address: &str| ReadFrom::ReplicasAt(vec![address.to_owned()]);
    for builder in [
        redis().read_from(at("redis://:hunter2@there")),
        redis().read_from(at(":hunter2@there:1")),
        redis().read_from(at("")),
        redis().read_from(ReadFrom::ReplicasAt(Vec::new())),
        Cache::builder()
            .redis_cluster(["redis://cache"])
            .read_from(at("there:1")),
    ] {
        let error = builder.build().expect_err("no address");
        assert_eq!(error.problems().len(), 1, "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
    let cache = redis().read_from(at("there")).build().unwrap();
    assert_eq!(cache.stats().replicas.unwrap().connected, 0);
    let world = World::memory();
    assert_eq!(world.cache.stats().replicas, None);
}

/// Patient enough for a loaded machine, and not so much that what hangs were waited for.
fn bounded(builder: Builder) -> World {
    let builder = builder
        .read_from(ReadFrom::Replicas)
        .operation_timeout(Duration::from_secs(5))
        .call_budget(Duration::from_secs(10))
        .connect_timeout(Duration::from_secs(10));
    World::over(builder.build().unwrap(), None)
}

/// Writes in every way, and reads what was written; then whether replicas have answered anything.
async fn is_fresh_and_read(worlds: [&World; 2], values: &mut u64) -> bool {
    let before = told(worlds[1]).answered;
    for way in WAYS {
        *values += 1;
        for world in worlds {
            world.set_row(2, *values);
        }
        write(way, worlds[0], 2, *values).await;
        // While it is owed, as in a failover, others have not heard of it.
        eventually("it is delivered", async || {
            worlds[0].cache.stats().pending_invalidations == 0
        })
        .await;
        for world in worlds {
            assert_eq!(run(world, 2, "part").await, *values, "{way:?}");
            run(world, 2, "part").await;
        }
    }
    told(worlds[1]).answered > before
}

#[tokio::test]
async fn sentinels_promote_a_replica_and_the_others_are_read() {
    let mut redis = RedisSentinels::start(None).await;
    let world = || bounded(Cache::builder().redis_sentinel(redis.master(), redis.urls()));
    let [here, there] = [world(), world()];
    let mut values = 0;
    eventually("both replicas are read", async || {
        is_fresh_and_read([&here, &there], &mut values).await && told(&there).connected == 2
    })
    .await;
    redis.servers[0].kill();
    redis.promoted().await;
    eventually("the replica that is left is read", async || {
        is_fresh_and_read([&here, &there], &mut values).await && told(&there).connected == 1
    })
    .await;
}

/// Keys with these lie at all masters, unlike those with the first numbers.
fn spread() -> impl Iterator<Item = u64> {
    (1..=30).map(|n| n * 104_729)
}

/// Ranges of slots that have a replica, as a node tells it.
async fn replicas_told(cluster: &RedisCluster, number: usize) -> usize {
    let ranges: Vec<Vec<redis::Value>> = cluster.tell(number, "CLUSTER SLOTS").await;
    ranges.iter().filter(|range| range.len() == 4).count()
}

#[tokio::test]
async fn replicas_of_a_cluster_are_read() {
    let mut cluster = RedisCluster::start().await;
    let world = || bounded(Cache::builder().redis_cluster(cluster.urls()));
    // A replica that has received nothing is not told of.
    let first = bounded(Cache::builder().redis_cluster(cluster.urls()));
    for id in spread() {
        run(&first, id, "part").await;
    }
    eventually("all nodes tell of all replicas", async || {
        let told = (0..6).map(|number| replicas_told(&cluster, number));
        join_all(told).await == [3; 6]
    })
    .await;
    let [here, there] = [world(), world()];
    let mut values = 0;
    eventually("all replicas are connected", async || {
        for id in spread() {
            run(&here, id, "part").await;
        }
        is_fresh_and_read([&here, &there], &mut values).await && told(&here).connected == 3
    })
    .await;
    // The sweep has taken along all of them.
    eventually("all replicas have all keys", async || {
        let before = told(&here).answered;
        for id in spread() {
            run(&here, id, "part").await;
        }
        told(&here).answered - before == 30
    })
    .await;
    let (loads, before) = (here.loads(), cluster.commandstats().await);
    let answered = told(&here).answered;
    for id in spread() {
        run(&here, id, "part").await;
    }
    let together = spread().map(|id| run(&here, id, "part"));
    join_all(together).await;
    assert_eq!(here.loads(), loads);
    assert_eq!(told(&here).answered - answered, 60);
    let after = cluster.commandstats().await;
    let rise = |nodes: std::ops::Range<usize>, command| -> u64 {
        let each = nodes.map(|node| of(&after[node], command) - of(&before[node], command));
        each.sum()
    };
    assert_eq!((rise(0..3, "get"), rise(3..6, "get")), (0, 60));
    assert_eq!((rise(0..3, "getrange"), rise(3..6, "hmget")), (60, 0));

    // A replica takes its master's place; the one that was a master follows it.
    cluster.fail_over(0).await;
    cluster.settled().await;
    eventually("all replicas are read again", async || {
        for id in spread() {
            run(&here, id, "part").await;
        }
        is_fresh_and_read([&here, &there], &mut values).await && told(&here).connected == 3
    })
    .await;
    // One that is gone is not missed.
    let replica = cluster.replica_of(1).await;
    cluster.node_mut(replica).kill();
    for id in spread() {
        here.set_row(id, 0);
        run(&here, id, "part").await;
    }
    let loads = here.loads();
    for id in spread() {
        run(&here, id, "part").await;
    }
    assert_eq!(here.loads(), loads);
}
