//! The cache without annotated functions: A4, A6, B3, C2, E1 (`incr` apart), and that the promises hold there too.

use std::collections::BTreeSet;
use std::time::Duration;

use cache_runtime::{Cache, ErrorKind, Everything, Key, Pattern, cached, invalidates};
use cache_tests::RedisServer;
use futures_util::{StreamExt, TryStreamExt};
use redis::AsyncCommands;
use serde::{Deserialize, Serialize};

use crate::world::{World, patient};

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Agent {
    name: String,
    runs: u32,
}

fn agent(runs: u32) -> Agent {
    Agent {
        name: "@backend".to_owned(),
        runs,
    }
}

fn key(id: u64) -> Key {
    Key::new("agents", [&id as _])
}

/// A4, C2, E1: get, set, delete, exists, ttl and expire, in the cache and in a namespace.
#[tokio::test]
async fn what_is_set_is_there_until_it_is_deleted_or_expires() {
    for World { cache, server, .. } in World::both().await {
        let agents = cache.namespace("agents").ttl(MINUTE);
        assert_eq!(cache.get::<Agent>(&key(7)).await, None);
        assert!(agents.set(&7, &agent(1)).await);
        assert_eq!(cache.get(&key(7)).await, Some(agent(1)));
        assert_eq!(agents.get(&"7").await, Some(agent(1)));
        assert!(agents.exists(&7).await && !agents.exists(&8).await);

        let left = cache.ttl(&key(7)).await.unwrap();
        assert!(left <= MINUTE && left > MINUTE * 8 / 10, "{left:?}");
        assert!(cache.expire(&key(7), 2 * MINUTE).await);
        assert!(cache.ttl(&key(7)).await.unwrap() > MINUTE);
        assert!(!cache.expire(&key(8), MINUTE).await);
        assert!(cache.expire(&key(7), Duration::from_millis(1)).await);
        cache_tests::eventually("it expires", async || !agents.exists(&7).await).await;

        assert!(cache.set(&key(7), &agent(2), None).await);
        agents.delete(&7).await;
        assert_eq!(agents.get::<Agent>(&7).await, None);
        if let Some(server) = server {
            // Never without an expiry.
            assert!(cache.set(&key(9), &agent(2), None).await);
            let name = "cache:agents:9";
            let left: i64 = server.connection().await.pttl(name).await.unwrap();
            assert!((1..=300_000).contains(&left), "{left}");
        }
        let counts = cache.stats().namespaces()["agents"];
        assert!(counts.hits >= 2 && counts.misses >= 2 && counts.stores >= 2);
    }
}

/// A4: one round trip for many, in their order.
#[tokio::test]
async fn many_are_got_in_one_round_trip_and_set_in_two() {
    let world = World::redis().await;
    let cache = &world.cache;
    let entries: Vec<_> = (0..200).map(|id| (key(id), agent(id as u32))).collect();
    let keys: Vec<Key> = (0..250).map(key).collect();
    cache.mget::<Agent>(&keys).await;
    assert_eq!(cache.mset(&entries, MINUTE).await, 200);

    let before = world.server().commandstats().await;
    let found = cache.mget::<Agent>(&keys).await;
    let after = world.server().commandstats().await;
    for (id, found) in found.into_iter().enumerate() {
        assert_eq!(found, (id < 200).then(|| agent(id as u32)));
    }
    let sent = |name: &str| after[name] - before.get(name).copied().unwrap_or(0);
    assert_eq!((sent("mget"), sent("hmget")), (1, 1));
    assert_eq!(after.get("get"), before.get("get"));
}

/// Ten thousand keys are so many chunks, and come in order.
#[tokio::test]
async fn ten_thousand_keys_are_got() {
    for World { cache, .. } in World::both().await {
        let numbers = cache.namespace("numbers").ttl(MINUTE);
        let ids: Vec<u64> = (0..10_000).collect();
        let stored = numbers.mset(ids.iter().map(|id| (*id, id * 2))).await;
        assert_eq!(stored, 10_000);
        let found = numbers.try_mget::<u64>(&ids).await.unwrap();
        assert!(
            ids.iter()
                .zip(found)
                .all(|(id, found)| found == Some(id * 2))
        );
        assert_eq!(numbers.mget::<u64>(&[] as &[u64]).await, []);
    }
}

