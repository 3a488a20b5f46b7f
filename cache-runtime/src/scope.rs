//! How one call is to be made, told to it by the companion's `refresh` and `uncached`.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::ptr;
use std::task::{Context, Poll};

use tracing::Span;
use tracing::span::Entered;

use crate::scoped::{self, Scoped};
use crate::site::Site;

/// How a call treats the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Usual,
    /// Load, and replace what is stored.
    Refresh,
    /// Load, and leave the cache alone.
    Uncached,
}

tokio::task_local! {
    static BYPASS: Scoped<()>;
    static NEXT: Scoped<Cell<Option<(&'static Site, Mode)>>>;
}

thread_local! {
    /// Whether calls load anew; not those that a load makes.
    static RELOADS: Cell<bool> = const { Cell::new(false) };
}

/// Runs `call`, a call of `site`'s function, in `mode`; calls of other functions inside are as usual.
pub(crate) fn within<F: Future>(
    site: &'static Site,
    mode: Mode,
    call: F,
) -> impl Future<Output = F::Output> {
    NEXT.scope(Scoped::new(Cell::new(Some((site, mode)))), call)
}

/// Runs `work` so that no cached function that it calls looks or stores.
pub(crate) fn bypassing<F: Future>(work: F) -> impl Future<Output = F::Output> {
    BYPASS.scope(Scoped::new(()), Box::pin(work))
}

/// Runs `work` so that each cached function that it calls loads, and replaces what is stored; what these call is looked up as usual.
pub(crate) fn reloading<F: Future>(work: F) -> impl Future<Output = F::Output> {
    let scoped = Scoped::new(());
    let mut work = Box::pin(work);
    poll_fn(move |cx| {
        let _ = &scoped;
        let _reloading = Reloading::set(true);
        work.as_mut().poll(cx)
    })
}

/// In what the body of a cached function runs: in the span of its call, and so that what it calls is looked up as usual.
///
/// Without the body, so that little of it is compiled for each cached function of a program.
#[derive(Debug)]
pub(crate) struct Inside(Option<Box<Around>>);

/// What is unusual about a call whose body runs.
#[derive(Debug)]
struct Around {
    reloads: bool,
    span: Span,
}

impl Inside {
    pub(crate) fn of(span: Option<Span>) -> Self {
        let reloads = reloads();
        Self((reloads || span.is_some()).then(|| {
            let span = span.unwrap_or_else(Span::none);
            Box::new(Around { reloads, span })
        }))
    }

    /// Polls the body in there.
    pub(crate) fn poll<F: Future + ?Sized>(
        &self,
        body: Pin<&mut F>,
        cx: &mut Context<'_>,
    ) -> Poll<F::Output> {
        let _entered = self.0.as_deref().map(Around::enter);
        body.poll(cx)
    }
}

impl Around {
    fn enter(&self) -> (Entered<'_>, Option<Reloading>) {
        let span = self.span.enter();
        (span, self.reloads.then(|| Reloading::set(false)))
    }
}

fn reloads() -> bool {
    scoped::is_any() && RELOADS.try_with(Cell::get).unwrap_or(false)
}

/// What a task inside [`reloading`] holds while it is polled.
struct Reloading {
    before: bool,
}

impl Reloading {
    fn set(reloads: bool) -> Self {
        let before = RELOADS.try_with(|now| now.replace(reloads));
        Self {
            before: before.unwrap_or(false),
        }
    }
}

impl Drop for Reloading {
    fn drop(&mut self) {
        let _ = RELOADS.try_with(|now| now.set(self.before));
    }
}

/// Whether all calls leave the cache alone.
pub(crate) fn is_bypassed() -> bool {
    scoped::is_any() && BYPASS.try_with(|_| ()).is_ok()
}

/// The mode of the call of `site` that begins now. It holds for this one call, not for one that its body makes.
pub(crate) fn take(site: &'static Site) -> Mode {
    if !scoped::is_any() {
        return Mode::Usual;
    }
    if is_bypassed() {
        return Mode::Uncached;
    }
    let next = NEXT.try_with(|next| match next.get() {
        Some((meant, mode)) if ptr::eq(meant, site) => {
            next.set(None);
            Some(mode)
        }
        _ => None,
    });
    next.ok().flatten().unwrap_or_else(|| match reloads() {
        true => Mode::Refresh,
        false => Mode::Usual,
    })
}
