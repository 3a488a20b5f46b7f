//! Slots that move, and nodes that go.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cache_runtime::{HealthStatus, cached, invalidates};
use cache_tests::{RedisServer, eventually, slot_of};
use futures_util::FutureExt;

use super::*;

const KEYS: u64 = 40;

/// The names in Redis of what a call of `run` needs: the entry, and the generations of its zone.
fn names(prefix: &str, id: u64) -> [String; 2] {
    let entry = format!("{prefix}:agent:run:{id}:part");
    let zone = slot_of(&entry) / 1024;
    let mut generations = (0..).map(|tag| format!("{prefix}:%gen{{{tag}}}:agent"));
    let of_zone = generations.find(|name| slot_of(name) / 1024 == zone);
    [entry, of_zone.unwrap()]
}

/// The masters on which these are, at first.
fn masters(prefix: &str, id: u64) -> [usize; 2] {
    names(prefix, id).map(|name| usize::from(slot_of(&name)) * 3 / 16_384)
}

/// Rows of all kinds: some whose entry is on a node, with what they depend on or without it, some of which only that is there, and others.
fn some_of_each(prefix: &str, node: usize) -> Vec<u64> {
    let kind = |id: &u64| masters(prefix, *id).map(|master| master == node);
    let of = |wanted| (0..3000).filter(move |id| kind(id) == wanted).take(4);
    let kinds = [[true, true], [true, false], [false, true], [false, false]];
    kinds.into_iter().flat_map(of).collect()
}

/// A hit asks one node, once, for most keys; and a look-up of many goes to each node once.
#[tokio::test]
async fn a_hit_is_one_round_trip_to_one_node() {
    let cluster = RedisCluster::start().await;
    let world = over(&cluster, "trips");
    let mut alone = 0;
    for id in 0..KEYS {
        assert!(is_stored(&world, id).await);
        let before = cluster.commandstats().await;
        run(&world, id, "part").await;
        let after = cluster.commandstats().await;
        let asked = |command: &str| -> Vec<u64> {
            let calls = |stats: &std::collections::BTreeMap<String, u64>| {
                stats.get(command).copied().unwrap_or_default()
            };
            before
                .iter()
                .zip(&after)
                .map(|(before, after)| calls(after) - calls(before))
                .collect()
        };
        let (gets, generations) = (asked("get"), asked("hmget"));
        assert_eq!(gets.iter().sum::<u64>(), 1);
        // Those of its domain and those of tags.
        assert_eq!(generations.iter().sum::<u64>(), 2);
        let same = gets
            .iter()
            .zip(&generations)
            .all(|(get, hmget)| 2 * get == *hmget);
        alone += u64::from(same);
        let [entry, zone] = masters("trips", id);
        assert_eq!(same, entry == zone, "key {id}");
    }
    assert!(
        alone * 10 >= KEYS * 8,
        "of {KEYS} keys {alone} are with what they depend on"
    );
}

/// Slots of entries, of generations and of the pushes' counter, in all stages of a move.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_slots_move_nothing_old_is_served() {
    let cluster = RedisCluster::start().await;
    let world = over(&cluster, "moving");
    let other = over(&cluster, "moving");
    let mut value = 0;
    for id in 0..4 {
        let [entry, generations] = names("moving", id);
        for name in [entry, generations, "moving:%pushes".to_owned()] {
            assert!(is_stored(&world, id).await, "{name}");
            let slot = slot_of(&name);
            let from = cluster.master_of(slot).await;
            let moving = cluster.begin_moving(slot, (from + 1) % 3).await;
            check(&world, &other, id, &mut value, "on its way").await;
            cluster.move_names(moving, 1).await;
            check(&world, &other, id, &mut value, "partly there").await;
            cluster.end_moving(moving).await;
            check(&world, &other, id, &mut value, "moved").await;
            assert!(is_stored(&world, id).await, "{name}: where it is now");
        }
    }
    assert_eq!(world.cache.stats().pending_invalidations, 0);
}

/// Whatever is written by another instance is the next answer.
async fn check(world: &World, other: &World, id: u64, value: &mut u64, when: &str) {
    for way in WAYS {
        *value += 1;
        run(world, id, "part").await;
        world.set_row(id, *value);
        write(way, other, id, *value).await;
        let answer = run(world, id, "part").await;
        assert_eq!(answer, *value, "{way:?} while a slot is {when}");
    }
    let pending = other.cache.stats().pending_invalidations;
    assert_eq!(pending, 0, "{when}: it was done when it returned");
}

