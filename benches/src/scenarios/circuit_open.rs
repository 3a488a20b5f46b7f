use std::hint::black_box;
use std::sync::LazyLock;
use std::time::Duration;

use cache_runtime::{Cache, cached};

use super::servers::one_thread;
use super::{Scenario, Size};
use crate::contest::{Contest, Line, Unit, in_turn};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "circuit_open",
    how: "what an annotated call costs while Redis is away and the circuit is open, beside the bare function: less than a microsecond more is promised. Time and allocations a call",
    run,
};

/// A port where nobody listens.
static AWAY: LazyLock<Cache> = LazyLock::new(|| {
    Cache::builder()
        .redis("redis://127.0.0.1:1")
        .build()
        .expect("a cache")
});

async fn bare(id: u64) -> u64 {
    black_box(id) + 1
}

#[cached(namespace = "plain", ttl = "1m", key = id, cache = AWAY)]
async fn annotated(id: u64) -> u64 {
    bare(id).await
}

#[cached(namespace = "composite", ttl = "1m", local = "10s", key = (id, id + 1), tags = ["group:{id}"], cache = AWAY)]
async fn composite(id: u64) -> u64 {
    bare(id).await
}

fn run(size: Size) -> Vec<Line> {
    let runtime = one_thread();
    runtime.block_on(until_open());
    let calls = size.of(20_000);
    let mut contest = Contest::new(SCENARIO.name, "one task", Unit::Nanoseconds);
    contest.add("bare function", || in_turn(&runtime, calls, bare));
    contest.add("annotated", || in_turn(&runtime, calls, annotated));
    contest.add("annotated, tags and `local`", || {
        in_turn(&runtime, calls, composite)
    });
    contest.run(size.rounds)
}

/// Once an attempt to connect has failed, calls do not wait for one.
async fn until_open() {
    while AWAY.stats().total.degraded < 100 {
        annotated(0).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
