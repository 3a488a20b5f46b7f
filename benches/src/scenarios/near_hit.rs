use std::hint::black_box;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use super::servers::{one_thread, redis, threads};
use super::{Scenario, Size};
use crate::contest::{Contest, Figure, Line, Unit, at_once, in_turn};
use crate::row::{LARGE, Row};
use crate::sides::{
    CachedMemory, CachedSharded, ClientSide, HitboxMoka, Moka, MultiTier, OursNear, QuickCache,
    Side, shared, started,
};
use crate::source;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "near_hit",
    how: "hits of one key in the memory of this process, of 200 B and 20 KB, as `T` and as `Arc<T>`; 1 thread, and 2 on one key. Time and allocations a call",
    run,
};

const HOUR: Duration = Duration::from_secs(3600);

fn run(size: Size) -> Vec<Line> {
    let background = threads();
    let server = background.block_on(redis());
    let url = server.url();
    background.block_on(async {
        started::<OursNear>(url.clone()).await;
        started::<ClientSide>(url.clone()).await;
        started::<MultiTier>(url.clone()).await;
        started::<QuickCache>(url.clone()).await;
        started::<Moka>(url.clone()).await;
        started::<CachedMemory>(url.clone()).await;
        started::<CachedSharded>(url.clone()).await;
        started::<HitboxMoka>(url.clone()).await;
    });

    let mut lines = Vec::new();
    for threads in [1, 2] {
        for (id, text, calls) in [(1, "200 B", 100_000), (LARGE, "20 KB", 10_000)] {
            let how = How::new(&background, threads, size.of(calls));
            // For ever, so that no count of references is fought for.
            let row: &'static Row = Box::leak(Box::new(Row::of(id, 0)));
            let mut contest = how.contest(text);
            contest.add("clone of the value", || {
                how.measure(move |_| async move { row.clone() })
            });
            how.add::<OursNear>(&mut contest, id);
            how.add::<QuickCache>(&mut contest, id);
            how.add::<Moka>(&mut contest, id);
            how.add::<CachedMemory>(&mut contest, id);
            how.add::<CachedSharded>(&mut contest, id);
            how.add::<HitboxMoka>(&mut contest, id);
            how.add::<MultiTier>(&mut contest, id);
            how.add::<ClientSide>(&mut contest, id);
            lines.extend(contest.run(size.rounds));
        }
        let how = How::new(&background, threads, size.of(100_000));
        lines.extend(in_an_arc(&how).run(size.rounds));
    }
    lines
}

/// A value, and when it expires.
type Kept = (Arc<Row>, Instant);

static TEXT: LazyLock<quick_cache::sync::Cache<String, Kept>> =
    LazyLock::new(|| quick_cache::sync::Cache::new(1_000));
static NUMBER: LazyLock<quick_cache::sync::Cache<u64, Kept>> =
    LazyLock::new(|| quick_cache::sync::Cache::new(1_000));
static MOKA: LazyLock<moka::future::Cache<u64, Arc<Row>>> = LazyLock::new(|| {
    moka::future::Cache::builder()
        .max_capacity(1_000)
        .time_to_live(HOUR)
        .build()
});

/// With 20 KB it is the same: nothing is copied.
fn in_an_arc<'a>(how: &'a How<'_>) -> Contest<'a> {
    let value = Arc::new(Row::of(1, 0));
    let expires = Instant::now() + HOUR;
    TEXT.insert("shared:1".to_owned(), (value.clone(), expires));
    NUMBER.insert(1, (value.clone(), expires));
    how.background.block_on(async {
        MOKA.insert(1, value).await;
        for _ in 0..3 {
            shared(1).await;
        }
    });

    let fresh = |kept: Option<Kept>| kept.filter(|(_, expires)| *expires > Instant::now());
    let mut contest = how.contest("200 B in an `Arc`");
    contest.add("quick_cache by hand, text as key", move || {
        how.measure(move |_| async move { fresh(TEXT.get(&format!("shared:{}", black_box(1)))) })
    });
    contest.add("quick_cache by hand, number as key", move || {
        how.measure(move |_| async move { fresh(NUMBER.get(&black_box(1))) })
    });
    contest.add("moka by hand, number as key", move || {
        how.measure(|_| async { MOKA.get(&black_box(1)).await })
    });
    contest.add("cache-runtime, `local`", || how.measure(|_| shared(1)));
    contest
}

struct How<'a> {
    background: &'a Runtime,
    alone: Runtime,
    threads: u64,
    calls: u64,
}

impl<'a> How<'a> {
    fn new(background: &'a Runtime, threads: u64, calls: u64) -> Self {
        Self {
            background,
            alone: one_thread(),
            threads,
            calls,
        }
    }

    fn contest<'b>(&self, value: &str) -> Contest<'b> {
        let case = match self.threads {
            1 => format!("{value}, 1 thread"),
            threads => format!("{value}, {threads} threads on one key"),
        };
        Contest::new(SCENARIO.name, case, Unit::Nanoseconds)
    }

    fn add<'b, S: Side>(&'b self, contest: &mut Contest<'b>, id: u64) {
        self.background.block_on(async {
            for _ in 0..3 {
                S::read(id).await.expect("a row");
            }
        });
        contest.add(S::NAME, move || {
            let before = source::loads();
            let figure = self.measure(move |_| S::read(id));
            assert_eq!(source::loads(), before, "{}: all are hits", S::NAME);
            figure
        });
    }

    fn measure<F>(&self, call: impl Fn(u64) -> F + Clone + Send + 'static) -> Figure
    where
        F: Future<Output: Send> + Send,
    {
        if self.threads == 1 {
            return in_turn(&self.alone, self.calls, call);
        }
        let per_second = at_once(self.background, self.threads, self.calls, call);
        // What one call takes on its thread, so that both are read alike.
        Figure::from(1e9 * self.threads as f64 / per_second.value)
    }
}
