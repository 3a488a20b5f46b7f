//! Who waits for another instance's load, and is woken when it ends.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::Notify;

use crate::sync::{Mutex, lock};

/// The waits of one cache, by key.
#[derive(Debug, Default)]
pub(crate) struct Wakes {
    waits: Mutex<HashMap<String, Vec<Arc<Notify>>>>,
}

/// One wait.
#[derive(Debug)]
pub(crate) struct Wait<'a> {
    wakes: &'a Wakes,
    key: String,
    notify: Arc<Notify>,
}

impl Wakes {
    /// From now on `key` wakes whoever waits here.
    pub(crate) fn wait(&self, key: &str) -> Wait<'_> {
        let notify = Arc::new(Notify::new());
        lock(&self.waits)
            .entry(key.to_owned())
            .or_default()
            .push(notify.clone());
        Wait {
            wakes: self,
            key: key.to_owned(),
            notify,
        }
    }

    /// A load of `key` has ended.
    pub(crate) fn wake(&self, key: &str) {
        for notify in lock(&self.waits).get(key).into_iter().flatten() {
            // Also for one that is just about to wait.
            notify.notify_one();
        }
    }
}

impl Wait<'_> {
    /// Until it is woken, now or since the last time.
    pub(crate) async fn woken(&self) {
        self.notify.notified().await;
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        let mut waits = lock(&self.wakes.waits);
        if let Some(waiting) = waits.get_mut(&self.key) {
            waiting.retain(|notify| !Arc::ptr_eq(notify, &self.notify));
            if waiting.is_empty() {
                waits.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_that_wait_for_a_key_are_woken_and_nothing_stays() {
        let wakes = Wakes::default();
        let (a, b, other) = (wakes.wait("a"), wakes.wait("a"), wakes.wait("b"));
        wakes.wake("a");
        a.woken().await;
        b.woken().await;
        assert!(futures_util::poll!(std::pin::pin!(other.woken())).is_pending());
        drop((a, b, other));
        assert!(lock(&wakes.waits).is_empty());
    }
}
