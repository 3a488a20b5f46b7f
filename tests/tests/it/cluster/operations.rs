//! What works with one server works with a cluster.

use std::sync::Arc;
use std::time::Duration;

use cache_runtime::{
    HealthStatus, Job, JobOutcome, JobRun, Jobs, Key, Pattern, RateLimit, Tag, Target, Write,
    cached,
};
use cache_tests::{RedisCluster, eventually};
use futures_util::TryStreamExt as _;
use futures_util::future::join_all;

use super::*;

const HOUR: Duration = Duration::from_secs(3600);
const KEYS: u64 = 60;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_that_works_with_one_server_works() {
    let cluster = RedisCluster::start().await;
    // Side by side, so that the cluster is started once.
    tokio::join!(
        answers_are_stored_and_made_old(&cluster),
        the_common_race_stays_fresh(&cluster),
        writers_store_what_they_write(&cluster),
        many_keys_go_together(&cluster),
        one_instance_loads(&cluster),
        near_caches_hear_of_it(&cluster),
        what_is_beside_the_answers(&cluster),
        jobs_are_run(&cluster),
        writes_wait_for_their_source(&cluster),
        everything_is_listed_and_cleared(&cluster),
        the_command_line_knows_it(&cluster),
    );
}

async fn answers_are_stored_and_made_old(cluster: &RedisCluster) {
    let (world, other) = (over(cluster, "answers"), over(cluster, "answers"));
    for (value, way) in (1..).zip(WAYS) {
        for id in 0..KEYS {
            assert_eq!(run(&world, id, "part").await, world.row(id));
        }
        let before = world.loads();
        for id in 0..KEYS {
            assert_eq!(run(&world, id, "part").await, world.row(id), "{way:?}");
        }
        assert_eq!(world.loads(), before, "{way:?}: all of them are stored");
        // Another instance makes it old.
        for id in 0..KEYS {
            world.set_row(id, value);
            write(way, &other, id, value).await;
            assert_eq!(run(&world, id, "part").await, value, "{way:?}");
        }
    }
}

/// The reader has read the old row, the writer commits and invalidates, the reader stores; the next read.
async fn the_common_race_stays_fresh(cluster: &RedisCluster) {
    let world = Arc::new(over(cluster, "race"));
    for (trial, way) in (1..=60).zip(WAYS.into_iter().cycle()) {
        let id = trial % 11;
        world.close_gate();
        let reader = tokio::spawn({
            let world = world.clone();
            async move { run(&world, id, "part").await }
        });
        world.arrival().await;
        write(way, &world, id, trial).await;
        world.open_gate();
        assert_ne!(
            reader.await.unwrap(),
            trial,
            "the reader was too late to try anything"
        );
        let answer = run(&world, id, "part").await;
        assert_eq!(answer, trial, "{way:?}: answered with the old row");
        assert!(is_stored(&world, id).await, "{way:?}");
        write(way, &world, id, 0).await;
    }
}

async fn writers_store_what_they_write(cluster: &RedisCluster) {
    let (world, other) = (over(cluster, "writers"), over(cluster, "writers"));
    for id in 0..KEYS {
        update(&world, id, id + 1).await.unwrap();
        let before = other.loads();
        assert_eq!(run(&other, id, "part").await, id + 1);
        assert_eq!(other.loads(), before, "it was stored");
    }
    let key = Key::new("by:hand", [&1_u64 as _]);
    world.cache.set(&key, &7_u64, HOUR).await;
    assert_eq!(other.cache.get(&key).await, Some(7_u64));
    other.cache.delete(&key).await;
    assert_eq!(world.cache.get::<u64>(&key).await, None);
}

