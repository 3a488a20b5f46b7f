//! The functions under test. One row is cached by four of them, and each way of invalidating has a function that writes.
//!
//! Options that the library gains are added here, one line each.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use cache_runtime::{cached, invalidates, updates};
use serde::{Deserialize, Serialize};

use crate::history::{Moment, Value, now};
use crate::source::Source;

const PARTS: u64 = 6;
const IDS: u64 = 12;

/// A row of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) part: u64,
    pub(crate) id: u64,
}

/// A cached function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) enum Function {
    Exact,
    Trailing,
    Middle,
    Tagged,
    /// With a near cache; named together with [`Exact`](Self::Exact).
    Near,
}

/// A function that writes a row, called like its way of invalidating.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Way {
    Exact,
    Trailing,
    Middle,
    MiddleAndTrailing,
    Tag,
    All,
    /// Stores what it has written.
    Through,
    Cut,
}

/// What an invalidation makes old, in the checker's own words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Scope {
    /// `soak:exact:{part}:{id}`, and the same of the function with a near cache.
    Exact(Row),
    /// `soak:exact:{part}:{id}` alone.
    Through(Row),
    /// `soak:trailing:{part}:*`
    Trailing(u64),
    /// `soak:middle:*:{id}`
    Middle(u64),
    /// `soak:*:{part}:*`
    MiddleAndTrailing(u64),
    /// The tag `part:{part}`.
    Tag(u64),
    /// `soak:exact:*:1*`
    Cut,
}

impl Row {
    pub(crate) const ALL: u64 = PARTS * IDS;

    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (0..Self::ALL).map(Self::number)
    }

    pub(crate) fn number(number: u64) -> Self {
        let (part, id) = (number / IDS, number % IDS);
        Self { part, id }
    }

    /// Rows that one process alone writes, one call after the other. A value may be put for them: whoever puts one knows that
    /// there is no newer one.
    pub(crate) fn is_owned(self) -> bool {
        self.id == IDS - 1
    }
}

impl Function {
    pub(crate) const ALL: [Self; 5] = [
        Self::Exact,
        Self::Trailing,
        Self::Middle,
        Self::Tagged,
        Self::Near,
    ];

    /// What this function's answer for `row` lies in.
    pub(crate) fn scopes(self, row: Row) -> impl Iterator<Item = Scope> {
        let Row { part, id } = row;
        let (own, cut) = match self {
            Self::Exact => (Scope::Exact(row), id.to_string().starts_with('1')),
            Self::Trailing => (Scope::Trailing(part), false),
            Self::Middle => (Scope::Middle(id), false),
            Self::Tagged => (Scope::Tag(part), false),
            Self::Near => (Scope::Exact(row), false),
        };
        let both = (self != Self::Tagged).then_some(Scope::MiddleAndTrailing(part));
        let through = (self == Self::Exact).then_some(Scope::Through(row));
        [own]
            .into_iter()
            .chain(both)
            .chain(through)
            .chain(cut.then_some(Scope::Cut))
    }
}

impl Way {
    pub(crate) const ALL: [Self; 8] = [
        Self::Exact,
        Self::Trailing,
        Self::Middle,
        Self::MiddleAndTrailing,
        Self::Tag,
        Self::All,
        Self::Through,
        Self::Cut,
    ];

    /// What writing `row` makes old.
    pub(crate) fn scopes(self, row: Row) -> Vec<Scope> {
        let Row { part, id } = row;
        match self {
            Self::Exact => vec![Scope::Exact(row)],
            Self::Trailing => vec![Scope::Trailing(part)],
            Self::Middle => vec![Scope::Middle(id)],
            Self::MiddleAndTrailing => vec![Scope::MiddleAndTrailing(part)],
            Self::Tag => vec![Scope::Tag(part)],
            Self::All => vec![
                Scope::Exact(row),
                Scope::Trailing(part),
                Scope::Middle(id),
                Scope::Tag(part),
            ],
            Self::Through => vec![Scope::Through(row)],
            Self::Cut => vec![Scope::Cut],
        }
    }
}

/// One call: what its body works with, and what it tells of itself.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    source: &'a Source,
    plan: Plan,
    asked: AtomicBool,
    begun: AtomicU64,
    version: AtomicU64,
    ended: AtomicU64,
}

/// How a body behaves.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Plan {
    /// Pauses before and after the source is asked.
    pub(crate) before: Duration,
    pub(crate) after: Duration,
    pub(crate) fails: bool,
}

/// The source could not answer.
#[derive(Debug)]
pub(crate) struct Failed;

impl<'a> Call<'a> {
    pub(crate) fn new(source: &'a Source, plan: Plan) -> Self {
        Self {
            source,
            plan,
            asked: AtomicBool::new(false),
            begun: AtomicU64::new(0),
            version: AtomicU64::new(0),
            ended: AtomicU64::new(0),
        }
    }

    /// Whether the body of the cached function ran.
    pub(crate) fn asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// When the body of the writing function began.
    pub(crate) fn begun(&self) -> Option<Moment> {
        Some(self.begun.load(Ordering::Relaxed)).filter(|begun| *begun > 0)
    }

