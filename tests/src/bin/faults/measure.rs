//! What callers notice of one fault.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cache_runtime::{Cache, Counts, Source, cached, invalidates};
use cache_tests::eventually;
use serde::Serialize;

use crate::Log;
use crate::kind::Kind;
use crate::stage::Stage;

const ROWS: u64 = 8;
const CALLS: u64 = 400;
/// Calls that begin at one moment.
const CROWD: u64 = 200;

/// What was noticed.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    fault: String,
    calls: u64,
    /// Answers that were not the truth.
    pub(crate) wrong: u64,
    longest_call_ms: f64,
    longest_write_ms: f64,
    median_call_us: f64,
    /// From the fault's end to the first hit.
    recovery_ms: Option<f64>,
    /// Where the answers came from while it lasted.
    sources: BTreeMap<&'static str, usize>,
    counters: BTreeMap<&'static str, u64>,
    log: Vec<String>,
}

/// The truth.
#[derive(Debug)]
struct Table {
    cache: Cache,
    rows: [AtomicU64; ROWS as usize],
}

#[cached(namespace = "rows", ttl = "1h", key = id, cache = table.cache)]
async fn row(table: &Table, id: u64) -> u64 {
    table.rows[id as usize].load(Ordering::SeqCst)
}

#[invalidates(row(id), cache = table.cache)]
async fn write(table: &Table, id: u64) {
    table.rows[id as usize].fetch_add(1, Ordering::SeqCst);
}

pub(crate) async fn measure(kind: Kind, log: &Log) -> Figures {
    let mut stage = Stage::new(kind).await;
    let table = Table {
        cache: Cache::builder()
            .redis(stage.url())
            .build()
            .expect("an address that can be used"),
        rows: Default::default(),
    };
    if kind.passes() {
        eventually("Redis is used", async || hits(&table).await).await;
        log.take();
    }
    for id in 0..ROWS {
        row(&table, id).await;
    }
    let before = table.cache.stats().total;
    let keys: Vec<_> = (0..ROWS).map(|id| format!("cache:rows:{id}")).collect();
    stage.begin(&keys).await;
    let mut noticed = Noticed::default();
    let (_, seen) = Cache::observe(noticed.call_and_write(&table)).await;
    let mut sources = BTreeMap::new();
    for call in &seen.calls {
        *sources.entry(call.source.as_str()).or_default() += 1;
    }
    stage.end().await;
    let ended = Instant::now();
    let mut recovery = None;
    if kind.passes() {
        eventually("Redis is used again", async || hits(&table).await).await;
        recovery = Some(ended.elapsed());
    }
    let after = table.cache.stats().total;
    noticed.figures(kind, recovery, sources, counters(before, after), log.take())
}

/// Whether the second of two calls is a hit.
async fn hits(table: &Table) -> bool {
    row(table, 0).await;
    let (_, seen) = Cache::observe(row(table, 0)).await;
    seen.count(Source::Hit) == 1
}

#[derive(Debug, Default)]
struct Noticed {
    calls: Vec<Duration>,
    writes: Vec<Duration>,
    wrong: u64,
}

impl Noticed {
    async fn call_and_write(&mut self, table: &Table) {
        for call in 0..CALLS {
            let id = call % ROWS;
            if call % 10 == 0 {
                let began = Instant::now();
                write(table, id).await;
                self.writes.push(began.elapsed());
            }
            self.call(table, id).await;
        }
        let crowd = (0..CROWD).map(async |call| {
            let began = Instant::now();
            let (id, answer) = (call % ROWS, row(table, call % ROWS).await);
            (id, answer, began.elapsed())
        });
        for (id, answer, took) in futures_util::future::join_all(crowd).await {
            self.note(table, id, answer, took);
        }
    }

    async fn call(&mut self, table: &Table, id: u64) {
        let began = Instant::now();
        let answer = row(table, id).await;
        self.note(table, id, answer, began.elapsed());
    }

    fn note(&mut self, table: &Table, id: u64, answer: u64, took: Duration) {
        self.wrong += u64::from(answer != table.rows[id as usize].load(Ordering::SeqCst));
        self.calls.push(took);
    }

    fn figures(
        mut self,
        kind: Kind,
        recovery: Option<Duration>,
        sources: BTreeMap<&'static str, usize>,
        counters: BTreeMap<&'static str, u64>,
        log: Vec<String>,
    ) -> Figures {
        let longest = |of: &[Duration]| milliseconds(of.iter().max().copied().unwrap_or_default());
        self.calls.sort_unstable();
        Figures {
            fault: kind.name(),
            calls: self.calls.len() as u64,
            wrong: self.wrong,
            longest_call_ms: longest(&self.calls),
            longest_write_ms: longest(&self.writes),
            median_call_us: milliseconds(self.calls[self.calls.len() / 2]) * 1000.0,
            recovery_ms: recovery.map(milliseconds),
            sources,
            counters,
            log,
        }
    }
}

/// Those that tell of a fault and have moved.
fn counters(before: Counts, after: Counts) -> BTreeMap<&'static str, u64> {
    let moved = [
        ("degraded", after.degraded - before.degraded),
        ("undecodable", after.undecodable - before.undecodable),
        (
            "queued_invalidations",
            after.queued_invalidations - before.queued_invalidations,
        ),
        (
            "refused_stores",
            after.refused_stores - before.refused_stores,
        ),
    ];
    moved.into_iter().filter(|(_, count)| *count > 0).collect()
}

fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

impl Figures {
    pub(crate) const HEADER: &str = "| fault | wrong answers | longest call | longest write | back after | counters | log |\n|---|---|---|---|---|---|---|";

    pub(crate) fn row(&self) -> String {
        let counters: Vec<_> = self
            .counters
            .keys()
            .map(|name| format!("`{name}`"))
            .collect();
        let recovery = match self.recovery_ms {
            Some(recovery) => format!("{recovery:.0} ms"),
            None => String::new(),
        };
        format!(
            "| {} | {} of {} | {:.1} ms | {:.1} ms | {recovery} | {} | {} |",
            self.fault,
            self.wrong,
            self.calls,
            self.longest_call_ms,
            self.longest_write_ms,
            counters.join(", "),
            self.log.join("; "),
        )
    }
}
