//! What holds for all calls inside a scope of a task, such as a transaction. Most programs are in no scope most of the time: then nobody looks for one.

use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Scopes of all tasks of the process.
static SCOPES: AtomicUsize = AtomicUsize::new(0);

/// What a task-local of a scope holds: while there is one, [`is_any`] says so.
#[derive(Debug)]
pub(crate) struct Scoped<T>(T);

impl<T> Scoped<T> {
    pub(crate) fn new(value: T) -> Self {
        SCOPES.fetch_add(1, Ordering::Relaxed);
        Self(value)
    }
}

impl<T> Drop for Scoped<T> {
    fn drop(&mut self) {
        SCOPES.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<T> Deref for Scoped<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// Whether the present task may be in a scope: a task that is sees its own.
#[inline]
pub(crate) fn is_any() -> bool {
    SCOPES.load(Ordering::Relaxed) > 0
}
