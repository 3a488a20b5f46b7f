//! P1: a call that begins after an invalidation returned never gets what was loaded before it.
//! By pattern too (A6, B5).

use std::sync::Arc;

use cache_runtime::{Cache, Pattern, cached, invalidates};
use cache_tests::eventually;
use redis::AsyncCommands;

use crate::world::World;

const TRIALS: u64 = 1_000;

#[cached(namespace = "agent:run", ttl = "1h", key = (id, part), tags = ["owner:{id}"], cache = world.cache)]
pub(crate) async fn run(world: &World, id: u64, part: &str) -> u64 {
    world.load(id).await
}

#[cached(namespace = "rows", ttl = "1h", key = id, cache = world.cache)]
async fn row(world: &World, id: u64) -> u64 {
    world.load(id).await
}

/// A way of invalidating, as a function that writes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Way {
    Key,
    TypedHole,
    Trailing,
    Domain,
    Middle,
    Tag,
    Sweep,
}

pub(crate) async fn write(way: Way, world: &World, id: u64, value: u64) {
    #[invalidates(run(id, "part"), cache = world.cache)]
    async fn by_key(world: &World, id: u64, value: u64) {
        world.set_row(id, value);
    }

    #[invalidates(run(id, _), cache = world.cache)]
    async fn by_typed_hole(world: &World, id: u64, value: u64) {
        world.set_row(id, value);
    }

    #[invalidates("agent:run:{id}:*", cache = world.cache)]
    async fn by_trailing(world: &World, id: u64, value: u64) {
        world.set_row(id, value);
    }

    #[invalidates("agent:*", cache = world.cache)]
    async fn by_domain(world: &World, id: u64, value: u64) {
        world.set_row(id, value);
    }

    #[invalidates("agent:*:{id}:*", cache = world.cache)]
    async fn by_middle(world: &World, id: u64, value: u64) {
        world.set_row(id, value);
    }

    #[invalidates(tag = "owner:{id}", cache = world.cache)]
    async fn by_tag(world: &World, id: u64, value: u64) {
        world.set_row(id, value);
    }

    #[invalidates("agent:run:*:pa*", cache = world.cache)]
    async fn by_sweep(world: &World, id: u64, value: u64) {
        world.set_row(id, value);
    }

    match way {
        Way::Key => by_key(world, id, value).await,
        Way::TypedHole => by_typed_hole(world, id, value).await,
        Way::Trailing => by_trailing(world, id, value).await,
        Way::Domain => by_domain(world, id, value).await,
        Way::Middle => by_middle(world, id, value).await,
        Way::Tag => by_tag(world, id, value).await,
        Way::Sweep => by_sweep(world, id, value).await,
    }
}

/// The common race: the reader has read the old row, the writer commits and invalidates, the reader stores; the next read.
async fn stale_set(world: World, way: Way, trials: u64) {
    let world = Arc::new(world);
    for trial in 1..=trials {
        world.close_gate();
        let reader = tokio::spawn({
            let world = world.clone();
            async move { run(&world, trial % 7, "part").await }
        });
        world.arrival().await;
        write(way, &world, trial % 7, trial).await;
        world.open_gate();
        let early = reader.await.unwrap();
        assert_ne!(early, trial, "the reader was too late to try anything");
        assert_eq!(
            run(&world, trial % 7, "part").await,
            trial,
            "{way:?}: trial {trial} was answered with the old row"
        );
        // And what is fresh is stored: the race costs one load, not the cache.
        let before = world.loads();
        assert_eq!(run(&world, trial % 7, "part").await, trial);
        assert_eq!(
            world.loads(),
            before,
            "{way:?}: trial {trial} was not stored"
        );
        write(way, &world, trial % 7, 0).await;
    }
}