/// A6, C2: everything of a pattern, and everything of a namespace.
#[tokio::test]
async fn patterns_and_namespaces_are_cleared() {
    for World { cache, .. } in World::both().await {
        let agents = cache.namespace("agents");
        let lists = cache.namespace("agents:list");
        for id in 0..3 {
            agents.set(&id, &id).await;
            lists.set(&id, &id).await;
        }
        cache.namespace("other").set(&1, &1).await;
        cache.invalidate([agents.pattern("list:*").unwrap()]).await;
        assert_eq!(lists.mget::<u64>(&[0, 1, 2]).await, [None, None, None]);
        // Three segments: a pattern of two does not reach shorter keys.
        assert_eq!(agents.get(&1).await, Some(1));
        lists.set(&1, &1).await;
        agents.clear().await;
        assert!(!agents.exists(&1).await && !lists.exists(&1).await);
        assert!(cache.namespace("other").exists(&1).await);
        assert!(agents.pattern("list:**").is_err());
    }
}

/// E1: everything, for which there is a word; what is not the cache's own stays.
#[tokio::test]
async fn everything_is_cleared_by_its_word_alone() {
    #[cached(namespace = "rows", key = id, tags = ["all"], cache = world.cache)]
    async fn row(world: &World, id: u64) -> u64 {
        world.load(id).await
    }

    for world in World::both().await {
        let cache = &world.cache;
        for id in 0..5 {
            cache.set(&key(id), &id, None).await;
            row(&world, id).await;
        }
        cache.set(&Key::new("bare", []), &1, None).await;
        if let Some(server) = &world.server {
            let mut redis = server.connection().await;
            let _: () = redis.set("cacheless:other", 1).await.unwrap();
            let _: () = redis.set("other:agents:1", 1).await.unwrap();
        }
        // A load on its way is answered, and not stored.
        world.close_gate();
        let (_, ()) = tokio::join!(row(&world, 9), async {
            world.arrival().await;
            cache.clear(Everything).await;
            world.open_gate();
        });
        for id in 0..5 {
            assert!(!cache.exists(&key(id)).await);
        }
        assert!(!cache.exists(&Key::new("bare", [])).await);
        let loads = world.loads();
        for id in [0, 1, 2, 3, 4, 9] {
            row(&world, id).await;
        }
        assert_eq!(world.loads(), loads + 6, "something from before was served");
        if let Some(server) = &world.server {
            let mut redis = server.connection().await;
            let kept: Vec<Option<u32>> = redis
                .mget(&["cacheless:other", "other:agents:1"])
                .await
                .unwrap();
            assert_eq!(kept, [Some(1), Some(1)]);
            let entries: Vec<String> = redis.keys("cache:agents:*").await.unwrap();
            assert_eq!(entries, [] as [String; 0], "memory was not freed");
        }
    }
}

#[tokio::test]
async fn keys_are_listed_whole_segments_only() {
    for World { cache, .. } in World::both().await {
        let entries: Vec<_> = (0..2500).map(|id| (key(id), id)).collect();
        assert_eq!(cache.mset(&entries, MINUTE).await, 2500);
        cache
            .set(&Key::new("agents:list", [&"a*[b]" as _]), &1, None)
            .await;
        let keys: BTreeSet<String> = cache
            .scan(Pattern::parse("agents:list:*").unwrap())
            .map(|key| key.as_str().to_owned())
            .collect()
            .await;
        assert_eq!(keys, BTreeSet::from(["agents:list:a%2A%5Bb%5D".to_owned()]));
        let all: Vec<Key> = cache
            .try_scan(Pattern::parse("agents:*").unwrap())
            .try_collect()
            .await
            .unwrap();
        let all: BTreeSet<_> = all.iter().map(Key::as_str).collect();
        assert_eq!(all.len(), 2501, "{cache:?}");
        // What was listed can be asked for.
        assert_eq!(cache.get(&Key::parse("agents:77").unwrap()).await, Some(77));
    }
}