async fn many_keys_go_together(cluster: &RedisCluster) {
    #[cached(namespace = "rows", key = id, ttl = "10m", cache = world.cache)]
    async fn row(world: &World, id: u64) -> u64 {
        world.load(id).await
    }

    #[cached(row(ids), batch = ids, cache = world.cache)]
    async fn rows(world: &World, ids: &[u64]) -> std::collections::HashMap<u64, u64> {
        world.load(0).await;
        ids.iter().map(|id| (*id, world.row(*id))).collect()
    }

    let world = over(cluster, "batches");
    let all: Vec<u64> = (0..200).collect();
    assert_eq!(rows(&world, &all).await.len(), 200);
    assert_eq!(world.loads(), 1);
    assert_eq!(rows(&world, &all).await.len(), 200);
    assert_eq!(world.loads(), 1, "all of them are stored");
    world.set_row(7, 70);
    world.cache.invalidate([row::key(7)]).await;
    assert_eq!(rows(&world, &all).await[&7], 70);
    assert_eq!(world.loads(), 2);
    // Those that wait at one moment too.
    let found = join_all(all.iter().map(|id| row(&world, *id))).await;
    assert_eq!((found[7], world.loads()), (70, 2));
}

async fn one_instance_loads(cluster: &RedisCluster) {
    #[cached(namespace = "slow", ttl = "1h", key = id, single_flight = fleet, lock = "10m", cache = world.cache)]
    async fn slow(world: &World, id: u64) -> u64 {
        world.load(id).await
    }

    let (here, there) = (
        Arc::new(over(cluster, "fleet")),
        Arc::new(over(cluster, "fleet")),
    );
    for id in 0..5 {
        here.close_gate();
        let leader = tokio::spawn({
            let here = here.clone();
            async move { slow(&here, id).await }
        });
        here.arrival().await;
        let waiting = tokio::spawn({
            let there = there.clone();
            async move { slow(&there, id).await }
        });
        here.set_row(id, 1);
        here.open_gate();
        assert_eq!((leader.await.unwrap(), waiting.await.unwrap()), (0, 0));
    }
    assert_eq!(there.loads(), 0, "the other one has waited");
}

async fn near_caches_hear_of_it(cluster: &RedisCluster) {
    #[cached(namespace = "near:all", ttl = "1h", key = id, tags = ["row:{id}"], local = "30m", cache = world.cache)]
    async fn near(world: &World, id: u64) -> u64 {
        world.load(id).await
    }

    let (world, other) = (over(cluster, "near"), over(cluster, "near"));
    let ways: [fn(u64) -> Target; 4] = [
        |id| near::key(id).into(),
        |_| Pattern::parse("near:*").unwrap().into(),
        |_| Pattern::parse("near:a*:*").unwrap().into(),
        |id| Tag::new("row", [&id as _]).into(),
    ];
    for (value, way) in (1..).zip(ways) {
        for id in 0..5 {
            near(&world, id).await;
            near(&world, id).await;
            let hits = world.cache.stats().total.near_hits;
            assert_eq!(near(&world, id).await, world.row(id));
            assert_eq!(world.cache.stats().total.near_hits, hits + 1);
            world.set_row(id, value);
            other.cache.invalidate([way(id)]).await;
            eventually("the near cache has heard of it", async || {
                near(&world, id).await == value
            })
            .await;
        }
    }
    // A value that is replaced is pushed too.
    #[cached(namespace = "kept", ttl = "1h", key = id, local = "30m", cache = world.cache)]
    async fn kept(world: &World, id: u64) -> u64 {
        world.load(id).await
    }
    kept(&world, 0).await;
    other.cache.set(&kept::key(0), &99_u64, HOUR).await;
    eventually("the near cache has heard of it", async || {
        kept(&world, 0).await == 99
    })
    .await;
}

async fn what_is_beside_the_answers(cluster: &RedisCluster) {
    let (world, other) = (over(cluster, "beside"), over(cluster, "beside"));
    let key = |id: u64| Key::new("api:calls", [&id as _]);
    for id in 0..20 {
        world.cache.try_incr(&key(id), 1, HOUR).await.unwrap();
        assert_eq!(other.cache.try_incr(&key(id), 2, HOUR).await.unwrap(), 3);
        other.cache.reset_counter(&key(id)).await;
        assert_eq!(world.cache.counter(&key(id)).await, None);
        let limit = RateLimit::fixed(1, HOUR);
        assert!(
            world
                .cache
                .try_allow(&key(id), &limit)
                .await
                .unwrap()
                .allowed
        );
        assert!(
            !other
                .cache
                .try_allow(&key(id), &limit)
                .await
                .unwrap()
                .allowed
        );
        let lock = world.cache.try_lock(&key(id), HOUR).await.unwrap().unwrap();
        assert!(
            other
                .cache
                .try_lock(&key(id), HOUR)
                .await
                .unwrap()
                .is_none()
        );
        let key = key(id);
        let waiting = other.cache.try_lock_within(&key, HOUR, HOUR);
        let waits_and_is_woken = async {
            lock.release().await.unwrap();
        };
        let (waited, ()) = tokio::join!(waiting, waits_and_is_woken);
        waited
            .unwrap()
            .expect("it was given back")
            .release()
            .await
            .unwrap();
    }
}