macro_rules! stale_set {
    ($($name:ident: $way:ident, $trials:expr;)*) => {$(
        mod $name {
            use super::*;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn in_redis() {
                stale_set(World::redis().await, Way::$way, $trials).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn in_memory() {
                stale_set(World::memory(), Way::$way, $trials).await;
            }
        }
    )*};
}

stale_set! {
    stale_set_by_key: Key, TRIALS;
    stale_set_by_typed_hole: TypedHole, TRIALS;
    stale_set_by_trailing_wildcard: Trailing, TRIALS;
    stale_set_by_domain: Domain, TRIALS;
    stale_set_by_middle_wildcard: Middle, TRIALS;
    stale_set_by_tag: Tag, TRIALS;
    stale_set_by_sweep: Sweep, 100;
}

/// Who calls after the invalidation must not join a load from before it, though it is the same process and the same key.
#[tokio::test]
async fn a_later_caller_does_not_join_an_earlier_load() {
    for world in World::both().await {
        for way in [Way::Key, Way::Trailing, Way::Middle, Way::Tag, Way::Sweep] {
            let world = &world;
            world.close_gate();
            let early = run(world, 1, "part");
            let late = async {
                world.arrival().await;
                write(way, world, 1, 5).await;
                let late = run(world, 1, "part");
                let opened = async {
                    world.arrival().await;
                    world.open_gate();
                    world.open_gate();
                };
                tokio::join!(late, opened).0
            };
            let (early, late) = tokio::join!(early, late);
            assert_eq!(
                (early, late),
                (0, 5),
                "{way:?} in {}",
                world.cache.store_name()
            );
            write(way, world, 1, 0).await;
        }
    }
}

/// An instance writes, another one reads.
#[tokio::test]
async fn an_invalidation_reaches_the_whole_fleet() {
    let here = World::redis().await;
    let there = here.instance();
    for (round, way) in (1..).zip([
        Way::Key,
        Way::TypedHole,
        Way::Trailing,
        Way::Domain,
        Way::Middle,
        Way::Tag,
        Way::Sweep,
    ]) {
        there.set_row(3, round);
        run(&there, 3, "part").await;
        there.set_row(3, round + 100);
        assert_eq!(run(&there, 3, "part").await, round, "not cached");
        write(way, &here, 3, 0).await;
        assert_eq!(run(&there, 3, "part").await, round + 100, "{way:?}");
        write(way, &here, 3, 0).await;
    }
}

/// What is not named stays cached.
#[tokio::test]
async fn an_invalidation_takes_no_more_than_it_names() {
    for world in World::both().await {
        for way in [
            Way::Key,
            Way::TypedHole,
            Way::Trailing,
            Way::Middle,
            Way::Tag,
        ] {
            for id in [1, 2] {
                run(&world, id, "part").await;
                row(&world, id).await;
            }
            write(way, &world, 1, 9).await;
            let before = world.loads();
            run(&world, 2, "part").await;
            row(&world, 1).await;
            row(&world, 2).await;
            assert_eq!(
                world.loads(),
                before,
                "{way:?} in {}",
                world.cache.store_name()
            );
            run(&world, 1, "part").await;
            assert_eq!(
                world.loads(),
                before + 1,
                "{way:?} in {}",
                world.cache.store_name()
            );
        }
        // The sweep matches by text.
        run(&world, 1, "other").await;
        let before = world.loads();
        write(Way::Sweep, &world, 1, 9).await;
        run(&world, 1, "other").await;
        assert_eq!(world.loads(), before);
    }
}

/// Losing the generations makes answers old and never new: an entry that was invalidated does not become current again.
#[tokio::test]
async fn lost_generations_cost_a_miss() {
    let world = World::redis().await;
    let mut redis = world.server().connection().await;
    for (round, way) in (1..).zip([
        Way::TypedHole,
        Way::Trailing,
        Way::Domain,
        Way::Middle,
        Way::Tag,
    ]) {
        let _: () = redis::cmd("FLUSHALL")
            .query_async(&mut redis)
            .await
            .unwrap();
        for id in [1, 2] {
            run(&world, id, "part").await;
        }
        write(way, &world, 1, round).await;
        let _: () = redis
            .del(&["cache:%gen:agent", "cache:%tags"])
            .await
            .unwrap();
        // Somebody else's read makes new generations.
        run(&world, 2, "part").await;
        assert_eq!(run(&world, 1, "part").await, round, "{way:?}");
        let loads = world.loads();
        run(&world, 1, "part").await;
        run(&world, 2, "part").await;
        assert_eq!(world.loads(), loads, "{way:?}: not cached any more");
    }
}

/// The race again, while everything in Redis is lost between the load and the store.
#[tokio::test]
async fn a_flush_between_load_and_store_keeps_the_answer_out() {
    let world = Arc::new(World::redis().await);
    let mut redis = world.server().connection().await;
    for trial in 1..=50 {
        world.close_gate();
        let reader = tokio::spawn({
            let world = world.clone();
            async move { row(&world, 1).await }
        });
        world.arrival().await;
        world.set_row(1, trial);
        row::invalidate(&world, 1).await;
        let _: () = redis::cmd("FLUSHALL")
            .query_async(&mut redis)
            .await
            .unwrap();
        world.open_gate();
        reader.await.unwrap();
        assert_eq!(row(&world, 1).await, trial);
        row::invalidate(&world, 1).await;
    }
}

/// A server that comes back with a past in which the invalidation had not happened.
#[tokio::test]
async fn a_restart_from_an_old_snapshot_brings_nothing_back() {
    for way in [Way::Key, Way::Trailing, Way::Middle, Way::Tag] {
        let mut world = World::redis().await;
        run(&world, 1, "part").await;
        let mut redis = world.server().connection().await;
        let _: () = redis::cmd("SAVE").query_async(&mut redis).await.unwrap();
        write(way, &world, 1, 7).await;
        world.server.as_mut().unwrap().kill();
        world.server.as_mut().unwrap().restart().await;
        let mut redis = world.server().connection().await;
        assert!(
            redis
                .exists::<_, bool>("cache:agent:run:1:part")
                .await
                .unwrap(),
            "no snapshot"
        );
        eventually("Redis is used again", async || {
            assert_eq!(
                run(&world, 1, "part").await,
                7,
                "{way:?}: the snapshot's entry was served"
            );
            let loads = world.loads();
            run(&world, 1, "part").await;
            world.loads() == loads
        })
        .await;
    }
}

/// A server that was demoted and promoted again runs on, with a past that is not its own; and a replica lags.
#[tokio::test]
async fn neither_a_replica_nor_one_that_was_is_believed() {
    let mut home = World::redis().await;
    run(&home, 1, "part").await;
    let server = home.server.take().unwrap();
    let mut redis = server.connection().await;
    let replica_of = async |redis: &mut redis::aio::MultiplexedConnection, of: [&str; 2]| {
        let _: () = redis::cmd("REPLICAOF")
            .arg(&of)
            .query_async(redis)
            .await
            .unwrap();
    };
    replica_of(&mut redis, ["127.0.0.1", "1"]).await;
    let world = World::over(
        Cache::builder().redis(server.url()).build().unwrap(),
        Some(server),
    );
    world.set_row(1, 3);
    // What the new master was told, this server has not heard.
    for _ in 0..3 {
        assert_eq!(run(&world, 1, "part").await, 3, "a replica was believed");
    }
    replica_of(&mut redis, ["NO", "ONE"]).await;
    eventually("the promoted server is used", async || {
        assert_eq!(run(&world, 1, "part").await, 3, "its past was believed");
        let loads = world.loads();
        run(&world, 1, "part").await;
        world.loads() == loads
    })
    .await;
}

/// As many commands for a million keys as for ten.
#[tokio::test]
async fn the_cost_of_a_pattern_does_not_grow_with_the_keys() {
    let world = World::redis().await;
    let mut redis = world.server().connection().await;
    // The server gets to know the script.
    let other = Pattern::parse("others:*").unwrap();
    world.cache.invalidate([other]).await;
    let mut costs = Vec::new();
    for keys in [10_u64, 1_000_000] {
        // Real entries: copies of one that was stored by the function.
        row(&world, 0).await;
        let copies = redis::Script::new(
            "local entry = redis.call('GET', KEYS[1] .. '0')
             for id = ARGV[1], ARGV[2] do redis.call('SET', KEYS[1] .. string.format('%d', id), entry, 'PX', 3600000) end
             return redis.call('DBSIZE')",
        );
        let mut size = 0_u64;
        for first in (0..keys).step_by(20_000) {
            let last = keys.min(first + 20_000) - 1;
            size = copies
                .key("cache:rows:")
                .arg(first)
                .arg(last)
                .invoke_async(&mut redis)
                .await
                .unwrap();
        }
        assert!(size >= keys, "{size} keys");
        let loads = world.loads();
        row(&world, keys - 1).await;
        assert_eq!(world.loads(), loads, "the copies are no entries");

        let before = world.server().commands_processed().await;
        world
            .cache
            .invalidate([Pattern::parse("rows:*").unwrap()])
            .await;
        costs.push(world.server().commands_processed().await - before);
        for id in [0, keys / 2, keys - 1] {
            let loads = world.loads();
            row(&world, id).await;
            assert_eq!(
                world.loads(),
                loads + 1,
                "{id} of {keys} was not invalidated"
            );
        }
    }
    assert_eq!(
        costs[0], costs[1],
        "commands for ten keys and for a million"
    );
    assert!(
        costs[1] <= 5,
        "EVALSHA, HSET, HLEN, INCR, PUBLISH, but {} commands",
        costs[1]
    );
}

/// As many generations as distinct patterns were invalidated, up to a bound.
#[tokio::test]
async fn the_generations_of_a_domain_are_bounded() {
    let world = World::redis().await;
    let mut redis = world.server().connection().await;
    run(&world, 1, "part").await;
    let fill = redis::Script::new(
        "for id = 1, 99999 do redis.call('HSET', KEYS[1], 'x' .. id, 'generation') end",
    );
    let _: () = fill
        .key("cache:%gen:agent")
        .invoke_async(&mut redis)
        .await
        .unwrap();
    let mut longest = 0;
    for id in 1..=10 {
        world.set_row(id, id);
        write(Way::Trailing, &world, id, 100 + id).await;
        assert_eq!(run(&world, id, "part").await, 100 + id);
        let length: usize = redis.hlen("cache:%gen:agent").await.unwrap();
        longest = longest.max(length);
    }
    assert!(longest <= 100_000, "{longest} generations");
    assert!(
        longest < 100,
        "they were not dropped at the bound: {longest}"
    );
    let loads = world.loads();
    run(&world, 10, "part").await;
    assert_eq!(world.loads(), loads, "not cached any more");
}
