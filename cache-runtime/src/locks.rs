//! Locks with a guard: of the fleet where there is Redis, of this process where there is none.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::cache::Cache;
use crate::counters::checked_life;
use crate::engine::Engine;
use crate::error::Error;
use crate::key::Key;
use crate::site::Site;
use crate::store::{Asked, Store, StoreError, Taken};

/// Waits between two questions for a lock, where no push wakes: doubled from the first to the last.
const FIRST_POLL: Duration = Duration::from_millis(10);
const LAST_POLL: Duration = Duration::from_millis(200);

/// A lock that is held. Dropped, it is given back in the background; it is prolonged until then.
///
/// # What it is good for
/// That work is not done twice, *usually*. A holder that stands still for longer than its lease (a paused process, a cut network) loses the lock without noticing
/// in time, and a server that fails over may forget it. Where two holders at once would do harm, let whatever is written to check the
/// [`fence`](Self::fence): it refuses a number lower than one that it has seen (M. Kleppmann, "How to do distributed locking", 2016).
#[must_use = "a lock that is dropped is given back"]
pub struct Lock {
    engine: Arc<Engine>,
    name: String,
    token: u64,
    fence: u64,
    /// Until when it is surely held; `None` once it has been lost.
    held: watch::Receiver<Option<Instant>>,
    prolonging: Option<AbortHandle>,
    /// Whether the store has nothing of it any more.
    ended: bool,
}

impl Cache {
    /// Takes the lock of `key`, if nobody holds it, here or elsewhere; `None` when somebody does, or the store could not be asked, which is counted as `degraded`.
    ///
    /// The lock is prolonged while the guard lives. `lease` is how long it outlives a holder that died: at least 1 ms; some
    /// seconds are usual. It has nothing to do with answers that are stored under `key`, and holds also while the cache is switched off.
    ///
    /// Safe to drop: what was taken is given back.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use cache_runtime::{Cache, Key};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # let cache = Cache::builder().build().unwrap();
    /// let key = Key::new("reports", [&"monthly" as _]);
    /// if let Some(lock) = cache.lock(&key, Duration::from_secs(10)).await {
    ///     // Nobody else is here.
    ///     drop(lock);
    /// }
    /// # }
    /// ```
    pub async fn lock(&self, key: &Key, lease: Duration) -> Option<Lock> {
        self.try_lock(key, lease).await.ok().flatten()
    }

    /// Like [`lock`](Self::lock), and tells what went wrong; `Ok(None)` when somebody holds it.
    ///
    /// # Errors
    /// `Invalid` when `lease` is shorter than 1 ms or the key could not be made; else Redis could not be reached, did not answer in time, or
    /// refused.
    pub async fn try_lock(&self, key: &Key, lease: Duration) -> Result<Option<Lock>, Error> {
        self.try_lock_within(key, lease, Duration::ZERO).await
    }

    /// Like [`lock`](Self::lock), and waits for it for as long as `wait`. Who waits is woken when it is given back, and else looks after 10 ms,
    /// doubled up to 200 ms. Whoever asks first then has it: there is no queue.
    pub async fn lock_within(&self, key: &Key, lease: Duration, wait: Duration) -> Option<Lock> {
        self.try_lock_within(key, lease, wait).await.ok().flatten()
    }

    /// Like [`lock_within`](Self::lock_within), and tells what went wrong; `Ok(None)` when somebody held it all the time.
    ///
    /// # Errors
    /// As [`try_lock`](Self::try_lock); the wait ends with the first one.
    pub async fn try_lock_within(
        &self,
        key: &Key,
        lease: Duration,
        wait: Duration,
    ) -> Result<Option<Lock>, Error> {
        static SITE: Site = Site::new("Cache::lock", "");
        let lease = checked_life("a lock's lease", lease)?;
        let take = async |patience| {
            // Apart from the loads of the same key, whose ends wake too.
            let name = format!("%lock:{key}");
            Lock::take(&self.engine, name, lease, wait, patience).await
        };
        self.engine.by_hand(&SITE, key, take).await
    }
}

impl Lock {
    /// A number that is higher than those of all who held this lock before, also when Redis has forgotten them, unless its clock was set back then.
    pub fn fence(&self) -> u64 {
        self.fence
    }

    /// Whether it is surely held still, by this process's clock: its lease has not ended, and nobody else is known to have taken it.
    pub fn is_held(&self) -> bool {
        self.held.borrow().is_some_and(|till| till > Instant::now())
    }

