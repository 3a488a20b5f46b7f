//! Database queries, counted and timed: of the process by their names, and of the request that they are made for.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::sync::{Mutex, lock};

/// Names that are told apart; queries of others are counted in all only.
const MOST: usize = 1_000;

tokio::task_local! {
    static TALLY: Arc<Tally>;
}

/// Counts and times database queries, whoever the client is. Needs the feature `tower`.
///
/// Behind a [`CacheLayer`](crate::CacheLayer) an answer tells what was asked for it: `X-Query-Count` and `X-Query-Time`. What was asked in all stands in
/// [`stats`](Self::stats), and with the feature `http` in `GET /api/performance/database` (`http::database_performance`). What takes 100 ms or longer is slow: it is
/// counted, and logged at warn.
///
/// ```
/// use cache_runtime::{QueryMeter, cached};
/// # struct Db;
/// # impl Db { async fn title(&self, _: u64) -> Result<String, std::io::Error> { Ok("Buy milk".into()) } }
///
/// static QUERIES: QueryMeter = QueryMeter::new();
///
/// #[cached("titles", "10m", key = task_id)]
/// async fn title(#[skip] db: &Db, task_id: u64) -> Result<String, std::io::Error> {
///     QUERIES.query("title of a task", db.title(task_id)).await
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), std::io::Error> {
/// title(&Db, 7).await?;
/// title(&Db, 7).await?; // a hit
/// assert_eq!(QUERIES.stats().total.count, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct QueryMeter {
    slow: Duration,
    figures: Mutex<Figures>,
}

#[derive(Debug)]
struct Figures {
    total: QueryFigures,
    queries: BTreeMap<&'static str, QueryFigures>,
}

/// What a [`QueryMeter`] has counted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueryStats {
    /// All queries together.
    pub total: QueryFigures,
    /// Each of the first 1,000 names, those first that have taken most time.
    pub queries: Vec<(&'static str, QueryFigures)>,
    /// From when on a query is slow.
    pub slow_threshold: Duration,
}

/// Queries of one name, or all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueryFigures {
    /// How many have ended, those that were dropped half way too.
    pub count: u64,
    /// How long they took, added up.
    pub time: Duration,
    /// The longest of them.
    pub longest: Duration,
    /// How many were slow.
    pub slow: u64,
}

impl QueryMeter {
    /// With 100 ms as the [slow threshold](Self::slow_threshold).
    pub const fn new() -> Self {
        Self {
            slow: Duration::from_millis(100),
            figures: Mutex::new(Figures {
                total: QueryFigures {
                    count: 0,
                    time: Duration::ZERO,
                    longest: Duration::ZERO,
                    slow: 0,
                },
                queries: BTreeMap::new(),
            }),
        }
    }

    /// A query that takes so long is slow. Default: 100 ms.
    #[must_use]
    pub const fn slow_threshold(mut self, threshold: Duration) -> Self {
        self.slow = threshold;
        self
    }

    /// Runs `query`, and counts it under `name`, which is for people: no values belong in it.
    ///
    /// It is timed from the first poll to its end, with the wait for a connection. The request whose task it runs in counts it, even where its answer is shared with
    /// others; a load in the background is no request's. Dropped half way it is counted all the same.
    pub async fn query<F: Future>(&self, name: &'static str, query: F) -> F::Output {
        let _running = Running {
            meter: self,
            name,
            began: Instant::now(),
        };
        query.await
    }

    /// What was counted since it was made.
    pub fn stats(&self) -> QueryStats {
        let figures = lock(&self.figures);
        let total = figures.total;
        let mut queries: Vec<_> = figures.queries.iter().map(|(n, f)| (*n, *f)).collect();
        drop(figures);
        queries.sort_by_key(|(_, figures)| std::cmp::Reverse(figures.time));
        QueryStats {
            total,
            queries,
            slow_threshold: self.slow,
        }
    }

    fn count(&self, name: &'static str, took: Duration) {
        let slow = took >= self.slow;
        if slow {
            tracing::warn!(query = name, ?took, "slow query");
        }
        let mut figures = lock(&self.figures);
        figures.total.add(took, slow);
        if figures.queries.len() < MOST || figures.queries.contains_key(name) {
            let of_name = figures.queries.entry(name).or_default();
            of_name.add(took, slow);
        }
    }
}

impl Default for QueryMeter {
    fn default() -> Self {
        Self::new()
    }
}

impl QueryFigures {
    /// How long one takes; zero before the first.
    pub fn mean(&self) -> Duration {
        self.time.div_f64(self.count.max(1) as f64)
    }

    fn add(&mut self, took: Duration, slow: bool) {
        self.count += 1;
        self.time += took;
        self.longest = self.longest.max(took);
        self.slow += u64::from(slow);
    }
}

/// A query on its way: however it ends, it is counted.
struct Running<'a> {
    meter: &'a QueryMeter,
    name: &'static str,
    began: Instant,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let took = self.began.elapsed();
        self.meter.count(self.name, took);
        // Outside a request nobody asks.
        let _ = TALLY.try_with(|tally| tally.add(took));
    }
}

/// The queries of one request.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    count: AtomicU64,
    nanoseconds: AtomicU64,
}

impl Tally {
    fn add(&self, took: Duration) {
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.count.fetch_add(1, Ordering::Relaxed);
        self.nanoseconds.fetch_add(took, Ordering::Relaxed);
    }

    /// How many there were, and their times added up: more than has passed, where they ran side by side.
    pub(crate) fn total(&self) -> (u64, Duration) {
        let took = Duration::from_nanos(self.nanoseconds.load(Ordering::Relaxed));
        (self.count.load(Ordering::Relaxed), took)
    }
}

/// Runs `work`, and counts in `tally` what is asked in its task.
pub(crate) fn tallied<F: Future>(tally: Arc<Tally>, work: F) -> impl Future<Output = F::Output> {
    TALLY.scope(tally, work)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded() {
        let meter = QueryMeter::new();
        for n in 0..=MOST {
            meter.count(Box::leak(n.to_string().into_boxed_str()), Duration::ZERO);
        }
        meter.count("0", Duration::from_secs(1));
        let stats = meter.stats();
        assert_eq!((stats.total.count, stats.total.slow), (1_002, 1));
        assert_eq!(stats.queries.len(), MOST);
        let (slowest, figures) = stats.queries[0];
        assert_eq!((slowest, figures.count, figures.slow), ("0", 2, 1));
        assert_eq!(figures.mean(), Duration::from_millis(500));
    }
}
