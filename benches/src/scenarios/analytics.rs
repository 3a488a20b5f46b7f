use cache_runtime::{Cache, cached};
use tokio::runtime::Runtime;

use super::servers::one_thread;
use super::{Scenario, Size};
use crate::contest::{Contest, Figure, Line, Unit, in_turn, median};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "analytics",
    how: "what the analysis of calls adds to a hit in the memory store and in the near cache, of 1,000 keys: a fresh cache with it and one without it in each round. 25 rounds at least, since where its tables lie makes a cache faster or slower by a percent",
    run,
};

/// More than are kept as hottest keys, so that some take others' places.
const KEYS: u64 = 1_000;

fn cache(analytics: bool) -> &'static Cache {
    let cache = Cache::builder().analytics(analytics);
    Box::leak(Box::new(cache.build().expect("a cache")))
}

#[cached(namespace = "stored", ttl = "1h", key = id, cache = cache)]
async fn stored(cache: &Cache, id: u64) -> u64 {
    id + 1
}

#[cached(namespace = "text", ttl = "1h", key = (id, workspace), cache = cache)]
async fn text(cache: &Cache, id: u64, workspace: &str) -> String {
    format!("what {workspace} has under the number {id}")
}

#[cached(namespace = "near", ttl = "1h", local = "1h", key = id, cache = cache)]
async fn near(cache: &Cache, id: u64) -> u64 {
    id + 1
}

fn run(size: Size) -> Vec<Line> {
    let runtime = one_thread();
    let two_parts = |cache, id| text(cache, id, "ws12");
    let mut lines = compare(&runtime, size, "memory store", stored);
    lines.extend(compare(&runtime, size, "two parts and a text", two_parts));
    lines.extend(compare(&runtime, size, "near cache", near));
    lines
}

fn compare<F: Future>(
    runtime: &Runtime,
    size: Size,
    case: &str,
    call: impl Fn(&'static Cache, u64) -> F,
) -> Vec<Line> {
    let mut contest = Contest::new(SCENARIO.name, case, Unit::Nanoseconds);
    for (name, analytics) in [("without", false), ("with", true)] {
        let call = &call;
        contest.add(name, move || {
            let cache = cache(analytics);
            let calls = size.of(4_000).max(KEYS);
            let measure = || in_turn(runtime, calls, |id| call(cache, id % KEYS));
            measure();
            let all: Vec<Figure> = (0..16).map(|_| measure()).collect();
            Figure {
                value: median(all.iter().map(|figure| figure.value)),
                allocations: all[0].allocations,
            }
        });
    }
    contest.run(if size.rounds == 1 {
        1
    } else {
        size.rounds.max(25)
    })
}