/// A call that began after a write had returned gets what was written, while all of a node's slots move to and fro.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_and_writers_go_on_while_a_cluster_is_resharded() {
    let cluster = RedisCluster::start().await;
    let world = Arc::new(over(&cluster, "resharded"));
    let done = Arc::new(AtomicBool::new(false));
    let tasks: Vec<_> = (0..4)
        .map(|task: u64| {
            let (world, done) = (world.clone(), done.clone());
            tokio::spawn(async move {
                for round in 0.. {
                    if done.load(Ordering::SeqCst) {
                        break;
                    }
                    // Each has rows of its own.
                    let (id, way) = (task + 4 * (round % 9), WAYS[round as usize % 5]);
                    run(&world, id, "part").await;
                    write(way, &world, id, round + 1).await;
                    assert_eq!(run(&world, id, "part").await, round + 1, "{way:?}");
                }
            })
        })
        .collect();
    for id in 0..9 {
        for name in names("resharded", id) {
            let slot = slot_of(&name);
            let from = cluster.master_of(slot).await;
            let moving = cluster.begin_moving(slot, (from + 1) % 3).await;
            while cluster.move_names(moving, 1).await {}
            cluster.end_moving(moving).await;
        }
    }
    done.store(true, Ordering::SeqCst);
    for task in tasks {
        task.await.unwrap();
    }
}

/// What a replica has not heard is lost when it takes its master's place: entries that were removed are there again, and generations are the old ones.
#[tokio::test]
async fn a_lagging_replica_brings_nothing_back() {
    // The entries of some of the first are apart from their generations, and of the second the generations from some of their entries.
    for (way, lost) in WAYS.into_iter().zip([0, 1].into_iter().cycle()) {
        let rows = some_of_each("lagging", lost);
        assert_eq!(rows.len(), 12);
        let mut cluster = RedisCluster::start().await;
        let world = over(&cluster, "lagging");
        for id in &rows {
            assert!(is_stored(&world, *id).await);
        }
        // All of it is known to the replica.
        let told: i64 = cluster.tell(lost, "WAIT 1 20000").await;
        assert_eq!(told, 1);
        let replica = lost + 3;
        cluster.hold_back(replica).await;
        for id in &rows {
            write(way, &world, *id, 1).await;
        }
        cluster.node_mut(lost).kill();
        cluster.node_mut(replica).restart().await;
        cluster.take_over(replica).await;
        for id in &rows {
            assert_eq!(run(&world, *id, "part").await, 1, "{way:?}: {id} came back");
        }
        for id in &rows {
            eventually("it is stored again", async || is_stored(&world, *id).await).await;
        }
    }
}

/// A master without a replica goes, and comes back; then all of them.
#[tokio::test]
async fn who_is_down_takes_away_its_own_keys_alone() {
    let mut cluster = RedisCluster::start().await;
    let builder = Cache::builder().redis_cluster(cluster.urls());
    let cache = builder
        .prefix("down")
        .operation_timeout(Duration::from_secs(2));
    let world = World::over(cache.build().unwrap(), None);
    let mut of_first = BTreeSet::new();
    for id in 0..KEYS {
        if masters("down", id).contains(&0) {
            of_first.insert(id);
        }
        eventually("it is stored", async || is_stored(&world, id).await).await;
    }
    assert!(!of_first.is_empty() && of_first.len() < KEYS as usize);
    for replica in 3..6 {
        cluster.node_mut(replica).kill();
    }
    cluster.node_mut(0).kill();
    eventually("the loss is noticed", async || {
        world.cache.health().await.problem.is_some()
    })
    .await;
    let health = world.cache.health().await;
    assert!(health.connected, "{health}");
    assert_eq!(health.status, HealthStatus::Degraded, "{health}");
    for id in 0..KEYS {
        world.set_row(id, 7);
        let before = world.loads();
        let answer = run(&world, id, "part").await;
        match of_first.contains(&id) {
            true => assert_eq!((answer, world.loads()), (7, before + 1), "{id}"),
            false => assert_eq!(
                (answer, world.loads()),
                (0, before),
                "{id}: it is with others"
            ),
        }
    }
    what_waits_for_it_keeps_nothing_from_the_others(&cluster, &of_first).await;
    // What cannot be delivered waits, and is the answer here.
    write(Way::Domain, &world, 1, 8).await;
    assert_eq!(world.cache.stats().pending_invalidations, 1);
    assert_eq!(run(&world, 1, "part").await, 8);

    cluster.node_mut(0).restart().await;
    eventually("what waited is delivered", async || {
        world.cache.stats().pending_invalidations == 0
    })
    .await;
    for id in 0..KEYS {
        eventually("it is stored again", async || is_stored(&world, id).await).await;
    }
    for master in 0..3 {
        cluster.node_mut(master).kill();
    }
    eventually("the loss is noticed", async || {
        let health = world.cache.health().await;
        run(&world, 1, "part").await;
        health.status == HealthStatus::Unavailable
    })
    .await;
    world.set_row(3, 33);
    assert_eq!(run(&world, 3, "part").await, 33);
    for master in 0..3 {
        cluster.node_mut(master).restart().await;
    }
    for id in 0..KEYS {
        eventually("it is stored again", async || is_stored(&world, id).await).await;
    }
}

