//! The cache that is the current one of a task, where a test has said so. Without the feature `testing` there is none.

use std::future::Future;
use std::sync::Arc;

use super::Engine;
#[cfg(feature = "testing")]
use crate::scoped::{self, Scoped};

#[cfg(feature = "testing")]
tokio::task_local! {
    static CURRENT: Scoped<Arc<Engine>>;
}

/// That of this task.
#[cfg(feature = "testing")]
#[inline]
pub(crate) fn current() -> Option<Arc<Engine>> {
    if !scoped::is_any() {
        return None;
    }
    CURRENT.try_with(|engine| Arc::clone(engine)).ok()
}

#[cfg(not(feature = "testing"))]
#[inline]
pub(crate) fn current() -> Option<Arc<Engine>> {
    None
}

/// Runs `work` in a task whose current cache this is.
#[cfg(feature = "testing")]
pub(crate) fn within<F: Future>(
    engine: Arc<Engine>,
    work: F,
) -> impl Future<Output = F::Output> + use<F> {
    CURRENT.scope(Scoped::new(engine), Box::pin(work))
}

/// What another task runs for this one, which has the same current cache then.
#[cfg(feature = "testing")]
pub(crate) fn inheriting<F: Future>(work: F) -> impl Future<Output = F::Output> + use<F> {
    let engine = current();
    async move {
        match engine {
            Some(engine) => within(engine, work).await,
            None => work.await,
        }
    }
}

#[cfg(not(feature = "testing"))]
#[inline]
pub(crate) fn inheriting<F: Future>(work: F) -> F {
    work
}
