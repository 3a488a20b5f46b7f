//! A Redis Cluster behind the same store: all that works with one server, and what becomes of it while slots move and nodes go.

mod changing;
mod operations;

use cache_runtime::{Cache, cached, invalidates, updates};
use cache_tests::RedisCluster;

use crate::world::{World, patient};

#[cached(namespace = "agent:run", ttl = "1h", key = (id, part), tags = ["owner:{id}"], cache = world.cache)]
async fn run(world: &World, id: u64, part: &str) -> u64 {
    world.load(id).await
}

#[updates(run(world, id, "part"))]
async fn update(world: &World, id: u64, value: u64) -> Result<u64, String> {
    world.set_row(id, value);
    Ok(value)
}

/// Ways of making old what was loaded of a row, as functions that write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Key,
    Pattern,
    Domain,
    Tag,
    Sweep,
}

const WAYS: [Way; 5] = [Way::Key, Way::Pattern, Way::Domain, Way::Tag, Way::Sweep];

async fn write(way: Way, world: &World, id: u64, value: u64) {
    #[invalidates(run(id, "part"), cache = world.cache)]
    async fn by_key(world: &World, id: u64, value: u64) {
        world.set_row(id, value);
    }

    #[invalidates("agent:*:{id}:*", cache = world.cache)]
    async fn by_pattern(world: &World, id: u64, value: u64) {
        world.set_row(id, value);
    }

    #[invalidates("agent:*", cache = world.cache)]
    async fn by_domain(world: &World, id: u64, value: u64) {
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
        Way::Pattern => by_pattern(world, id, value).await,
        Way::Domain => by_domain(world, id, value).await,
        Way::Tag => by_tag(world, id, value).await,
        Way::Sweep => by_sweep(world, id, value).await,
    }
}

/// A cache of its own prefix over a cluster.
fn over(cluster: &RedisCluster, prefix: &str) -> World {
    let builder = Cache::builder().redis_cluster(cluster.urls());
    let cache = patient(builder.prefix(prefix)).build().unwrap();
    World::over(cache, None)
}

/// Stores the answer, and tells whether the next call was a hit.
async fn is_stored(world: &World, id: u64) -> bool {
    run(world, id, "part").await;
    let before = world.loads();
    run(world, id, "part").await;
    world.loads() == before
}
