//! The lead of a load in the whole fleet: held while the load runs, prolonged, and given back whatever becomes of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::AbortHandle;

use super::Engine;
use super::session::{Found, Session};
use crate::envelope::Head;
use crate::key::Key;
use crate::store::{Asked, Lead, Opening, StoreError, Ticket};

/// Waits between looks at another's load, where no push wakes: doubled from the first to the last.
const FIRST_POLL: Duration = Duration::from_millis(10);
const LAST_POLL: Duration = Duration::from_millis(200);

/// For so long after a failed load others with the same ticket do not wait for one another.
pub(crate) const BACK_OFF: Duration = Duration::from_millis(500);

/// The right to load for the fleet.
#[derive(Debug)]
pub(crate) struct Lease {
    engine: Arc<Engine>,
    key: Key,
    token: u64,
    prolonging: Option<AbortHandle>,
    /// Whether the store has been told that it is over.
    ended: bool,
}

/// Who loads.
pub(super) enum Led {
    /// This call: for the fleet, or without a lease.
    Here(Option<Lease>),
    /// Another instance has, and this is its answer.
    Found(Found),
    /// The ticket is not the present one any more.
    Outdated,
}

impl Session<'_> {
    /// Asks for the lead of the load of `ticket`, and waits for whoever has it; `head` is that of the entry that was not accepted.
    pub(super) async fn lead_in_fleet(
        &mut self,
        ticket: Ticket,
        head: &Head,
    ) -> Result<Led, StoreError> {
        let (engine, at) = (self.engine, self.address());
        let wait = engine
            .store
            .wakes()
            .map(|wakes| wakes.wait(at.key.as_str()));
        let until = Instant::now() + self.patience_for_loads().min(self.lock());
        let mut poll = FIRST_POLL;
        let asked = |patience| self.ask_for_lease(ticket, true, patience);
        let mut asked = self.budget.spend(asked).await?;
        // From here on it is a wait for a load, which the call's budget is not for.
        let patience = engine.patience.operation;
        loop {
            match asked {
                Ok(lease) => return Ok(Led::Here(lease)),
                Err(Lead::Held) => {}
                Err(Lead::Over) => return Ok(Led::Outdated),
                Err(_) => return Ok(Led::Here(None)),
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                self.wait_abandoned();
                return Ok(Led::Here(None));
            }
            let pause = poll.mul_f64(0.75 + fastrand::f64() / 2.0).min(left);
            match &wait {
                Some(wait) => {
                    let _ = tokio::time::timeout(pause, wait.woken()).await;
                }
                None => tokio::time::sleep(pause).await,
            }
            poll = LAST_POLL.min(poll * 2);
            let opening = Opening::Missed(head.clone());
            match engine.store.open(at, &opening, patience).await? {
                Some(now) if now == ticket => {
                    asked = self.ask_for_lease(ticket, true, patience).await?;
                }
                Some(_) => return Ok(Led::Outdated),
                None => return Ok(self.read(at).await?.map_or(Led::Outdated, Led::Found)),
            }
        }
    }

    /// The lease of the load of `ticket`, or why there is none.
    pub(super) async fn ask_for_lease(
        &self,
        ticket: Ticket,
        waits: bool,
        patience: Duration,
    ) -> Result<Result<Option<Lease>, Lead>, StoreError> {
        let engine = self.engine;
        if engine.store.wakes().is_none() {
            // No other instance uses this store.
            return Ok(Ok(None));
        }
        let asked = Asked {
            token: fastrand::u64(1..),
            life: self.lock(),
            waits,
        };
        let (key, store) = (self.request.key, &engine.store);
        // Before it is asked for: dropped meanwhile, it is given back, if it was got.
        let mut lease = Lease {
            engine: engine.clone(),
            key: key.clone(),
            token: asked.token,
            prolonging: None,
            ended: false,
        };
        let lead = store.lease(key, ticket, asked, patience);
        Ok(match lead.await? {
            Lead::Led => {
                let prolong = prolong(engine.clone(), key.clone(), asked);
                lease.prolonging = Some(tokio::spawn(prolong).abort_handle());
                Ok(Some(lease))
            }
            lead => {
                lease.was_ended();
                Err(lead)
            }
        })
    }
}

impl Lease {
    pub(super) fn token(&self) -> u64 {
        self.token
    }

    /// The store has ended it together with something else.
    pub(super) fn was_ended(mut self) {
        self.ended = true;
    }

    /// The load failed, or nothing was stored: those that wait go on without one another.
    pub(super) async fn failed(mut self, patience: Duration) -> Result<(), StoreError> {
        self.stop_prolonging();
        let (key, token) = (&self.key, self.token);
        let released = self.engine.store.release(key, token, BACK_OFF, patience);
        released.await?;
        self.ended = true;
        Ok(())
    }

    fn stop_prolonging(&self) {
        if let Some(prolonging) = &self.prolonging {
            prolonging.abort();
        }
    }
}

impl Drop for Lease {
    /// Cancelled, panicked, or with nothing to store: another one may lead.
    fn drop(&mut self) {
        self.stop_prolonging();
        if self.ended {
            return;
        }
        // Nobody waits for it here. Where it does not succeed, the lease ends by itself.
        let (engine, key, token) = (self.engine.clone(), self.key.clone(), self.token);
        self.engine.background.see_to(async move {
            let (patience, none) = (engine.patience.background, Duration::ZERO);
            if let Err(error) = engine.store.release(&key, token, none, patience).await {
                tracing::debug!(%key, %error, "a lease was not given back; it ends by itself");
            }
        });
    }
}

/// Prolongs the lease until it is aborted, or has been lost.
async fn prolong(engine: Arc<Engine>, key: Key, asked: Asked) {
    loop {
        tokio::time::sleep(asked.life / 3).await;
        let patience = engine.patience.background.min(asked.life / 3);
        let (store, life) = (&engine.store, asked.life);
        // After an error it is tried again: the lease may be held yet.
        if let Ok(false) = store.prolong(&key, asked.token, life, patience).await {
            tracing::debug!(%key, "a lease was lost; the load goes on");
            return;
        }
    }
}
