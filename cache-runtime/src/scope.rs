//! How one call is to be made, told to it by the companion's `refresh` and `uncached`.

use std::cell::Cell;
use std::future::Future;
use std::ptr;

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
    static BYPASS: ();
    static NEXT: Cell<Option<(&'static Site, Mode)>>;
}

/// Runs `call`, a call of `site`'s function, in `mode`; calls of other functions inside are as usual.
pub(crate) fn within<F: Future>(
    site: &'static Site,
    mode: Mode,
    call: F,
) -> impl Future<Output = F::Output> {
    NEXT.scope(Cell::new(Some((site, mode))), call)
}

/// Runs `work` so that no cached function that it calls looks or stores.
pub(crate) fn bypassing<F: Future>(work: F) -> impl Future<Output = F::Output> {
    BYPASS.scope((), Box::pin(work))
}

/// Whether all calls leave the cache alone.
pub(crate) fn is_bypassed() -> bool {
    BYPASS.try_with(|()| ()).is_ok()
}

/// The mode of the call of `site` that begins now. It holds for this one call, not for one that its body makes.
pub(crate) fn take(site: &'static Site) -> Mode {
    if is_bypassed() {
        return Mode::Uncached;
    }
    NEXT.try_with(|next| match next.get() {
        Some((meant, mode)) if ptr::eq(meant, site) => {
            next.set(None);
            mode
        }
        _ => Mode::Usual,
    })
    .unwrap_or(Mode::Usual)
}
