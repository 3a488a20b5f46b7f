//! One call that warms, and what became of it.

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;

use futures_util::FutureExt as _;

use crate::source::{self, Observations, Source};

pub(super) type Item<'a> = Pin<Box<dyn Future<Output = Fate> + Send + 'a>>;

/// What a call that warms may answer, and a job: a `Result`, an `Option`, or nothing.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not tell whether it succeeded",
    label = "the future has to answer a `Result`, an `Option` or nothing",
    note = "end it with `;`: `async move {{ square(n).await; }}`"
)]
pub trait Outcome {
    /// Why it failed, if it did.
    fn error(&self) -> Option<String>;
}

impl<T, E: fmt::Display> Outcome for Result<T, E> {
    fn error(&self) -> Option<String> {
        self.as_ref().err().map(ToString::to_string)
    }
}

impl<T> Outcome for Option<T> {
    fn error(&self) -> Option<String> {
        None
    }
}

impl Outcome for () {
    fn error(&self) -> Option<String> {
        None
    }
}

/// What became of one item.
#[derive(Debug)]
pub(super) enum Fate {
    Loaded,
    Fresh,
    Degraded,
    Bypassed,
    Skipped,
    Failed(String),
}

/// Makes the call, and watches where its answers come from. A panic stays in here.
pub(super) fn begin<'a, F>(call: impl FnOnce() -> F) -> Item<'a>
where
    F: Future<Output: Outcome> + Send + 'a,
{
    let Ok(call) = catch_unwind(AssertUnwindSafe(call)) else {
        return Box::pin(async { panicked() });
    };
    Box::pin(async move {
        // The answer itself ends here: what it says may panic too.
        let told = async { call.await.error() };
        let watched = AssertUnwindSafe(source::observe(told)).catch_unwind();
        match watched.await {
            Ok((Some(error), _)) => Fate::Failed(error),
            Ok((None, seen)) => Fate::of(&seen),
            Err(_) => panicked(),
        }
    })
}

fn panicked() -> Fate {
    Fate::Failed("panicked".to_owned())
}

impl Fate {
    /// By the calls inside: one load is enough to have loaded, and inside what is fresh nothing is called.
    fn of(seen: &Observations) -> Self {
        let any = |sources: &[Source]| {
            let mut calls = seen.calls.iter();
            calls.any(|call| sources.contains(&call.source))
        };
        if any(&[Source::Degraded]) {
            Self::Degraded
        } else if any(&[Source::Load, Source::Coalesced]) {
            Self::Loaded
        } else if any(&[Source::Hit, Source::NearHit, Source::Stale]) {
            Self::Fresh
        } else {
            Self::Bypassed
        }
    }
}
