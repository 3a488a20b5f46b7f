use std::hint::black_box;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use cache_runtime::{Cache, cached};

use super::Scenario;
use super::servers::{Served, one_thread, threads};
use super::values::Row;
use crate::contest::{self, Contest, Unit, at_once, in_turn};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "near_hit",
    how: "hits of one key in this process, of 200 B and 20 KB, as `T` and as `Arc<T>`; 1 thread, and 2 on one key",
    run,
};

const CALLS: u64 = 100_000;

static CACHE: OnceLock<Cache> = OnceLock::new();

#[cached(namespace = "small", ttl = "1h", local = "1h", key = id, cache = CACHE.get().expect("it is set"))]
async fn small(id: u64) -> Row {
    Row::of(id, 200)
}

#[cached(namespace = "large", ttl = "1h", local = "1h", key = id, cache = CACHE.get().expect("it is set"))]
async fn large(id: u64) -> Row {
    Row::of(id, 20_000)
}

#[cached(namespace = "shared", ttl = "1h", local = "1h", key = id, cache = CACHE.get().expect("it is set"))]
async fn shared(id: u64) -> Arc<Row> {
    Arc::new(Row::of(id, 200))
}

fn run(rounds: usize) -> Vec<contest::Row> {
    let runtime = threads();
    let _served = runtime.block_on(async {
        let served = Served::start().await;
        let cache = Cache::builder().redis(served.server.url()).build();
        CACHE.get_or_init(|| cache.expect("a cache"));
        for _ in 0..3 {
            let _ = (small(1).await, large(1).await, shared(1).await);
        }
        served
    });
    let alone = one_thread();
    let (row, big, arc) = (
        Row::of(1, 200),
        Row::of(1, 20_000),
        Arc::new(Row::of(1, 200)),
    );
    let by_hand = quick_cache::sync::Cache::<String, (Arc<Row>, Instant)>::new(1_000);
    by_hand.insert(
        "shared:1".to_owned(),
        (arc.clone(), Instant::now() + Duration::from_secs(3600)),
    );
    let number_alone = quick_cache::sync::Cache::<u64, Arc<Row>>::new(1_000);
    number_alone.insert(1, arc);

    let mut rows = Vec::new();
    let mut contest = Contest::new(SCENARIO.name, "200 B, 1 thread", Unit::Nanoseconds);
    contest.add("clone of the value", || {
        in_turn(&alone, CALLS, async |_| row.clone())
    });
    contest.add("cache-runtime", || in_turn(&alone, CALLS, |_| small(1)));
    rows.extend(contest.run(rounds));

    let mut contest = Contest::new(SCENARIO.name, "20 KB, 1 thread", Unit::Nanoseconds);
    contest.add("clone of the value", || {
        in_turn(&alone, CALLS / 4, async |_| big.clone())
    });
    contest.add("cache-runtime", || in_turn(&alone, CALLS / 4, |_| large(1)));
    rows.extend(contest.run(rounds));

    let mut contest = Contest::new(SCENARIO.name, "Arc, 1 thread", Unit::Nanoseconds);
    contest.add("quick_cache by hand: text key, expiry", || {
        in_turn(&alone, CALLS, async |_| {
            let kept = by_hand.get(&format!("shared:{}", black_box(1)));
            kept.filter(|(_, expires)| *expires > Instant::now())
        })
    });
    contest.add("quick_cache by hand: number, no expiry", || {
        in_turn(&alone, CALLS, async |_| number_alone.get(&1))
    });
    contest.add("cache-runtime", || in_turn(&alone, CALLS, |_| shared(1)));
    rows.extend(contest.run(rounds));

    let mut contest = Contest::new(
        SCENARIO.name,
        "200 B, 2 threads on one key",
        Unit::PerSecond,
    );
    contest.add("clone of the value", || {
        let row = row.clone();
        at_once(&runtime, 2, CALLS, move |_| {
            let row = row.clone();
            async move { row }
        })
    });
    contest.add("cache-runtime", || {
        at_once(&runtime, 2, CALLS, |_| small(1))
    });
    rows.extend(contest.run(rounds));
    rows
}
