//! Assertions about where answers came from.

use std::fmt::Write;
use std::future::Future;

use crate::source::{self, Observed, Source};

/// Calls that a message shows.
const SHOWN: usize = 20;

/// Makes a call, and asserts that the cache answered it: from the store or the near cache, within its ttl. Answers what the call does.
///
/// All calls of cached functions that happen inside it have to be hits, so that it can be a handler, too.
///
/// ```
/// # use cache_runtime::{cached, testing::{TestCache, assert_hit}};
/// # #[cached("squares", "1m")] async fn square(n: u64) -> u64 { n * n }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # TestCache::memory().scope(async {
/// square(7).await;
/// assert_eq!(assert_hit!(square(7)), 49);
/// # }).await;
/// # }
/// ```
///
/// # Panics
/// Otherwise, also when no cached function is called. The message says for each call under which key it was made, but for functions that say `encrypt = on`, and where its
/// answer came from.
#[macro_export]
macro_rules! assert_hit {
    ($call:expr $(,)?) => {
        $crate::testing::observe($call)
            .await
            .hit(::core::stringify!($call))
    };
}

/// Makes a call, and asserts that it was not answered by the cache: its own body ran, and may be answered so again. Answers what the call does.
///
/// What the body calls itself may be anything. A batch is a miss when each of its keys is.
///
/// ```
/// # use cache_runtime::{cached, testing::{TestCache, assert_miss}};
/// # #[cached("squares", "1m")] async fn square(n: u64) -> u64 { n * n }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # TestCache::memory().scope(async {
/// assert_eq!(assert_miss!(square(7)), 49);
/// # }).await;
/// # }
/// ```
///
/// # Panics
/// Otherwise, as [`assert_hit!`](crate::assert_hit).
#[macro_export]
macro_rules! assert_miss {
    ($call:expr $(,)?) => {
        $crate::testing::observe($call)
            .await
            .miss(::core::stringify!($call))
    };
}

/// Makes a call, and asserts that it was answered by what is past its ttl: within `stale_while_revalidate`, or in the place of an error or a slow load. Answers what the call does.
///
/// ```
/// # use std::time::Duration;
/// # use cache_runtime::{cached, testing::{TestCache, assert_hit, assert_stale}};
/// #[cached("squares", "1m", stale_while_revalidate = "1h")]
/// async fn square(n: u64) -> u64 {
///     n * n
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let cache = TestCache::memory();
/// # cache.scope(async {
/// square(7).await;
/// cache.advance(Duration::from_secs(90)).await;
/// assert_eq!(assert_stale!(square(7)), 49);
/// cache.settle().await; // it was loaded anew in the background
/// assert_hit!(square(7));
/// # }).await;
/// # }
/// ```
///
/// # Panics
/// Otherwise, as [`assert_hit!`](crate::assert_hit).
#[macro_export]
macro_rules! assert_stale {
    ($call:expr $(,)?) => {
        $crate::testing::observe($call)
            .await
            .stale(::core::stringify!($call))
    };
}

/// Makes a call, and asserts that its source answered since the store could not be asked, or since an undelivered invalidation names its key. Answers what the call does.
///
/// ```
/// # use cache_runtime::{cached, testing::{Fault, TestCache, assert_degraded}};
/// # #[cached("squares", "1m")] async fn square(n: u64) -> u64 { n * n }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let cache = TestCache::memory();
/// # cache.scope(async {
/// cache.inject(Fault::Refuse);
/// assert_eq!(assert_degraded!(square(7)), 49);
/// # }).await;
/// # }
/// ```
///
/// # Panics
/// Otherwise, as [`assert_hit!`](crate::assert_hit).
#[macro_export]
macro_rules! assert_degraded {
    ($call:expr $(,)?) => {
        $crate::testing::observe($call)
            .await
            .degraded(::core::stringify!($call))
    };
}

