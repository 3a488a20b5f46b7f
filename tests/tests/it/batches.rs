//! Functions of many keys (B4): what is cached of them, one load of the others, and the promises for each key.

use std::collections::{BTreeMap, HashMap, HashSet};

use cache_runtime::{Cache, Pattern, cache_keys, cached, ttl};
use cache_tests::{RedisServer, eventually};
use proptest::prelude::*;

use crate::world::World;

#[cached(namespace = "rows", key = id, ttl = "10m", none_ttl = "1m", cache = world.cache)]
async fn row(world: &World, id: u64) -> Option<u64> {
    let row = world.load(id).await;
    (id != 404).then_some(row)
}

/// All rows but 404, in one query.
async fn query(world: &World, ids: &[u64]) -> HashMap<u64, u64> {
    let mut rows = HashMap::new();
    for id in ids {
        if *id != 404 {
            rows.insert(*id, world.row(*id));
        }
    }
    world.load(0).await;
    rows
}

#[cached(row(ids), batch = ids, cache = world.cache)]
async fn rows(world: &World, ids: &[u64]) -> HashMap<u64, u64> {
    query(world, ids).await
}

fn of(world: &World, ids: &[u64]) -> HashMap<u64, u64> {
    let there = ids.iter().filter(|id| **id != 404);
    there.map(|id| (*id, world.row(*id))).collect()
}

#[tokio::test]
async fn a_batch_shares_the_keys_of_a_function() {
    for world in World::both().await {
        for id in 0..10 {
            world.set_row(id, id * 10);
        }
        row(&world, 1).await;
        row(&world, 404).await;
        assert_eq!(world.loads(), 2);
        // 1 and 404 are known; the body is asked for 2 and 3.
        let found = rows(&world, &[1, 2, 3, 404, 2]).await;
        assert_eq!(found, of(&world, &[1, 2, 3]));
        assert_eq!(world.loads(), 3);
        // Now all are: by the batch, by the function, by hand.
        assert_eq!(rows(&world, &[3, 2, 1, 404]).await, of(&world, &[1, 2, 3]));
        assert_eq!(row(&world, 3).await, Some(30));
        assert_eq!(world.cache.get(&row::key(2)).await, Some(20_u64));
        assert_eq!(world.loads(), 3);
        // Invalidated like any other.
        world.set_row(2, 21);
        world.cache.invalidate([row::key(2)]).await;
        assert_eq!(rows(&world, &[1, 2]).await, of(&world, &[1, 2]));
        assert_eq!(world.loads(), 4);
        assert_eq!(rows(&world, &[]).await, HashMap::new());
        assert_eq!(world.loads(), 4);
        let counts = world.cache.stats().function("batches::rows").unwrap();
        assert_eq!((counts.hits, counts.misses, counts.loads), (7, 3, 3));
    }
}

/// One round trip for the hits, one to announce, one to fill; the body once.
#[tokio::test]
async fn a_batch_costs_three_round_trips() {
    let world = World::redis().await;
    let server = world.server();
    let ids: Vec<u64> = (0..200).collect();
    rows(&world, &[1000]).await;
    let commands = async || {
        let stats = server.commandstats().await;
        let of = |name: &str| stats.get(name).copied().unwrap_or_default();
        (of("mget"), of("evalsha"), of("eval"), of("script|load"))
    };
    let before = commands().await;
    rows(&world, &ids).await;
    let filled = commands().await;
    assert_eq!(
        (filled.0 - before.0, filled.1 - before.1, filled.2, filled.3),
        (1, 400, before.2, before.3)
    );
    rows(&world, &ids).await;
    let hit = commands().await;
    assert_eq!((hit.0 - filled.0, hit.1), (1, filled.1));
}

/// Ten thousand are one call of the body, in whatever store.
#[tokio::test]
async fn ten_thousand_keys_are_one_call_of_the_body() {
    for world in World::both().await {
        let ids: Vec<u64> = (1000..11_000).collect();
        assert_eq!(rows(&world, &ids).await.len(), ids.len());
        assert_eq!(world.loads(), 1);
        assert_eq!(rows(&world, &ids).await.len(), ids.len());
        // In memory a few keys share a fence, and only one of them is stored.
        assert!(world.loads() <= 2);
    }
}

