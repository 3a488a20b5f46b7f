//! The log of records: kept in a bounded buffer until a task of the cache has written them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::AuditRecord;
use crate::engine::Engine;
use crate::observe::Counter;
use crate::store::StoreError;
use crate::sync::{Mutex, lock};

/// Records that wait. What comes then is dropped.
const BUFFER: usize = 10_000;
/// Records that are written in one round trip.
const BATCH: usize = 100;
/// Between two attempts to write.
const PAUSE: Duration = Duration::from_secs(1);
/// Looks of `flush`.
const LOOK: Duration = Duration::from_millis(20);

/// Records on their way.
#[derive(Debug)]
pub(super) struct Log {
    /// Records that the store keeps.
    most: usize,
    waiting: Mutex<VecDeque<AuditRecord>>,
    dropped: Counter,
    writing: Mutex<Option<JoinHandle<()>>>,
}

impl Log {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            waiting: Mutex::default(),
            dropped: Counter::default(),
            writing: Mutex::new(None),
        }
    }

    pub(super) fn put(&self, record: AuditRecord) {
        let mut waiting = lock(&self.waiting);
        if waiting.len() < BUFFER {
            waiting.push_back(record);
        } else {
            drop(waiting);
            if self.dropped.one_is_first() {
                tracing::error!("audit records are dropped, as they cannot be written");
            }
        }
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped.count()
    }

    /// Writes all that waits.
    async fn write(&self, engine: &Engine) -> Result<(), StoreError> {
        let (store, patience) = (engine.reachable()?, engine.patience.background);
        loop {
            let batch: Vec<_> = lock(&self.waiting).iter().take(BATCH).cloned().collect();
            if batch.is_empty() {
                return Ok(());
            }
            store.append_audit(&batch, self.most, patience).await?;
            // New ones come in behind.
            lock(&self.waiting).drain(..batch.len());
        }
    }

    fn is_empty(&self) -> bool {
        lock(&self.waiting).is_empty()
    }

    /// Whether nothing waits. Then the task that asks must end: under this lock nobody can have counted on it meanwhile.
    fn is_done(&self) -> bool {
        let mut writing = lock(&self.writing);
        let done = self.is_empty();
        if done {
            *writing = None;
        }
        done
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        if let Some(writing) = lock(&self.writing).take() {
            writing.abort();
        }
    }
}

/// Sees to it that a task writes what waits. Outside a runtime the next record does it.
pub(super) fn see_to_writing(engine: &Arc<Engine>, log: &Log) {
    let Ok(runtime) = Handle::try_current() else {
        return;
    };
    let mut writing = lock(&log.writing);
    if writing.as_ref().is_none_or(JoinHandle::is_finished) {
        *writing = Some(runtime.spawn(write(engine.clone())));
    }
}

/// Writes until nothing waits. Between two attempts it does not keep the cache alive.
async fn write(mut engine: Arc<Engine>) {
    while let Some(log) = engine
        .audit
        .as_ref()
        .and_then(|auditor| auditor.log.as_ref())
    {
        if let Err(error) = log.write(&engine).await {
            tracing::debug!(%error, "audit records wait");
            let cache = Arc::downgrade(&engine);
            drop(engine);
            tokio::time::sleep(PAUSE).await;
            let Some(alive) = cache.upgrade() else {
                return;
            };
            engine = alive;
        } else if log.is_done() {
            return;
        }
    }
}

/// Waits until what was put in before is written.
pub(super) async fn flush(engine: &Arc<Engine>) -> Result<(), StoreError> {
    let Some(log) = engine
        .audit
        .as_ref()
        .and_then(|auditor| auditor.log.as_ref())
    else {
        return Ok(());
    };
    let written = async {
        while !log.is_empty() {
            see_to_writing(engine, log);
            tokio::time::sleep(LOOK).await;
        }
    };
    let written = tokio::time::timeout(engine.patience.background, written).await;
    written.map_err(|_| StoreError::TimedOut)
}
