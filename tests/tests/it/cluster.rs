//! A Redis Cluster behind the same store: all that works with one server, and what becomes of it while slots move and nodes go.

mod changing;
mod operations;

use cache_runtime::{Cache, updates};
use cache_tests::RedisCluster;

use crate::freshness::{Way, run, write};
use crate::world::{World, patient};

#[updates(run(world, id, "part"))]
async fn update(world: &World, id: u64, value: u64) -> Result<u64, String> {
    world.set_row(id, value);
    Ok(value)
}

/// One of each kind: a key, scopes of several sizes, a tag, and a walk.
const WAYS: [Way; 5] = [Way::Key, Way::Middle, Way::Domain, Way::Tag, Way::Sweep];

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