#[tokio::test]
async fn lists_maps_and_results_are_answered() {
    #[cached("lists", key = (*tenant, ids), batch = ids, cache = world.cache)]
    async fn list(world: &World, tenant: &u8, ids: Vec<String>) -> Vec<Option<String>> {
        world.load(0).await;
        let upper = |id: &String| (id != "none").then(|| format!("{tenant}{}", id.to_uppercase()));
        ids.iter().map(upper).collect()
    }

    #[cached("maps", batch = ids, skip(label), cache = world.cache)]
    async fn map(
        world: &World,
        ids: &[(u8, u8)],
        label: String,
    ) -> Result<BTreeMap<(u8, u8), u64>, String> {
        world.load(0).await;
        if ids.contains(&(0, 0)) {
            return Err(label);
        }
        Ok(ids.iter().map(|id| (*id, u64::from(id.0 + id.1))).collect())
    }

    let texts = |ids: &[&str]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
    let some = |text: &str| Some(text.to_owned());
    for world in World::both().await {
        let found = list(&world, &1, texts(&["a", "none", "b", "a"])).await;
        assert_eq!(found, [some("1A"), None, some("1B"), some("1A")]);
        // Without `none_ttl` what is not there is asked for again, and nothing else.
        let found = list(&world, &1, texts(&["b", "none", "c"])).await;
        assert_eq!(found, [some("1B"), None, some("1C")]);
        assert_eq!(world.loads(), 2);
        assert_eq!(list(&world, &1, texts(&["c", "a"])).await.len(), 2);
        assert_eq!(world.loads(), 2);
        assert_eq!(list(&world, &2, texts(&["a"])).await, [some("2A")]);
        assert_eq!(world.loads(), 3);

        let ids = [(1, 2), (3, 4)];
        let found = map(&world, &ids, String::new()).await.unwrap();
        assert_eq!(found, BTreeMap::from([((1, 2), 3), ((3, 4), 7)]));
        // An `Err` is the answer, whatever was cached, and is not stored.
        let failed = map(&world, &[(1, 2), (0, 0)], "no".to_owned()).await;
        assert_eq!(failed, Err("no".to_owned()));
        assert_eq!(world.loads(), 5);
        assert_eq!(map(&world, &ids, String::new()).await.unwrap().len(), 2);
        assert_eq!(world.loads(), 5);
    }
}

/// A list of another length than was asked for belongs to nobody in particular.
#[tokio::test]
async fn a_list_of_another_length_is_not_stored() {
    #[cached("short", batch = ids, cache = world.cache)]
    async fn short(world: &World, ids: &[u64]) -> Vec<Option<u64>> {
        world.load(0).await;
        ids.iter().skip(1).map(|id| Some(*id)).collect()
    }

    for world in World::both().await {
        assert_eq!(short(&world, &[1, 2]).await, [Some(2), None]);
        short(&world, &[1, 2]).await;
        assert_eq!(world.loads(), 2);
        assert_eq!(world.cache.stats().total.stores, 0);
    }
}

/// P1: what is invalidated while a batch loads is answered, and not stored; the other keys are.
#[tokio::test]
async fn what_is_invalidated_meanwhile_is_not_stored() {
    for world in World::both().await {
        for trial in 0..100 {
            world.cache.invalidate([row::pattern(None)]).await;
            world.set_row(1, trial);
            world.set_row(2, trial);
            world.close_gate();
            let (_, ()) = tokio::join!(rows(&world, &[1, 2]), async {
                world.arrival().await;
                world.set_row(2, trial + 1000);
                world.cache.invalidate([row::key(2)]).await;
                world.open_gate();
            });
            let loads = world.loads();
            assert_eq!(row(&world, 1).await, Some(trial));
            assert_eq!(world.loads(), loads, "a key that nobody has touched");
            assert_eq!(rows(&world, &[2]).await, of(&world, &[2]));
        }
    }
}

/// P4: a key that somebody loads already is not loaded again, whoever that is.
#[tokio::test]
async fn loads_are_shared_key_by_key() {
    for world in World::both().await {
        world.set_row(1, 11);
        world.set_row(2, 22);
        // The function loads 1; the batch loads 2 and waits for 1.
        world.close_gate();
        let (one, many, ()) = tokio::join!(
            row(&world, 1),
            async {
                world.arrival().await;
                rows(&world, &[1, 2]).await
            },
            async {
                eventually("the batch loads", async || world.loads() == 2).await;
                world.arrival().await;
                world.open_gate();
                world.open_gate();
            }
        );
        assert_eq!((one, many), (Some(11), of(&world, &[1, 2])));
        assert_eq!(world.loads(), 2);
        let counts = world.cache.stats().function("batches::rows").unwrap();
        assert_eq!((counts.coalesced, counts.loads), (1, 1));

        // Two batches that overlap: neither waits for ever.
        world.cache.invalidate([row::pattern(None)]).await;
        let (a, b) = tokio::join!(rows(&world, &[1, 2, 3]), rows(&world, &[3, 2, 4]));
        assert_eq!((a, b), (of(&world, &[1, 2, 3]), of(&world, &[3, 2, 4])));
    }
}