/// B3: `get_or_compute`: one load, and an `Err` is not stored.
#[tokio::test]
async fn what_is_missing_is_loaded_once() {
    for world in World::both().await {
        let cache = &world.cache;
        world.set_row(7, 5);
        let key = world.key();
        let load = || cache.get_or_set(&key, MINUTE, world.load(7));
        world.close_gate();
        let (first, second, ()) = tokio::join!(load(), load(), async {
            world.arrival().await;
            world.open_gate();
        });
        assert_eq!((first, second, world.loads()), (5, 5, 1));
        assert_eq!(load().await, 5);
        assert_eq!(world.loads(), 1);

        let failing = async { Err::<u64, _>("no") };
        let other = Key::new("rows", [&8 as _]);
        assert_eq!(cache.get_or_try_set(&other, None, failing).await, Err("no"));
        let fine = async { Ok::<u64, &str>(1) };
        assert_eq!(cache.get_or_try_set(&other, None, fine).await, Ok(1));
        assert_eq!(cache.get(&other).await, Some(1_u64));
    }
}

impl World {
    fn key(&self) -> Key {
        Key::new("rows", [&7 as _])
    }
}

/// P1 by hand: what was loaded before a delete, a set or a pattern is not stored after it.
#[tokio::test]
async fn a_load_on_its_way_stores_nothing_old() {
    for world in World::both().await {
        let (cache, key) = (&world.cache, world.key());
        for way in 0..3 {
            for trial in 0..100 {
                let (old, new) = (trial * 2, trial * 2 + 1);
                world.set_row(7, old);
                cache.delete(&key).await;
                world.close_gate();
                let (_, ()) = tokio::join!(cache.get_or_set(&key, MINUTE, world.load(7)), async {
                    world.arrival().await;
                    world.set_row(7, new);
                    match way {
                        0 => cache.delete(&key).await,
                        1 => drop(cache.set(&key, &new, MINUTE).await),
                        _ => cache.namespace("rows").clear().await,
                    }
                    world.open_gate();
                });
                let found = cache.get::<u64>(&key).await;
                assert!(
                    found.is_none_or(|found| found == new),
                    "way {way}: {found:?}"
                );
            }
        }
    }
}

/// A function's own entries are read, written and cleared through the keys of its companion; nothing else answers for it.
#[tokio::test]
async fn functions_and_hands_share_keys_only_where_they_say_so() {
    #[cached(namespace = "shared", key = id, cache = world.cache)]
    async fn row(world: &World, id: u64) -> u64 {
        world.load(id).await
    }

    for world in World::both().await {
        let cache = &world.cache;
        world.set_row(1, 5);
        row(&world, 1).await;
        assert_eq!(cache.get(&row::key(1)).await, Some(5_u64));
        assert_eq!(cache.get::<u64>(&Key::new("shared", [&1 as _])).await, None);
        cache.set(&row::key(1), &6_u64, None).await;
        assert_eq!(row(&world, 1).await, 6);
        // Of another type: never a wrong value.
        cache.set(&row::key(1), "six", None).await;
        assert_eq!(row(&world, 1).await, 5);
        // By hand under the same name: the function does not take it for its own.
        cache
            .set(&Key::new("shared", [&1 as _]), &7_u64, None)
            .await;
        assert_eq!(row(&world, 1).await, 5);
    }
}

/// Own writes reach this instance's near cache at once.
#[tokio::test]
async fn what_is_set_is_what_the_near_cache_answers() {
    #[cached(namespace = "near", key = id, local = "1m", cache = world.cache)]
    async fn row(world: &World, id: u64) -> u64 {
        world.load(id).await
    }

    for world in World::both().await {
        for value in 1..50 {
            row(&world, 1).await;
            row(&world, 1).await;
            world.cache.set(&row::key(1), &value, None).await;
            assert_eq!(row(&world, 1).await, value);
        }
    }
}