    /// Until the lock is lost: it could not be prolonged before its lease ended, or another one holds it. For `tokio::select!` with the work that it
    /// guards.
    pub async fn lost(&self) {
        let mut held = self.held.clone();
        loop {
            let till = *held.borrow_and_update();
            let Some(till) = till.filter(|till| *till > Instant::now()) else {
                return;
            };
            let left = till.saturating_duration_since(Instant::now());
            if let Ok(Err(_)) = tokio::time::timeout(left, held.changed()).await {
                // The runtime that prolonged it has ended.
                tokio::time::sleep_until(till.into()).await;
            }
        }
    }

    /// Gives it back, and waits until it is free. Dropping the guard does the same in the background.
    ///
    /// # Errors
    /// The store could not be told: it ends with its lease. It is tried again in the background.
    pub async fn release(mut self) -> Result<(), Error> {
        self.stop_prolonging();
        let (store, patience) = (&self.engine.store, self.engine.patience.operation);
        store.unlock(&self.name, self.token, patience).await?;
        self.ended = true;
        Ok(())
    }

    /// `Ok(None)`: it is held by another one, for as long as `wait`.
    pub(crate) async fn take(
        engine: &Arc<Engine>,
        name: String,
        lease: Duration,
        wait: Duration,
        patience: Duration,
    ) -> Result<Option<Self>, StoreError> {
        let waits = !wait.is_zero();
        let waiting = waits.then(|| engine.store.lock_wakes().wait(&name));
        let until = Instant::now().checked_add(wait);
        let asked = Asked {
            token: fastrand::u64(1..),
            life: lease,
            waits,
        };
        // Before it is asked for: dropped meanwhile, it is given back, if it was got.
        let (hold, held) = watch::channel(None);
        let mut lock = Self {
            engine: engine.clone(),
            name: name.clone(),
            token: asked.token,
            fence: 0,
            held,
            prolonging: None,
            ended: false,
        };
        let mut poll = FIRST_POLL;
        loop {
            let began = Instant::now();
            let left = match engine.store.lock(&name, asked, patience).await? {
                Taken::Yes(fence) => {
                    lock.fence = fence;
                    hold.send_replace(Some(began + lease));
                    let prolong = prolong(engine.clone(), name.clone(), asked, hold);
                    lock.prolonging = Some(tokio::spawn(prolong).abort_handle());
                    return Ok(Some(lock));
                }
                Taken::Held(left) => left,
            };
            let time = until.map_or(Duration::MAX, |until| {
                until.saturating_duration_since(Instant::now())
            });
            let Some(waiting) = waiting.as_ref().filter(|_| !time.is_zero()) else {
                lock.ended = true;
                return Ok(None);
            };
            // Up to a quarter more or less, so that those that wait do not ask in step; and soon after the holder's lease ends.
            let pause = poll.mul_f64(0.75 + fastrand::f64() / 2.0);
            let pause = pause.min(left + Duration::from_millis(1)).min(time);
            let _ = tokio::time::timeout(pause, waiting.woken()).await;
            poll = LAST_POLL.min(poll * 2);
        }
    }

    fn stop_prolonging(&self) {
        if let Some(prolonging) = &self.prolonging {
            prolonging.abort();
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.stop_prolonging();
        if self.ended {
            return;
        }
        let (engine, name, token) = (self.engine.clone(), self.name.clone(), self.token);
        if let Store::Memory(memory) = &engine.store {
            // Also outside a runtime.
            memory.locks.give_back(&name, token);
            return;
        }
        // Where it does not succeed, the lock ends with its lease.
        self.engine.background.see_to(async move {
            let patience = engine.patience.background;
            if let Err(error) = engine.store.unlock(&name, token, patience).await {
                tracing::debug!(lock = name, %error, "not given back; it ends with its lease");
            }
        });
    }
}

impl fmt::Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lock")
            .field("name", &self.name)
            .field("fence", &self.fence)
            .field("held", &self.is_held())
            .finish_non_exhaustive()
    }
}

/// Prolongs the lock until it is aborted, or has been lost.
async fn prolong(
    engine: Arc<Engine>,
    name: String,
    asked: Asked,
    hold: watch::Sender<Option<Instant>>,
) {
    let lease = asked.life;
    loop {
        tokio::time::sleep(lease / 3).await;
        let began = Instant::now();
        let patience = engine.patience.background.min(lease / 3);
        let (store, token) = (&engine.store, asked.token);
        let held = store.prolong_lock(&name, token, lease, patience).await;
        let in_time = hold.borrow().is_some_and(|till| till > Instant::now());
        match held {
            Ok(true) if in_time => _ = hold.send_replace(Some(began + lease)),
            // It may be held yet: the next attempt shows it.
            Err(_) if in_time => {}
            _ => {
                tracing::warn!(lock = name, "a lock was lost while it was held");
                hold.send_replace(None);
                return;
            }
        }
    }
}