/// Who waits for another's load that fails, or is cancelled, loads for itself.
#[tokio::test]
async fn a_load_that_another_gives_up_is_taken_over() {
    for world in World::both().await {
        world.set_row(1, 11);
        world.close_gate();
        let mut first = Box::pin(row(&world, 1));
        tokio::select! {
            _ = &mut first => unreachable!("it stands at the gate"),
            () = world.arrival() => {}
        }
        let (many, ()) = tokio::join!(rows(&world, &[1, 2]), async {
            world.arrival().await;
            drop(first);
            world.open_gate();
        });
        assert_eq!(many, of(&world, &[1, 2]));
        world.discard_gate();
        // 1 by the function, 2 by the batch, then 1 by the batch.
        assert_eq!(world.loads(), 3);
    }
}

#[tokio::test]
async fn a_batch_of_a_declared_key_and_its_own() {
    mod keys {
        use super::{cache_keys, ttl};
        cache_keys! {
            pub(super) score(team: &str, id: u64) = "scores:{team}:{id}", ttl = ttl::LONG;
        }
    }

    #[cached(keys::score(team, ids), batch = ids, cache = world.cache)]
    async fn scores(world: &World, team: &str, ids: Vec<u64>) -> Vec<Option<u64>> {
        world.load(0).await;
        ids.iter().map(|id| Some(id + team.len() as u64)).collect()
    }

    for world in World::both().await {
        assert_eq!(scores(&world, "red", vec![1, 2]).await, [Some(4), Some(5)]);
        assert_eq!(world.cache.get(&keys::score("red", 2)).await, Some(5_u64));
        world.cache.set(&keys::score("red", 3), &77_u64, None).await;
        assert_eq!(scores(&world, "red", vec![3, 1]).await, [Some(77), Some(4)]);
        assert_eq!(world.loads(), 1);
        let left = world.cache.ttl(&keys::score("red", 2)).await.unwrap();
        assert!(left > ttl::LONG * 8 / 10, "{left:?}");
    }
}

/// With the near cache hits need no round trip.
#[tokio::test]
async fn near_hits_are_answered_without_a_round_trip() {
    #[cached("near_rows", batch = ids, local = "1m", cache = world.cache)]
    async fn near(world: &World, ids: &[u64]) -> HashMap<u64, u64> {
        query(world, ids).await
    }

    let world = World::redis().await;
    near(&world, &[1, 2, 3]).await;
    near(&world, &[1, 2, 3]).await;
    let before = world.server().commandstats().await;
    assert_eq!(near(&world, &[3, 2, 1]).await, of(&world, &[1, 2, 3]));
    let after = world.server().commandstats().await;
    assert_eq!(before.get("mget"), after.get("mget"));
    world.set_row(2, 9);
    let pattern = Pattern::parse("near_rows:*").unwrap();
    world.cache.invalidate([pattern]).await;
    assert_eq!(near(&world, &[2]).await, of(&world, &[2]));
}

/// P2: without Redis the body answers for all.
#[tokio::test]
async fn without_redis_the_body_answers() {
    let mut server = RedisServer::start().await;
    let cache = Cache::builder().redis(server.url()).build().unwrap();
    let world = World::over(cache, None);
    world.set_row(1, 5);
    assert_eq!(rows(&world, &[1, 2]).await, of(&world, &[1, 2]));
    server.kill();
    for _ in 0..5 {
        assert_eq!(rows(&world, &[1, 2]).await, of(&world, &[1, 2]));
    }
    assert!(world.cache.stats().total.degraded >= 10);
    let bypassed = Cache::bypass(rows(&world, &[1])).await;
    assert_eq!(bypassed, of(&world, &[1]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Whatever is cached, and however often an id is asked for: the answer is the source's, and no key is loaded that was stored.
    #[test]
    fn a_batch_answers_what_the_source_says(calls in prop::collection::vec(prop::collection::vec(0_u64..20, 0..12), 1..8)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::memory();
            for id in 0..20 {
                world.set_row(id, id + 100);
            }
            let mut known = HashSet::new();
            for ids in calls {
                let loads = world.loads();
                let fresh = ids.iter().filter(|id| known.insert(**id)).count() > 0;
                prop_assert_eq!(rows(&world, &ids).await, of(&world, &ids));
                prop_assert_eq!(world.loads() - loads, u64::from(fresh));
            }
            Ok(())
        })?;
    }
}
