//! Operations by hand, on one key or on many of them: under the same stamps, fences and counters as calls of functions.

use std::sync::Arc;
use std::time::Duration;

use super::Engine;
use super::batch::share;
use super::budget::Budget;
use super::session::{Found, Request, Session};
use super::storing::Loaded;
use crate::key::Key;
use crate::policy::Policy;
use crate::scope::{self, Mode};
use crate::source::Source;
use crate::store::{Address, Opening, StoreError};

impl Engine {
    /// An operation by hand on `key`.
    pub(crate) fn session_by_hand<'a>(
        self: &'a Arc<Self>,
        key: &'a Key,
        mode: Mode,
        policy: &'a Policy,
    ) -> Session<'a> {
        self.session(Request {
            site: key.site(),
            key,
            tags: &[],
            mode,
            policy,
        })
    }

    /// What is current and fresh of all these, in one round trip.
    pub(crate) async fn get_many(
        &self,
        sessions: &[Session<'_>],
        ages: bool,
    ) -> Vec<Result<Option<Found>, StoreError>> {
        let mut found: Vec<_> = sessions.iter().map(|_| Ok(None)).collect();
        let mut asked = Vec::with_capacity(sessions.len());
        for (at, session) in sessions.iter().enumerate() {
            match session.may_ask() {
                Ok(true) => asked.push(at),
                Ok(false) => {}
                Err(error) => found[at] = Err(error),
            }
        }
        let ats: Vec<_> = asked
            .iter()
            .map(|at| {
                let address = sessions[*at].address();
                // A function may keep its answers beyond their ttl.
                let lives = address.lives || ages || sessions[*at].request.site.answers();
                Address { lives, ..address }
            })
            .collect();
        let budget = Budget::of_call(&self.patience);
        self.meters.batched(asked.len());
        let seen = budget.spend_many(ats.len(), |patience| self.store.read_many(&ats, patience));
        let (seen, took) = seen.await;
        let each = share(took, asked.len());
        for (at, seen) in asked.into_iter().zip(seen) {
            let session = &sessions[at];
            found[at] = seen
                .inspect_err(|error| session.not_asked(error))
                .map(|seen| {
                    session.function.meters.looked_up(each);
                    let fresh = |found: &Found| found.source != Source::Stale;
                    let answer = session.interpret(seen).ok().filter(fresh);
                    if answer.is_none() {
                        session.function.counters.misses.one();
                    }
                    answer
                });
        }
        found
    }

    /// Stores all of these, in two round trips: loads of them on their way are refused. What became of each.
    pub(crate) async fn set_many(
        &self,
        sessions: &[Session<'_>],
        loaded: Vec<Loaded>,
    ) -> Vec<Result<bool, StoreError>> {
        let mut done: Vec<_> = sessions.iter().map(|_| Ok(false)).collect();
        let mut asked = Vec::with_capacity(sessions.len());
        for (at, (session, mut loaded)) in sessions.iter().zip(loaded).enumerate() {
            match session.may_ask() {
                Ok(true) => {
                    if let Some(ttl) = session.settled_ttl(&mut loaded) {
                        asked.push((at, loaded, ttl));
                    }
                }
                Ok(false) => {}
                Err(error) => done[at] = Err(error),
            }
        }
        let ats: Vec<_> = asked
            .iter()
            .map(|(at, ..)| (sessions[*at].address(), &Opening::Replace))
            .collect();
        let budget = Budget::of_call(&self.patience);
        let opened = budget.spend_many(ats.len(), |patience| self.store.open_many(&ats, patience));
        let (opened, _) = opened.await;
        let mut places = Vec::with_capacity(asked.len());
        let mut fillings = Vec::with_capacity(asked.len());
        for ((at, loaded, ttl), ticket) in asked.into_iter().zip(opened) {
            let session = &sessions[at];
            match ticket {
                Ok(Some(ticket)) if session.may_store(ticket) => {
                    let entry = session.seal(loaded, ticket, Duration::ZERO);
                    places.push((at, entry.len()));
                    fillings.push(session.filling(ticket, None, entry, ttl));
                }
                Ok(_) => {}
                Err(error) => {
                    session.not_asked(&error);
                    done[at] = Err(error);
                }
            }
        }
        let filled = budget.spend_many(fillings.len(), |patience| {
            self.store.fill_many(&fillings, patience)
        });
        let (filled, _) = filled.await;
        for ((at, size), one) in places.into_iter().zip(filled) {
            done[at] = sessions[at].filled(one, size);
        }
        // What the near cache has of them is from before. Where the store failed, it may have been done all the same.
        let keys = sessions.iter().map(|session| session.request.key.clone());
        self.near.advance(&keys.map(Into::into).collect::<Vec<_>>());
        done
    }
}

impl Session<'_> {
    /// Whether the store is asked for this key; counted where it is not.
    fn may_ask(&self) -> Result<bool, StoreError> {
        let counters = &self.function.counters;
        if scope::is_bypassed() || self.is_bypassed() || self.is_held() {
            counters.bypassed.one();
            return Ok(false);
        }
        if self.waits() || self.engine.store.is_away() {
            counters.degraded.one();
            return Err(StoreError::Unreachable);
        }
        Ok(true)
    }

    fn not_asked(&self, error: &StoreError) {
        self.function.counters.degraded.one();
        tracing::debug!(key = %self.request.key, %error, "operation by hand not done");
    }

    /// Lets the current entry be fresh for `ttl` from now on; whether there is one.
    pub(crate) async fn expire(&self, ttl: Duration) -> Result<bool, StoreError> {
        let mut found = self.engine.get_many(std::slice::from_ref(self), true).await;
        let Some(found) = found.pop().unwrap_or(Ok(None))? else {
            return Ok(false);
        };
        let (key, engine) = (self.request.key, self.engine);
        let life = ttl.saturating_add(found.grace());
        let expired = self
            .budget
            .spend(|patience| engine.store.expire(key, life, patience));
        let expired = expired.await.inspect_err(|error| self.not_asked(error));
        // It may be kept there for longer.
        engine.near.advance(&[key.clone().into()]);
        expired
    }
}