async fn jobs_are_run(cluster: &RedisCluster) {
    let world = over(cluster, "jobs");
    let job = || Job::new("count", "* * * * * *", |_: JobRun| async {});
    let start = |name| {
        Jobs::new(&world.cache)
            .instance(name)
            .job(job())
            .start()
            .unwrap()
    };
    let (one, other) = (start("one"), start("other"));
    eventually("some runs are done", async || {
        let history = one.history("count").await.unwrap();
        history
            .iter()
            .filter(|run| run.outcome == JobOutcome::Succeeded)
            .count()
            >= 2
    })
    .await;
    drop((one, other));
}

async fn writes_wait_for_their_source(cluster: &RedisCluster) {
    let world = over(cluster, "behind");
    let sum = Arc::new(std::sync::atomic::AtomicI64::new(0));
    let sink = {
        let sum = sum.clone();
        move |batch: Vec<Write<u64, i64>>| {
            let all: i64 = batch.iter().map(|write| write.value).sum();
            sum.fetch_add(all, std::sync::atomic::Ordering::SeqCst);
            async { Ok::<_, String>(()) }
        }
    };
    let queue = world
        .cache
        .write_behind("views")
        .every(Duration::from_millis(20));
    let views = queue.counters(sink).unwrap();
    for id in 0..10 {
        views.add(&id, 3).await.unwrap();
    }
    eventually("the source has all of them", async || {
        sum.load(std::sync::atomic::Ordering::SeqCst) == 30
    })
    .await;
}

async fn everything_is_listed_and_cleared(cluster: &RedisCluster) {
    let world = over(cluster, "cleared");
    for id in 0..KEYS {
        run(&world, id, "part").await;
        run(&world, id, "other").await;
    }
    let all: Vec<Key> = world.cache.try_scan_all().try_collect().await.unwrap();
    assert_eq!(all.len() as u64, 2 * KEYS);
    // Swept on all nodes, and nothing else with it.
    write(Way::Sweep, &world, 1, 1).await;
    let before = world.loads();
    run(&world, 2, "other").await;
    assert_eq!(world.loads(), before);
    run(&world, 2, "part").await;
    assert_eq!(world.loads(), before + 1);
    let health = world.cache.health().await;
    assert_ne!(health.status, HealthStatus::Unavailable, "{health}");
    assert_eq!(health.problem, None);
    world.cache.clear(cache_runtime::Everything).await;
    let all: Vec<Key> = world.cache.try_scan_all().try_collect().await.unwrap();
    assert_eq!(all.len(), 0);
    let before = world.loads();
    run(&world, 3, "other").await;
    assert_eq!(world.loads(), before + 1);
}

async fn the_command_line_knows_it(cluster: &RedisCluster) {
    let world = over(cluster, "told");
    let cachectl = async |arguments: &[&str]| {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_cachectl-tested"));
        command
            .env_clear()
            .args(["--cluster", &cluster.urls().join(","), "--prefix", "told"])
            .args(["--timeout", "60s"])
            .args(arguments)
            .kill_on_drop(true);
        let output = command.output().await.unwrap();
        let told = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(told).unwrap())
    };
    run(&world, 1, "part").await;
    let (code, told) = cachectl(&["keys", "agent:*"]).await;
    assert!(
        code == Some(0) && told.contains("agent:run:1:part"),
        "{told}"
    );
    world.set_row(1, 1);
    let (code, told) = cachectl(&["invalidate", "agent:*"]).await;
    assert_eq!(code, Some(0), "{told}");
    assert_eq!(run(&world, 1, "part").await, 1);
    let (_, told) = cachectl(&["doctor"]).await;
    assert!(told.contains("a cluster"), "{told}");
}
