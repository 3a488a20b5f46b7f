//! What the analysis of calls costs on a hit: the same function over a cache that analyses and over one that does not, in turns.
//!
//! `cargo run --release -p cache-benches --bin analytics [-- --json]`
//!
//! Medians of the rounds, per call, and of the ratio of the two halves of a round. Allocations are counted too.

use std::hint::black_box;
use std::time::{Duration, Instant};

use cache_runtime::{Cache, cached};
use clap::Parser;
use tokio::runtime::Runtime;

/// Pairs of caches: where its tables lie makes a cache faster or slower by a percent or two.
const PAIRS: usize = 25;
const ROUNDS: usize = 16;
const CALLS: u64 = 4_000;
/// More than are kept as hottest keys, so that some take others' places.
const KEYS: u64 = 1_000;

/// What the analysis of calls costs on a hit.
#[derive(Parser)]
struct Options {
    /// One line of JSON in place of the table.
    #[arg(long)]
    json: bool,
}

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

fn main() {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    print(
        &options,
        "hit in the memory store",
        &compare(&runtime, stored),
    );
    let calls = |cache, id| text(cache, id, "ws12");
    print(
        &options,
        "the same, two parts and a text",
        &compare(&runtime, calls),
    );
    print(&options, "hit in the near cache", &compare(&runtime, near));
}

/// A call's cost with and without.
struct Compared {
    on: Measured,
    off: Measured,
    ratio: f64,
}

fn compare<F: Future>(runtime: &Runtime, call: impl Fn(&'static Cache, u64) -> F) -> Compared {
    let (mut on, mut off, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        let [with, without] = [true, false].map(cache);
        for cache in [with, without] {
            measure(runtime, |id| call(cache, id));
        }
        for round in 0..ROUNDS {
            let mut with = || on.push(measure(runtime, |id| call(with, id)));
            let mut without = || off.push(measure(runtime, |id| call(without, id)));
            // Whoever comes second finds the machine as the first has left it.
            if round % 2 == 0 {
                with();
                without();
            } else {
                without();
                with();
            }
            let last = on.len() - 1;
            ratios.push(on[last].nanoseconds / off[last].nanoseconds);
        }
    }
    ratios.sort_by(f64::total_cmp);
    Compared {
        on: median(on),
        off: median(off),
        ratio: ratios[ratios.len() / 2],
    }
}

/// What a call costs.
#[derive(Clone, Copy)]
struct Measured {
    nanoseconds: f64,
    allocations: f64,
}

fn measure<F: Future>(runtime: &Runtime, call: impl Fn(u64) -> F) -> Measured {
    let mut took = Duration::ZERO;
    let counted = allocation_counter::measure(|| {
        runtime.block_on(async {
            let began = Instant::now();
            for id in 0..CALLS {
                black_box(call(id % KEYS).await);
            }
            took = began.elapsed();
        });
    });
    Measured {
        nanoseconds: took.as_nanos() as f64 / CALLS as f64,
        allocations: counted.count_total as f64 / CALLS as f64,
    }
}

fn median(mut rounds: Vec<Measured>) -> Measured {
    rounds.sort_by(|a, b| a.nanoseconds.total_cmp(&b.nanoseconds));
    rounds[rounds.len() / 2]
}

#[expect(clippy::print_stdout, reason = "a report for people and scripts")]
fn print(options: &Options, what: &str, Compared { on, off, ratio }: &Compared) {
    let (time, before) = (on.nanoseconds, off.nanoseconds);
    let more = on.allocations - off.allocations;
    if options.json {
        println!(
            "{{\"scenario\":\"analytics\",\"what\":\"{what}\",\"on_ns\":{time:.1},\"off_ns\":{before:.1},\"ratio\":{ratio:.4},\"extra_allocations\":{more:.3}}}"
        );
    } else {
        println!(
            "{what:32} {time:7.1} ns with, {before:7.1} ns without   x {ratio:.4}   {more:.3} allocations more"
        );
    }
}