/// Does some work, and asserts how many bodies of cached functions ran in it after a miss, or since a fresh answer was asked for. Answers what the work does.
///
/// Bodies that ran in other tasks, and in the background, are not seen; those of degraded calls are not counted.
///
/// ```
/// # use cache_runtime::{cached, testing::{TestCache, assert_loaded}};
/// # use futures_util::future::join_all;
/// # #[cached("squares", "1m")] async fn square(n: u64) -> u64 { n * n }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # TestCache::memory().scope(async {
/// let answers = assert_loaded!(1, join_all((0..100).map(|_| square(7))));
/// assert_eq!(answers, [49; 100]);
/// # }).await;
/// # }
/// ```
///
/// # Panics
/// When it is another number, as [`assert_hit!`](crate::assert_hit); with 0 also where no cached function is called.
#[macro_export]
macro_rules! assert_loaded {
    ($times:expr, $work:expr $(,)?) => {
        $crate::testing::observe($work)
            .await
            .loaded($times, ::core::stringify!($work))
    };
}

/// An answer, and the calls of cached functions that it took.
#[derive(Debug)]
pub struct Seen<T> {
    answer: T,
    calls: Vec<(Observed, Option<String>)>,
    /// Calls beyond those.
    more: usize,
}

/// Makes a call and sees what happens.
pub async fn observe<F: Future>(call: F) -> Seen<F::Output> {
    let (answer, seen, names) = source::observe_names(call).await;
    Seen {
        answer,
        calls: seen.calls.into_iter().zip(names).collect(),
        more: seen.more,
    }
}

impl<T> Seen<T> {
    /// The answer, if all calls were hits.
    #[track_caller]
    pub fn hit(self, call: &str) -> T {
        let hit = |source| matches!(source, Source::Hit | Source::NearHit);
        let hits = self.sources().all(hit);
        self.expect(hits, call, "been a hit")
    }

    /// The answer, if it was loaded.
    #[track_caller]
    pub fn miss(self, call: &str) -> T {
        let loaded = self.own().all(|source| source == Source::Load);
        self.expect(loaded, call, "been a miss")
    }

    /// The answer, if it was past its ttl.
    #[track_caller]
    pub fn stale(self, call: &str) -> T {
        let stale = self.own().all(|source| source == Source::Stale);
        self.expect(stale, call, "been stale")
    }

    /// The answer, if the store could not be asked for it.
    #[track_caller]
    pub fn degraded(self, call: &str) -> T {
        let degraded = self.own().all(|source| source == Source::Degraded);
        self.expect(degraded, call, "been degraded")
    }

    /// The answer, if it took so many loads.
    #[track_caller]
    pub fn loaded(self, times: usize, call: &str) -> T {
        let loads = self.sources().filter(|source| *source == Source::Load);
        let right = loads.count() == times;
        self.expect(right, call, &format!("loaded {times} times"))
    }

    fn sources(&self) -> impl Iterator<Item = Source> {
        self.calls.iter().map(|(call, _)| call.source)
    }

    /// The sources of the call itself, which is answered last; those of a batch stand together.
    fn own(&self) -> impl Iterator<Item = Source> {
        let own = self.calls.last().map(|(call, _)| call.function);
        let calls = self.calls.iter().rev();
        calls.map_while(move |(call, _)| (Some(call.function) == own).then_some(call.source))
    }

    #[track_caller]
    fn expect(self, holds: bool, call: &str, what: &str) -> T {
        if holds && !self.calls.is_empty() && self.more == 0 {
            return self.answer;
        }
        panic!("`{call}` should have {what}.{}", self.told());
    }

    /// What happened instead.
    fn told(&self) -> String {
        if self.calls.is_empty() {
            return " No cached function was called in its task.".to_owned();
        }
        let mut told = " These calls were answered:".to_owned();
        for (call, key) in self.calls.iter().take(SHOWN) {
            let key = key.as_deref().unwrap_or("(a key that is not shown)");
            // Into a string that cannot fail.
            let _ = write!(told, "\n  {key} of {}: {}", call.function, call.source);
            if let Some(age) = call.age.filter(|_| call.source != Source::Load) {
                let _ = write!(told, ", {age:.1?} old");
            }
        }
        let more = self.calls.len().saturating_sub(SHOWN) + self.more;
        if more > 0 {
            let _ = write!(told, "\n  and {more} more");
        }
        told
    }
}
