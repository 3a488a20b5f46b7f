//! What a call may spend on the cache, all its operations together.

use std::future::Future;
use std::time::{Duration, Instant};

use crate::store::StoreError;
use crate::sync::atomic::{AtomicU64, Ordering};

/// How long anybody waits for the store.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// Of one operation.
    pub(crate) operation: Duration,
    /// Of all operations of a call.
    pub(crate) call: Duration,
    /// Of an operation that nobody waits for.
    pub(crate) background: Duration,
}

/// What is left of a call's time.
#[derive(Debug)]
pub(crate) struct Budget {
    /// Microseconds. Nobody shares it; as an atomic it may be spent behind a shared reference in a future that moves between threads.
    left: AtomicU64,
    operation: Duration,
}

impl Budget {
    pub(crate) fn of_call(patience: &Patience) -> Self {
        Self::new(patience.call, patience.operation)
    }

    /// For work that no caller waits for.
    pub(super) fn of_background(patience: &Patience) -> Self {
        Self::new(Duration::MAX, patience.background)
    }

    fn new(call: Duration, operation: Duration) -> Self {
        Self {
            left: AtomicU64::new(u64::try_from(call.as_micros()).unwrap_or(u64::MAX)),
            operation,
        }
    }

    /// Does `operation`, which is told how long it may take.
    pub(crate) async fn spend<T, F>(
        &self,
        operation: impl FnOnce(Duration) -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let (answer, _) = self.timed(operation).await?;
        Ok(answer)
    }

    /// The same of many at once, which each answer by themselves: what became of each of them.
    pub(super) async fn spend_many<T, F>(
        &self,
        many: usize,
        operation: impl FnOnce(Duration) -> F,
    ) -> (Vec<Result<T, StoreError>>, Duration)
    where
        F: Future<Output = Vec<Result<T, StoreError>>>,
    {
        let done = self.timed(async |patience| Ok(operation(patience).await));
        match done.await {
            Ok(done) => done,
            Err(error) => (
                (0..many).map(|_| Err(error.clone())).collect(),
                Duration::ZERO,
            ),
        }
    }

    /// The same, and tells how long it took.
    pub(super) async fn timed<T, F>(
        &self,
        operation: impl FnOnce(Duration) -> F,
    ) -> Result<(T, Duration), StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let left = self.left.load(Ordering::Relaxed);
        if left == 0 {
            return Err(StoreError::TimedOut);
        }
        let began = Instant::now();
        let answer = operation(self.operation.min(Duration::from_micros(left))).await;
        let took = began.elapsed();
        let spent = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.left
            .store(left.saturating_sub(spent), Ordering::Relaxed);
        Ok((answer?, took))
    }
}
