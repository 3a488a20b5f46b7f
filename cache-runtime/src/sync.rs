//! What threads of this process race with: std's primitives, or shuttle's, which try out the interleavings
//! (`RUSTFLAGS="--cfg shuttle"`).

use std::future::Future;
use std::sync::PoisonError;
use std::time::Duration;

#[cfg(shuttle)]
pub(crate) use shuttle::sync::{Mutex, MutexGuard, atomic};
#[cfg(not(shuttle))]
pub(crate) use std::sync::{Mutex, MutexGuard, atomic};

/// Locks. Nothing under our locks can panic half way, so that what a poisoned one holds is whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What `future` answers, unless it takes longer than `time`.
#[cfg(not(shuttle))]
pub(crate) async fn at_most<F: Future>(time: Duration, future: F) -> Option<F::Output> {
    tokio::time::timeout(time, future).await.ok()
}

/// The same where there is no clock: the time is over at once, or never.
#[cfg(shuttle)]
pub(crate) async fn at_most<F: Future>(_: Duration, future: F) -> Option<F::Output> {
    use shuttle::rand::Rng;
    if shuttle::rand::thread_rng().gen_bool(0.5) {
        return None;
    }
    Some(future.await)
}

#[cfg(all(test, shuttle))]
mod interleavings;
