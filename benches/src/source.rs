//! What is behind the caches, in the place of a database: it counts, takes its time, and waits where a scenario wants it to.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::row::Row;

static LOADS: AtomicU64 = AtomicU64::new(0);
static VERSION: AtomicU64 = AtomicU64::new(0);
static MILLISECONDS: AtomicU64 = AtomicU64::new(0);

static HELD: AtomicBool = AtomicBool::new(false);
static READ: Semaphore = Semaphore::const_new(0);
static GO_ON: Semaphore = Semaphore::const_new(0);

/// Reads a row.
pub(crate) async fn load(id: u64) -> Row {
    LOADS.fetch_add(1, Ordering::SeqCst);
    let row = Row::of(id, VERSION.load(Ordering::SeqCst));
    if HELD.swap(false, Ordering::SeqCst) {
        READ.add_permits(1);
        GO_ON.acquire().await.expect("it is never closed").forget();
    }
    let takes = MILLISECONDS.load(Ordering::Relaxed);
    if takes > 0 {
        tokio::time::sleep(Duration::from_millis(takes)).await;
    }
    row
}

/// How often a row was read.
pub(crate) fn loads() -> u64 {
    LOADS.load(Ordering::SeqCst)
}

/// How long each load takes from now on.
pub(crate) fn takes(milliseconds: u64) {
    MILLISECONDS.store(milliseconds, Ordering::Relaxed);
}

/// Commits a change of all rows, and tells their version.
pub(crate) fn commit() -> u64 {
    VERSION.fetch_add(1, Ordering::SeqCst) + 1
}

/// Holds the next load between its reading and its answer.
pub(crate) fn hold() {
    HELD.store(true, Ordering::SeqCst);
}

/// Ends when the load that is held has read its row.
pub(crate) async fn has_read() {
    READ.acquire().await.expect("it is never closed").forget();
}

/// Lets it answer.
pub(crate) fn go_on() {
    GO_ON.add_permits(1);
}