    /// The version that was written, as soon as it is known.
    pub(crate) fn version(&self) -> Option<u64> {
        Some(self.version.load(Ordering::Relaxed)).filter(|version| *version > 0)
    }

    /// When the body of the writing function had ended.
    pub(crate) fn ended(&self) -> Option<Moment> {
        Some(self.ended.load(Ordering::Relaxed)).filter(|ended| *ended > 0)
    }

    /// What all cached functions do.
    pub(crate) async fn load(
        &self,
        function: Function,
        part: u64,
        id: u64,
    ) -> Result<Value, Failed> {
        self.asked.store(true, Ordering::Relaxed);
        let (row, loaded) = (Row { part, id }, Some(now()));
        pause(self.plan.before).await;
        let version = self.source.version(row).await.map_err(|_| Failed)?;
        pause(self.plan.after).await;
        if self.plan.fails {
            return Err(Failed);
        }
        Ok(Value {
            function,
            row,
            version,
            loaded,
        })
    }

    /// What all writing functions do.
    pub(crate) async fn write(&self, part: u64, id: u64) -> Result<(), Failed> {
        if self.plan.fails {
            return Err(Failed);
        }
        self.begun.store(now(), Ordering::Relaxed);
        pause(self.plan.before).await;
        let version = self.source.write(Row { part, id }).await;
        self.version
            .store(version.map_err(|_| Failed)?, Ordering::Relaxed);
        pause(self.plan.after).await;
        self.ended.store(now(), Ordering::Relaxed);
        Ok(())
    }
}

async fn pause(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

#[cached(namespace = "soak:exact", ttl = "10m", key = (part, id))]
pub(crate) async fn exact(#[skip] call: &Call<'_>, part: u64, id: u64) -> Result<Value, Failed> {
    call.load(Function::Exact, part, id).await
}

#[cached(namespace = "soak:trailing", ttl = "10m", key = (part, id), single_flight = fleet, lock = "300ms")]
pub(crate) async fn trailing(#[skip] call: &Call<'_>, part: u64, id: u64) -> Result<Value, Failed> {
    call.load(Function::Trailing, part, id).await
}

#[cached(namespace = "soak:middle", ttl = "100ms", stale_if_error = "10m", key = (part, id))]
pub(crate) async fn middle(#[skip] call: &Call<'_>, part: u64, id: u64) -> Result<Value, Failed> {
    call.load(Function::Middle, part, id).await
}

#[cached(namespace = "tagged", ttl = "10m", key = (part, id), tags = ["part:{part}"])]
pub(crate) async fn tagged(#[skip] call: &Call<'_>, part: u64, id: u64) -> Result<Value, Failed> {
    call.load(Function::Tagged, part, id).await
}

#[cached(namespace = "soak:near", ttl = "10m", key = (part, id), local = "10m")]
pub(crate) async fn near(#[skip] call: &Call<'_>, part: u64, id: u64) -> Result<Value, Failed> {
    call.load(Function::Near, part, id).await
}

#[invalidates(exact(part, id), near(part, id))]
pub(crate) async fn write_exact(call: &Call<'_>, part: u64, id: u64) -> Result<(), Failed> {
    call.write(part, id).await
}

#[invalidates("soak:trailing:{part}:*")]
pub(crate) async fn write_trailing(call: &Call<'_>, part: u64, id: u64) -> Result<(), Failed> {
    call.write(part, id).await
}

#[invalidates(middle(_, id), hold_off = "5ms")]
pub(crate) async fn write_middle(call: &Call<'_>, part: u64, id: u64) -> Result<(), Failed> {
    call.write(part, id).await
}

#[invalidates("soak:*:{part}:*")]
pub(crate) async fn write_both(call: &Call<'_>, part: u64, id: u64) -> Result<(), Failed> {
    call.write(part, id).await
}

#[invalidates(tag = "part:{part}")]
pub(crate) async fn write_tag(call: &Call<'_>, part: u64, id: u64) -> Result<(), Failed> {
    call.write(part, id).await
}

#[invalidates(
    exact(part, id),
    near(part, id),
    trailing(part, _),
    "soak:middle:*:{id}",
    tag = "part:{part}",
    crash_safe = "50ms"
)]
pub(crate) async fn write_all(call: &Call<'_>, part: u64, id: u64) -> Result<(), Failed> {
    call.write(part, id).await
}

#[updates(exact(part, id))]
pub(crate) async fn write_through(call: &Call<'_>, part: u64, id: u64) -> Result<Value, Failed> {
    call.write(part, id).await?;
    Ok(Value {
        function: Function::Exact,
        row: Row { part, id },
        version: call.version().ok_or(Failed)?,
        loaded: call.begun(),
    })
}

#[invalidates("soak:exact:*:1*")]
pub(crate) async fn write_cut(call: &Call<'_>, part: u64, id: u64) -> Result<(), Failed> {
    call.write(part, id).await
}
