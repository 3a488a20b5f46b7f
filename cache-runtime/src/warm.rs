//! Warming: calling cached functions for many arguments before anybody waits for them.
//!
//! All of it runs in the caller's task: nothing is spawned, so that whoever drops [`Warming::run`] stops it.

#[cfg(feature = "progress")]
mod bar;
mod item;
mod progress;
mod report;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use futures_util::future::{self, FutureExt as _};
use futures_util::stream::{self, Stream, StreamExt as _};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};

pub use self::item::Outcome;
use self::item::{Fate, Item};
pub use self::progress::Progress;
use self::progress::Teller;
pub use self::report::{SetReport, WarmReport, WarmingEnd};
use crate::hottest::Hottest;
use crate::scope;

/// After so many answers in a row that could not be stored, as the store is away, there is nothing to warm.
const AWAY: usize = 10;

type Items<'a> = Pin<Box<dyn Stream<Item = Item<'a>> + Send + 'a>>;

/// One set of items, before it is its turn.
enum Set<'a> {
    Given(Items<'a>),
    /// Asked for when it is.
    Remembered(Pin<Box<dyn Future<Output = Items<'a>> + Send + 'a>>),
}

/// Sets of calls to be made before anybody waits for them.
///
/// Which cache is warmed the functions decide, as always. What is fresh costs a look-up and is not loaded again.
///
/// ```
/// use cache_runtime::{Warming, cached};
///
/// #[cached("squares", "1m")]
/// async fn square(n: u64) -> u64 {
///     n * n
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let report = Warming::new()
///     .set("squares", 1..=10, |n| async move {
///         square(n).await;
///     })
///     .concurrency(4)
///     .run()
///     .await;
/// assert_eq!(report.sets[0].loaded, 10);
/// # }
/// ```
#[must_use = "nothing is warmed before `run`"]
pub struct Warming<'a> {
    sets: Vec<(String, Set<'a>)>,
    concurrency: usize,
    deadline: Option<Duration>,
    progress: Progress,
    reloads: bool,
}

impl<'a> Warming<'a> {
    /// Nothing to warm yet.
    pub fn new() -> Self {
        Self {
            sets: Vec::new(),
            concurrency: 16,
            deadline: None,
            progress: Progress::default(),
            reloads: false,
        }
    }

    /// One call for each of `items`; `call` makes its future, which answers a `Result`, an `Option` or nothing: end it with `;` where the
    /// function answers anything else. Sets are warmed one after the other.
    ///
    /// An `Err` or a panic counts as failed and stops nothing.
    pub fn set<T, I, F>(
        self,
        name: impl Into<String>,
        items: I,
        call: impl Fn(T) -> F + Send + 'a,
    ) -> Self
    where
        I: IntoIterator<Item = T>,
        I::IntoIter: Send + 'a,
        F: Future<Output: Outcome> + Send + 'a,
    {
        self.stream(name, stream::iter(items), call)
    }

    /// The same for items that come by and by, as the rows of a query do. Each is taken when there is room for its call.
    pub fn stream<T, F>(
        mut self,
        name: impl Into<String>,
        items: impl Stream<Item = T> + Send + 'a,
        call: impl Fn(T) -> F + Send + 'a,
    ) -> Self
    where
        F: Future<Output: Outcome> + Send + 'a,
    {
        let items = items.map(move |item| item::begin(|| call(item)));
        self.sets.push((name.into(), Set::Given(Box::pin(items))));
        self
    }

    /// One call for each of the hottest keys of a function, the hottest first: those that the fleet has called most
    /// ([`Cache::remember_hottest`]), and without Redis those of this process.
    ///
    /// The arguments are read back from the keys. A key that does not say all of them, as it was hashed for its length or a part of it is made of several
    /// values, is skipped and counted.
    ///
    /// ```
    /// use cache_runtime::{Warming, cached};
    ///
    /// #[cached("squares", "1m")]
    /// async fn square(n: u64) -> u64 {
    ///     n * n
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// square(7).await;
    /// let report = Warming::new()
    ///     .hottest("squares", square::hottest(100), |n| async move {
    ///         square(n).await;
    ///     })
    ///     .run()
    ///     .await;
    /// assert_eq!(report.sets[0].fresh, 1);
    /// # }
    /// ```
    ///
    /// [`Cache::remember_hottest`]: crate::Cache::remember_hottest
    pub fn hottest<T, F>(
        mut self,
        name: impl Into<String>,
        keys: Hottest<T>,
        call: impl Fn(T) -> F + Send + 'a,
    ) -> Self
    where
        T: DeserializeOwned + Send + 'a,
        F: Future<Output: Outcome> + Send + 'a,
    {
        let items = async move {
            let keys = stream::iter(keys.recall().await);
            let items = keys.map(move |arguments| match arguments {
                Some(arguments) => item::begin(|| call(arguments)),
                None => future::ready(Fate::Skipped).boxed(),
            });
            Box::pin(items) as Items<'a>
        };
        self.sets
            .push((name.into(), Set::Remembered(Box::pin(items))));
        self
    }

