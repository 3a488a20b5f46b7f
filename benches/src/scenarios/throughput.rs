use std::sync::OnceLock;

use cache_runtime::{Cache, cached};

use super::Scenario;
use super::servers::{Served, raw, threads};
use super::values::Row;
use crate::contest::{self, Contest, Unit, at_once};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "throughput",
    how: "hits in a second, of 1,000 keys in Redis, with 64 and 1,024 tasks at a time; near caches off; JSON",
    run,
};

const KEYS: u64 = 1_000;

static CACHE: OnceLock<Cache> = OnceLock::new();

#[cached(namespace = "small", ttl = "1h", key = id, cache = CACHE.get().expect("it is set"))]
async fn small(id: u64) -> Row {
    Row::of(id, 200)
}

fn run(rounds: usize) -> Vec<contest::Row> {
    let runtime = threads();
    let served = runtime.block_on(async {
        let served = Served::start().await;
        let cache = Cache::builder().redis(served.server.url()).build();
        CACHE.get_or_init(|| cache.expect("a cache"));
        for id in 0..KEYS {
            served.store(&format!("small:{id}"), &small(id).await).await;
        }
        served
    });
    let mut rows = Vec::new();
    for (tasks, calls) in [(1, 4_000), (64, 65_536), (1_024, 131_072)] {
        let case = format!("{tasks} tasks, 200 B");
        let mut contest = Contest::new(SCENARIO.name, case, Unit::PerSecond);
        contest.add("redis-rs GET, serde_json", || {
            let connection = served.raw.clone();
            at_once(&runtime, tasks, calls, move |number| {
                raw::<Row>(connection.clone(), format!("small:{}", number % KEYS))
            })
        });
        contest.add("cache-runtime", || {
            at_once(&runtime, tasks, calls, |number| small(number % KEYS))
        });
        rows.extend(contest.run(rounds));
    }
    rows
}
