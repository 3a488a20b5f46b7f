//! What an annotated call costs while Redis is away and its circuit is open, above the bare function: promise P2 says less than a
//! microsecond.
//!
//! `cargo run --release -p cache-benches --bin circuit_open [-- --json]`
//!
//! Several rounds; in each the bare function, the annotated one and one with every option take turns. Medians of the rounds, per call. Allocations are
//! counted too.

use std::hint::black_box;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use cache_runtime::{Cache, cached};
use clap::Parser;
use tokio::runtime::Runtime;

const ROUNDS: usize = 21;
const CALLS: u64 = 20_000;

/// What an annotated call costs while the circuit is open.
#[derive(Parser)]
struct Options {
    /// One line of JSON in place of the table.
    #[arg(long)]
    json: bool,
}

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

fn main() {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(until_open());
    let mut rounds: [Vec<Measured>; 3] = Default::default();
    for _ in 0..ROUNDS {
        rounds[0].push(measure(&runtime, bare));
        rounds[1].push(measure(&runtime, annotated));
        rounds[2].push(measure(&runtime, composite));
    }
    let names = [
        "bare function",
        "annotated",
        "annotated, tags and near cache",
    ];
    print(&options, &names, &rounds.map(median));
}

#[expect(clippy::print_stdout, reason = "a report for people and scripts")]
fn print(options: &Options, names: &[&str], medians: &[Measured]) {
    for (name, measured) in names.iter().zip(medians) {
        let (time, allocations) = (measured.nanoseconds, measured.allocations);
        let extra = time - medians[0].nanoseconds;
        if options.json {
            println!(
                "{{\"scenario\":\"circuit_open\",\"what\":\"{name}\",\"ns\":{time:.1},\"extra_ns\":{extra:.1},\"allocations\":{allocations}}}"
            );
        } else {
            println!(
                "{name:32} {time:8.1} ns   {extra:8.1} ns above   {allocations:.0} allocations"
            );
        }
    }
}

/// Once an attempt to connect has failed, calls do not wait for one.
async fn until_open() {
    while AWAY.stats().total.degraded < 100 {
        annotated(0).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// What a call costs.
#[derive(Clone, Copy)]
struct Measured {
    nanoseconds: f64,
    allocations: f64,
}

fn measure<F: Future<Output = u64>>(runtime: &Runtime, call: impl Fn(u64) -> F) -> Measured {
    let mut took = Duration::ZERO;
    let counted = allocation_counter::measure(|| {
        runtime.block_on(async {
            let began = Instant::now();
            for id in 0..CALLS {
                black_box(call(id).await);
            }
            took = began.elapsed();
        });
    });
    Measured {
        nanoseconds: took.as_nanos() as f64 / CALLS as f64,
        // What connecting allocates meanwhile falls below one.
        allocations: (counted.count_total / CALLS) as f64,
    }
}

fn median(mut rounds: Vec<Measured>) -> Measured {
    rounds.sort_by(|a, b| a.nanoseconds.total_cmp(&b.nanoseconds));
    rounds[rounds.len() / 2]
}