    /// The most calls at one time; 0 counts as 1. Default: 16.
    pub fn concurrency(mut self, calls: usize) -> Self {
        self.concurrency = calls.max(1);
        self
    }

    /// The longest time that warming may take. Then what runs is dropped, and counted as left with what has not begun. Default: none.
    pub fn deadline(mut self, time: Duration) -> Self {
        self.deadline = Some(time);
        self
    }

    /// Loads also what is fresh, and replaces what is stored, as a companion's `refresh` does. That is for the functions which the items call; what these call
    /// is looked up as usual. Default: what is fresh is left alone.
    pub fn reload(mut self) -> Self {
        self.reloads = true;
        self
    }

    /// How it is told. Default: [`Progress::Auto`].
    pub fn progress(mut self, progress: Progress) -> Self {
        self.progress = progress;
        self
    }

    /// Warms, and tells what came of it. It ends early at the deadline, and when the store is away, after 10 answers in a row that could not be
    /// looked up: the sources are then asked for nothing.
    ///
    /// Safe to drop at any time: then it stops.
    pub async fn run(self) -> WarmReport {
        if self.reloads {
            return scope::reloading(self.warm()).await;
        }
        self.warm().await
    }

    async fn warm(self) -> WarmReport {
        let began = Instant::now();
        let until = self.deadline.and_then(|time| began.checked_add(time));
        let mut end = WarmingEnd::Complete;
        let mut sets = Vec::with_capacity(self.sets.len());
        for (name, items) in self.sets {
            let mut set = SetReport::new(name);
            let set_began = Instant::now();
            let items = match items {
                Set::Given(items) => items,
                Set::Remembered(recall) if end == WarmingEnd::Complete => {
                    let recalled = before(until, recall).await;
                    recalled.unwrap_or_else(|| Box::pin(stream::empty()))
                }
                Set::Remembered(_) => Box::pin(stream::empty()),
            };
            let mut calls = items.buffer_unordered(self.concurrency);
            if end == WarmingEnd::Complete {
                let teller = Teller::begin(self.progress, &set.name, calls.size_hint());
                end = warm(&mut calls, &mut set, until, teller).await;
                set.took = set_began.elapsed();
            }
            set.left = calls.size_hint().0 as u64;
            sets.push(set);
        }
        let took = began.elapsed();
        WarmReport { sets, end, took }
    }
}

/// Warms one set.
async fn warm(
    calls: &mut (impl Stream<Item = Fate> + Unpin),
    set: &mut SetReport,
    until: Option<Instant>,
    mut teller: Teller,
) -> WarmingEnd {
    let mut away = 0;
    let end = loop {
        // Calls that never wait would neither see the deadline nor let others run.
        tokio::task::consume_budget().await;
        if until.is_some_and(|until| Instant::now() >= until) {
            break WarmingEnd::Deadline;
        }
        let Some(next) = before(until, calls.next()).await else {
            break WarmingEnd::Deadline;
        };
        let Some(fate) = next else {
            break WarmingEnd::Complete;
        };
        away = if matches!(fate, Fate::Degraded) {
            away + 1
        } else {
            0
        };
        set.count(fate);
        teller.step(set);
        if away == AWAY {
            break WarmingEnd::StoreAway;
        }
    };
    teller.end(set, end);
    end
}

/// What `future` answers before the deadline.
async fn before<F: Future>(until: Option<Instant>, future: F) -> Option<F::Output> {
    match until {
        Some(until) => timeout_at(until, future).await.ok(),
        None => Some(future.await),
    }
}

impl Default for Warming<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Warming<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sets: Vec<_> = self.sets.iter().map(|(name, _)| name).collect();
        f.debug_struct("Warming")
            .field("sets", &sets)
            .field("concurrency", &self.concurrency)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
