use std::sync::OnceLock;

use cache_runtime::{Cache, cached};

use super::Scenario;
use super::servers::{Served, one_thread, raw};
use super::values::Row;
use crate::contest::{self, Contest, Unit, in_turn};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "redis_hit",
    how: "one task, one hit after the other, of 100 keys in Redis; near caches off; 200 B as JSON",
    run,
};

const CALLS: u64 = 4_000;
const KEYS: u64 = 100;

static CACHE: OnceLock<Cache> = OnceLock::new();

#[cached(namespace = "rows", ttl = "1h", key = id, cache = CACHE.get().expect("it is set"))]
async fn row(id: u64) -> Row {
    Row::of(id, 200)
}

fn run(rounds: usize) -> Vec<contest::Row> {
    let runtime = one_thread();
    let served = runtime.block_on(async {
        let served = Served::start().await;
        let cache = Cache::builder().redis(served.server.url()).build();
        CACHE.get_or_init(|| cache.expect("a cache"));
        for id in 0..KEYS {
            served.store(&format!("raw:{id}"), &row(id).await).await;
        }
        served
    });
    let mut contest = Contest::new(SCENARIO.name, "one task", Unit::Nanoseconds);
    contest.add("redis-rs GET, serde_json", || {
        in_turn(&runtime, CALLS, |number| {
            raw::<Row>(served.raw.clone(), format!("raw:{}", number % KEYS))
        })
    });
    contest.add("cache-runtime", || {
        in_turn(&runtime, CALLS, |number| row(number % KEYS))
    });
    contest.run(rounds)
}