#[tokio::test]
async fn what_a_key_cannot_hold_is_refused_without_harm() {
    struct Refuses;
    impl Serialize for Refuses {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("no"))
        }
    }
    impl<'de> Deserialize<'de> for Refuses {
        fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
            Ok(Self)
        }
    }

    for World { cache, .. } in World::both().await {
        let unusable = Key::new("agents", [&Refuses as _]);
        assert!(!cache.set(&unusable, &1, None).await);
        assert_eq!(cache.get::<u32>(&unusable).await, None);
        let error = cache.try_set(&key(1), &Refuses, None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert_eq!(cache.mset(&[(key(1), Refuses)], None).await, 0);
        for namespace in ["", "*", "a:*", ":", "%gen:agents", "{x}", "a b", "ä"] {
            let odd = cache.namespace(namespace);
            assert!(odd.set(&1, &1).await, "{namespace:?}");
            assert_eq!(odd.get(&1).await, Some(1), "{namespace:?}");
            odd.clear().await;
            assert!(!odd.exists(&1).await, "{namespace:?}");
        }
        // Whatever becomes of it, it is told.
        let endless = cache.set(&key(2), &2, Duration::MAX).await;
        assert_eq!(cache.exists(&key(2)).await, endless);
    }
}

/// Redis away: nothing is there, nothing is stored, the `try_` forms say so, and what was deleted is deleted when it is back.
#[tokio::test]
async fn without_redis_nothing_is_there() {
    let mut server = RedisServer::start().await;
    let cache = patient(Cache::builder().redis(server.url()))
        .build()
        .unwrap();
    assert!(cache.set(&key(1), &1, MINUTE).await);
    server.kill();
    assert_eq!(cache.get::<u32>(&key(1)).await, None);
    assert_eq!(cache.mget::<u32>(&[key(1), key(2)]).await, [None, None]);
    assert!(!cache.set(&key(1), &1, MINUTE).await);
    assert_eq!(cache.mset(&[(key(1), 1)], MINUTE).await, 0);
    assert!(!cache.exists(&key(1)).await && !cache.expire(&key(1), MINUTE).await);
    assert_eq!(cache.ttl(&key(1)).await, None);
    assert_eq!(cache.get_or_set(&key(1), MINUTE, async { 3 }).await, 3);
    let pattern = || Pattern::parse("agents:*").unwrap();
    assert_eq!(cache.scan(pattern()).count().await, 0);
    cache_tests::eventually("the circuit is open", async || {
        let errors = [
            cache.try_get::<u32>(&key(1)).await.err(),
            cache.try_mget::<u32>(&[key(1)]).await.err(),
            cache.try_set(&key(1), &1, None).await.err(),
            cache.try_mset(&[(key(1), 1)], None).await.err(),
            cache.try_exists(&key(1)).await.err(),
            cache.try_ttl(&key(1)).await.err(),
            cache.try_expire(&key(1), MINUTE).await.err(),
            cache.try_delete(&key(2)).await.err(),
            cache
                .try_scan(pattern())
                .try_collect::<Vec<_>>()
                .await
                .err(),
        ];
        errors.iter().all(|error| {
            error.as_ref().map(cache_runtime::Error::kind) == Some(ErrorKind::Unreachable)
        })
    })
    .await;
    cache.clear(Everything).await;
    assert!(cache.stats().total.degraded >= 9);
    server.restart().await;
    cache_tests::eventually("what was cleared is cleared", async || {
        cache.stats().pending_invalidations == 0 && cache.set(&key(1), &2, MINUTE).await
    })
    .await;
    assert_eq!(cache.get(&key(1)).await, Some(2));
}

/// Switched off, bypassed, announced: as for functions.
#[tokio::test]
async fn switches_and_writers_are_respected() {
    #[invalidates("agents:{id}", crash_safe = "1m", cache = world.cache)]
    async fn write(world: &World, id: u64) -> Result<(), ()> {
        let stored = world.cache.set(&key(id), &1, MINUTE).await;
        if stored { Err(()) } else { Ok(()) }
    }

    for world in World::both().await {
        let cache = &world.cache;
        write(&world, 1)
            .await
            .expect("stored while a write is announced");
        assert!(cache.set(&key(1), &1, MINUTE).await);
        Cache::bypass(async {
            assert!(!cache.set(&key(1), &2, MINUTE).await && !cache.exists(&key(1)).await);
        })
        .await;
        cache.set_namespace_enabled("agents", false);
        assert!(!cache.set(&key(1), &2, MINUTE).await && !cache.exists(&key(1)).await);
        cache.set_namespace_enabled("agents", true);
        assert_eq!(
            cache.get::<u64>(&key(1)).await,
            None,
            "1 is not it any more"
        );
    }
}
