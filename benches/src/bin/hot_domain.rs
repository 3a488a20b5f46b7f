//! How the look-ups of one domain are spread over the masters of a cluster: commands of each, while all of its keys are hit.
//!
//! `cargo run --manifest-path benches/Cargo.toml --bin hot_domain`
//!
//! It counts and measures no time, so that it needs no release build. What one copy of the generations in place of sixteen would do is seen with
//! `ZONES = 1` in `store/redis/nodes/slots.rs`.

use std::time::Duration;

use cache_runtime::{Cache, cached};
use cache_tests::{RedisCluster, eventually};

const KEYS: u64 = 1_000;
const CALLS: u64 = 20_000;
const COMMANDS: [&str; 3] = ["get", "hmget", "evalsha"];

#[cached(namespace = "users:profile", ttl = "1h", key = (id, part), cache = cache)]
async fn profile(cache: &Cache, id: u64, part: &str) -> u64 {
    id
}

#[expect(clippy::print_stdout, reason = "a report for people")]
#[tokio::main]
async fn main() {
    let cluster = RedisCluster::start().await;
    let builder = Cache::builder().redis_cluster(cluster.urls());
    let builder = builder.operation_timeout(Duration::from_secs(2));
    let cache = builder.call_budget(Duration::from_secs(5)).build();
    let cache = cache.expect("a cache");
    for id in 0..KEYS {
        eventually("it is stored", async || {
            let before = cache.stats().total.hits;
            profile(&cache, id, "all").await;
            cache.stats().total.hits > before
        })
        .await;
    }
    let before = cluster.commandstats().await;
    for call in 0..CALLS {
        profile(&cache, call % KEYS, "all").await;
    }
    let after = cluster.commandstats().await;
    println!("{CALLS} hits of {KEYS} keys of one domain; commands at each master");
    println!("{:>8} {:>8} {:>8} {:>8}", "", "first", "second", "third");
    for command in COMMANDS {
        let calls = (0..3).map(|node| {
            let of = |stats: &[std::collections::BTreeMap<String, u64>]| {
                stats[node].get(command).copied().unwrap_or_default()
            };
            of(&after) - of(&before)
        });
        let calls: Vec<_> = calls.map(|calls| format!("{calls:>8}")).collect();
        println!("{command:>8} {}", calls.join(" "));
    }
}