/// Not even what was never sent yet, as its writers were dropped half way.
async fn what_waits_for_it_keeps_nothing_from_the_others(
    cluster: &RedisCluster,
    of_first: &BTreeSet<u64>,
) {
    #[invalidates(run(id, "part"), cache = world.cache)]
    async fn begin(world: &World, id: u64) {
        let _ = id;
        std::future::pending::<()>().await;
    }

    let (owing, other) = (over(cluster, "down"), over(cluster, "down"));
    // More than are delivered together.
    let lost = (KEYS..).filter(|id| masters("down", *id).contains(&0));
    let lost = lost.map(|id| run::key(id, "part")).take(250);
    owing.cache.invalidate(lost).await;
    let healthy: Vec<u64> = (0..KEYS).filter(|id| !of_first.contains(id)).collect();
    for id in &healthy {
        eventually("it is stored", async || is_stored(&other, *id).await).await;
        other.set_row(*id, 9);
        assert!(begin(&owing, *id).now_or_never().is_none());
    }
    assert!(owing.cache.stats().pending_invalidations >= 250);
    for id in healthy {
        eventually("it is delivered", async || {
            run(&other, id, "part").await == 9
        })
        .await;
    }
    assert!(owing.cache.stats().pending_invalidations >= 200);
}

/// The node that counts and sends the pushes is replaced.
#[tokio::test]
async fn near_caches_follow_the_pushes_to_another_node() {
    #[cached(namespace = "near", ttl = "1h", key = id, local = "30m", cache = world.cache)]
    async fn near(world: &World, id: u64) -> u64 {
        world.load(id).await
    }

    let mut cluster = RedisCluster::start().await;
    let (world, other) = (over(&cluster, "home"), over(&cluster, "home"));
    let home = slot_of("home:%pushes");
    let is_heard = async |value: u64| {
        let hits = world.cache.stats().total.near_hits;
        eventually("there are near hits", async || {
            near(&world, 1).await;
            world.cache.stats().total.near_hits > hits
        })
        .await;
        world.set_row(1, value);
        other.cache.invalidate([near::key(1)]).await;
        eventually("it is heard of", async || near(&world, 1).await == value).await;
    };
    is_heard(1).await;
    let master = cluster.master_of(home).await;
    let replica = cluster.fail_over(master).await;
    cluster.settled().await;
    is_heard(2).await;
    // Killed, so that nobody tells.
    cluster.node_mut(replica).kill();
    cluster.is_promoted(master).await;
    is_heard(3).await;
    cluster.settled().await;
    let moving = cluster.begin_moving(home, (master + 1) % 3).await;
    is_heard(4).await;
    cluster.end_moving(moving).await;
    is_heard(5).await;
}

#[tokio::test]
async fn who_takes_a_cluster_for_a_server_is_told() {
    let cluster = RedisCluster::start().await;
    let single = RedisServer::start().await;
    let problem = async |cache: Cache| {
        let mut problem = None;
        eventually("there is a problem", async || {
            problem = cache.health().await.problem;
            problem
                .as_ref()
                .is_some_and(|problem| problem.contains(": "))
        })
        .await;
        problem.unwrap()
    };
    let taken_for_one = Cache::builder()
        .redis(cluster.nodes()[0].url())
        .build()
        .unwrap();
    let said = problem(taken_for_one).await;
    assert!(said.contains("REDIS_CLUSTER"), "{said}");
    let taken_for_many = Cache::builder()
        .redis_cluster([single.url()])
        .build()
        .unwrap();
    let said = problem(taken_for_many).await;
    assert!(said.contains("no cluster"), "{said}");
    let error = Cache::builder()
        .redis_cluster(["redis://:hunter2@127.0.0.1:1/3"])
        .build();
    let said = error.unwrap_err().to_string();
    assert!(
        said.contains("database") && !said.contains("hunter2"),
        "{said}"
    );
    Cache::builder().redis_cluster([""; 0]).build().unwrap_err();
}
