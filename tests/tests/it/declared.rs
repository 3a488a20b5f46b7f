//! Keys that are declared once, and used by functions, writers and by hand (A2, B2, D3, E3, E8).

use cache_runtime::{Cache, cached, invalidates};

use crate::world::World;

mod keys {
    use cache_runtime::{cache_keys, ttl};

    cache_keys! {
        /// A row.
        pub declared_row(id: u64) = "declared:rows:{id}", ttl = ttl::HOUR;
        pub declared_rows() = "declared:rows:list", ttl = "30m", version = 2;
        /// The parameters stand in another order than in the key.
        pub declared_part(id: u64, part: &str) = "declared:parts:{part}:{id}", ttl = 60;
        pub declared_kept(id: u64) = "declared:kept:{id}", ttl = ttl::HOUR;
        pub declared_owned(name: String) = "declared:owned:{name}", ttl = ttl::SHORT;
    }
}

#[cached(keys::declared_row(id), cache = world.cache)]
async fn row(world: &World, id: u64) -> u64 {
    world.load(id).await
}

#[cached(keys::declared_part(id, part), cache = world.cache)]
async fn part(world: &World, part: &str, id: u64) -> u64 {
    let _ = part;
    world.load(id).await
}

#[cached(keys::declared_owned(name), cache = world.cache)]
async fn owned(world: &World, name: String) -> u64 {
    world.load(name.len() as u64).await
}

#[invalidates(keys::declared_part(id, _), cache = world.cache)]
async fn write(world: &World, id: u64, value: u64) {
    world.set_row(id, value);
}

/// The function keeps its answers beyond their ttl, of which the declaration knows nothing.
#[tokio::test]
async fn what_is_kept_for_bad_times_is_found_by_hand_and_by_batches() {
    #[cached(keys::declared_kept(id), stale_if_error = "1h", cache = world.cache)]
    async fn kept(world: &World, id: u64) -> Result<u64, String> {
        Ok(world.load(id).await)
    }

    #[cached(keys::declared_kept(ids), batch = ids, cache = world.cache)]
    async fn many(world: &World, ids: Vec<u64>) -> Vec<Option<u64>> {
        world.load(ids[0]).await;
        vec![None; ids.len()]
    }

    for world in World::both().await {
        world.set_row(7, 49);
        assert_eq!(kept(&world, 7).await, Ok(49));
        let key = keys::declared_kept(7);
        assert_eq!(world.cache.get::<u64>(&key).await, Some(49));
        assert_eq!(
            world.cache.mget::<u64>(std::slice::from_ref(&key)).await,
            [Some(49)]
        );
        let got = world.cache.get_or_set(&key, None, async { 0_u64 });
        assert_eq!(got.await, 49);
        assert_eq!(many(&world, vec![7]).await, [Some(49)]);
        assert_eq!(world.loads(), 1);
    }
}

#[test]
fn a_declaration_makes_keys_and_patterns() {
    assert_eq!(keys::declared_row(7).as_str(), "declared:rows:7");
    assert_eq!(keys::declared_rows().as_str(), "declared:rows:list");
    assert_eq!(
        keys::declared_part(7, "a:b").as_str(),
        "declared:parts:a%3Ab:7"
    );
    assert_eq!(
        keys::declared_part::pattern(Some(7), None).as_str(),
        "declared:parts:*:7"
    );
    // The function's own companion, in the order of the function's parameters.
    assert_eq!(part::key("x", 7), keys::declared_part(7, "x"));
    assert_eq!(
        part::pattern(Some("x"), None),
        keys::declared_part::pattern(None, Some("x"))
    );
    assert_eq!(
        owned::pattern(Some("x".to_owned())),
        keys::declared_owned("x".to_owned()).into()
    );
}

#[tokio::test]
async fn a_function_stores_under_the_declared_key_for_its_ttl() {
    let world = World::redis().await;
    world.set_row(7, 5);
    assert_eq!(row(&world, 7).await, 5);
    assert_eq!(row(&world, 7).await, 5);
    assert_eq!(owned(&world, "four".to_owned()).await, 0);
    assert_eq!(world.loads(), 2);
    let mut redis = world.server().connection().await;
    let left: u64 = redis::cmd("TTL")
        .arg("cache:declared:rows:7")
        .query_async(&mut redis)
        .await
        .unwrap();
    assert!((3000..=3600).contains(&left), "{left} s");
}

#[tokio::test]
async fn a_writer_clears_by_the_declaration() {
    for world in World::both().await {
        part(&world, "a", 1).await;
        part(&world, "b", 1).await;
        part(&world, "a", 2).await;
        write(&world, 1, 9).await;
        assert_eq!(part(&world, "a", 1).await, 9);
        assert_eq!(part(&world, "b", 1).await, 9);
        let loads = world.loads();
        part(&world, "a", 2).await;
        assert_eq!(world.loads(), loads, "not named, and loaded anew");
        world.cache.invalidate([keys::declared_part(2, "a")]).await;
        part(&world, "a", 2).await;
        assert_eq!(world.loads(), loads + 1);
    }
}

/// Two functions that load one declared key would answer for each other.
#[tokio::test]
async fn a_second_loader_of_a_key_is_not_cached() {
    #[cached(keys::declared_row(id), cache = cache)]
    async fn rival(cache: &Cache, id: u64) -> u64 {
        id + 1000
    }

    for world in World::both().await {
        assert_eq!(row(&world, 7).await, 0);
        assert_eq!(rival(&world.cache, 7).await, 1007);
        assert_eq!(rival(&world.cache, 7).await, 1007);
        assert_eq!(row(&world, 7).await, 0);
        let rival = world.cache.stats().function("rival").unwrap();
        assert_eq!(rival.bypassed, 2);
    }
}
