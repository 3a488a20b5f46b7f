//! Loads that go on without their caller: bounded in number and in time, and at most one of a key.

use std::collections::HashSet;
use std::future::Future;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use crate::sync::{Mutex, lock};

/// What takes longer could not be stored: its fence has ended.
const LONGEST: Duration = Duration::from_secs(600);

/// The background loads of one cache.
#[derive(Debug)]
pub(crate) struct Background {
    permits: Arc<Semaphore>,
    keys: Arc<Mutex<HashSet<String>>>,
    tasks: Mutex<JoinSet<()>>,
}

/// Leave to load in the background.
#[derive(Debug)]
pub(crate) struct Place {
    key: String,
    keys: Arc<Mutex<HashSet<String>>>,
    _permit: OwnedSemaphorePermit,
}

impl Background {
    /// At most so many at one time.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(limit.min(Semaphore::MAX_PERMITS))),
            keys: Arc::default(),
            tasks: Mutex::default(),
        }
    }

    /// Whether no load is under way.
    #[cfg(feature = "testing")]
    pub(crate) fn is_idle(&self) -> bool {
        lock(&self.keys).is_empty()
    }

    /// A place for a load of `key`; `None` when one is under way, and [`Full`] when there are too many.
    pub(crate) fn place(&self, key: String) -> Result<Option<Place>, Full> {
        let mut keys = lock(&self.keys);
        if keys.contains(&key) {
            return Ok(None);
        }
        let permit = self.permits.clone().try_acquire_owned();
        let permit = permit.map_err(|_| Full)?;
        keys.insert(key.clone());
        Ok(Some(Place {
            key,
            keys: self.keys.clone(),
            _permit: permit,
        }))
    }

    /// Runs `load`. It holds the cache, and ends with the runtime.
    pub(crate) fn run(&self, place: Place, load: impl Future<Output = ()> + Send + 'static) {
        let load = super::inheriting(load);
        self.see_to(async move {
            let place = place;
            if tokio::time::timeout(LONGEST, load).await.is_err() {
                tracing::error!(
                    key = place.key,
                    "load in the background given up after 10 minutes"
                );
            }
        });
    }

    /// Runs what ends soon by itself. Outside a runtime it is not done.
    pub(crate) fn see_to(&self, chore: impl Future<Output = ()> + Send + 'static) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let mut tasks = lock(&self.tasks);
        // What has ended is forgotten; one that panicked has told it.
        while tasks.try_join_next().is_some() {}
        tasks.spawn_on(chore, &runtime);
    }
}

/// Too many loads run in the background.
#[derive(Debug)]
pub(crate) struct Full;

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.keys).remove(&self.key);
        if thread::panicking() {
            tracing::error!(key = self.key, "load in the background panicked");
        }
    }
}
