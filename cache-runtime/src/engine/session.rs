//! One call of a cached function, from the look to the turn to load.

use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::Engine;
use super::background::{Full, Place};
use super::budget::Budget;
use super::lease::{Lease, Led};
use super::watching::Watched;
use crate::after_commit::Held;
use crate::analytics::Weight;
use crate::codec::Codec;
use crate::envelope::{self, Head, Label, Rejected};
use crate::flight::{Leader, Seat, Turn};
use crate::generations::Stamp;
use crate::key::{Key, Tag, digest};
use crate::near::{self, Keeping, Kept};
use crate::observe::Function;
use crate::outbox::Outbox;
use crate::policy::{Policy, SingleFlight};
use crate::scope::Mode;
use crate::shape::SharedError;
use crate::site::Site;
use crate::source::{self, Freshness, Source};
use crate::store::{Address, Busy, Opening, Seen, StoreError, Ticket};

/// How often a call looks again because somebody else stored an entry between its look and its announcement.
const LOOKS: usize = 4;

/// The longest time that a caller waits for another's load, where its function says nothing: in this process, where only a leader that nobody
/// polls is waited for in vain, and in the fleet, where an instance may die.
const WAIT: Duration = Duration::from_secs(60);
const LOCK: Duration = Duration::from_secs(5);

/// One call of a cached function, without anything that depends on its types.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) site: &'static Site,
    pub(crate) key: &'a Key,
    pub(crate) tags: &'a [Tag],
    pub(crate) mode: Mode,
    pub(crate) policy: &'a Policy,
}

/// A call on its way.
#[derive(Debug)]
pub(crate) struct Session<'a> {
    pub(super) engine: &'a Arc<Engine>,
    pub(super) request: Request<'a>,
    pub(super) function: &'a Function,
    /// How closely it is looked at.
    pub(super) weight: Weight,
    pub(super) budget: Budget,
    /// An entry whose value turned out not to be the answer's type: to be replaced.
    distrusted: Option<Head>,
    /// Another program's entry is in the place of this call's answer.
    contested: bool,
    /// An answer past its ttl, for when there is no better one.
    fallback: Option<Found>,
    /// How long the near cache keeps the answer; `None`: it does not.
    local: Option<Duration>,
    /// What the near cache said of the key before anything was looked up or loaded; `None` while nothing may be kept there.
    near: Option<Stamp>,
    /// When it turned out that the answer has to be loaded, by this call or by another one.
    pub(super) missed: Option<Instant>,
    /// Where the answer comes from.
    pub(super) source: Source,
    /// How old the answer is that was found, and nothing of one that is loaded.
    freshness: Freshness,
    /// For how long the answer was stored that this call has loaded.
    pub(super) stored_for: OnceLock<Duration>,
    pub(super) watched: Option<Box<Watched>>,
}

/// What the caller has to do.
#[derive(Debug)]
pub(crate) enum Step {
    /// The near cache has it.
    Near(Kept),
    /// Decode this.
    Found(Found),
    /// Another caller's load failed with this.
    Failed(SharedError),
    /// Load, and settle.
    Lead(Loading),
    /// Load, and tell nobody.
    Alone,
}

/// An entry that is current and whole.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(super) entry: Bytes,
    /// The encoded value.
    value: Bytes,
    codec: Codec,
    absent: bool,
    /// How long it is fresh yet, where that was asked; `None` when it came from another caller's load.
    pub(crate) fresh: Option<Duration>,
    /// How long ago it was loaded, where that is known.
    age: Option<Duration>,
    /// How long the store keeps it beyond its ttl.
    grace: Duration,
    pub(super) source: Source,
    /// It is to be loaded anew in the background.
    pub(crate) refresh: bool,
}

/// A load that was announced.
#[derive(Debug)]
pub(crate) struct Loading {
    /// `None` with `single_flight = off`.
    pub(super) flight: Option<Flight>,
    pub(super) ticket: Ticket,
    pub(super) began: Instant,
    /// Whether the answer is stored. A newer version of the program has stored its answer: it stays.
    pub(super) stores: bool,
    /// The lead of the load in the fleet.
    pub(super) lease: Option<Lease>,
}

/// The lead of a load, in this process.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) leader: Leader,
    /// Kept until the answer is stored: whoever announced a load before that still finds it here.
    pub(super) seat: Seat,
}

impl Engine {
    pub(crate) fn session<'a>(self: &'a Arc<Self>, request: Request<'a>) -> Session<'a> {
        let budget = Budget::of_call(&self.patience);
        self.session_within(request, budget, false)
    }

    /// The same for a call of a function, which has a span where anybody listens.
    pub(crate) fn call<'a>(self: &'a Arc<Self>, request: Request<'a>) -> Session<'a> {
        let budget = Budget::of_call(&self.patience);
        self.session_within(request, budget, true)
    }

    /// The same without a caller who waits.
    pub(crate) fn background_session<'a>(self: &'a Arc<Self>, request: Request<'a>) -> Session<'a> {
        let budget = Budget::of_background(&self.patience);
        self.session_within(request, budget, false)
    }

    fn session_within<'a>(
        self: &'a Arc<Self>,
        request: Request<'a>,
        budget: Budget,
        is_call: bool,
    ) -> Session<'a> {
        if self.outbox.depth() > 0 {
            Outbox::see_to_delivery(self);
        }
        let function = self.register.function(request.site);
        let watched = match is_call {
            true => Watched::of(&request, function, None),
            false => None,
        };
        Session {
            engine: self,
            local: request.policy.local,
            request,
            weight: function.weight(),
            function,
            budget,
            distrusted: None,
            contested: false,
            fallback: None,
            near: None,
            missed: None,
            source: Source::Load,
            freshness: Freshness::loaded(Duration::ZERO),
            stored_for: OnceLock::new(),
            watched,
        }
    }
}

impl<'a> Session<'a> {
    /// What to do next. Safe to drop at any time: a seat is left, and a turn to load passes on.
    pub(crate) async fn step(&mut self) -> Step {
        if self.is_bypassed() {
            self.function.counters.bypassed.one();
            return self.alone(Source::Bypass);
        }
        if self.is_held() {
            self.function.counters.bypassed.one();
            tracing::debug!(key = %self.request.key, "an invalidation waits for its transaction: the source answers");
            return self.alone(Source::Bypass);
        }
        if self.waits() {
            tracing::debug!(key = %self.request.key, "an invalidation waits to be delivered: the source answers");
            return self.blind().await;
        }
        if self.engine.store.is_away() {
            return self.blind().await;
        }
        match self.look_near().await {
            Ok(Some(value)) => return Step::Near(value),
            Ok(None) => {}
            Err(error) => return self.without(&error).await,
        }
        for _ in 0..LOOKS {
            match self.look().await {
                Ok(Some(step)) => return step,
                Ok(None) => {}
                Err(error) => return self.without(&error).await,
            }
        }
        self.alone(Source::Load)
    }

    /// Whether nothing is looked up or stored for this call.
    pub(super) fn is_bypassed(&self) -> bool {
        self.request.mode == Mode::Uncached || !self.is_cached()
    }

    /// Whether answers of this key are looked up and stored.
    pub(super) fn is_cached(&self) -> bool {
        self.engine.switches.covers(self.function.namespace)
            && self.request.key.is_usable()
            && !self.function.shadowed
    }

    /// The store cannot be asked.
    async fn without(&mut self, error: &StoreError) -> Step {
        tracing::debug!(key = %self.request.key, %error, "cache not available: the source answers");
        self.blind().await
    }

    /// The source has to answer. Those that call at one time share its answer, but nobody joins a load that has begun: it may have been
    /// made old by a writer of whom nothing was heard.
    async fn blind(&mut self) -> Step {
        self.function.counters.degraded.one();
        if self.request.policy.single_flight == SingleFlight::Off {
            return self.alone(Source::Degraded);
        }
        let seat = self.engine.flights.sit(&self.flight());
        let step = self.turn(seat, Ticket::BLIND, false, Source::Degraded);
        step.await.unwrap_or_else(|| self.alone(Source::Degraded))
    }

    /// Whether an undelivered invalidation names this call's key: its answer is neither looked up nor stored.
    pub(super) fn waits(&self) -> bool {
        self.engine
            .outbox
            .names(self.request.key, self.request.tags)
    }

    /// The same of the transaction around this call.
    pub(super) fn is_held(&self) -> bool {
        Held::names(self.engine, self.request.key, self.request.tags)
    }

    /// A near hit; otherwise prepares to keep what the call will bring.
    pub(super) async fn look_near(&mut self) -> Result<Option<Kept>, StoreError> {
        if self.local.is_none() || self.near.is_some() {
            return Ok(None);
        }
        let engine = self.engine;
        let (key, tags) = (self.request.key, self.request.tags);
        let now = engine.near.now();
        if engine.near.wants_proof(now) {
            engine.store.prove();
        }
        if self.request.mode == Mode::Usual
            && let Some(kept) = engine.near.look(self.function.origin, key, tags, now)
        {
            self.freshness = kept.freshness(now);
            return Ok(Some(kept));
        }
        // Only what is asked for after this may be kept.
        let listens = self.budget.spend(|patience| engine.store.listen(patience));
        self.near = Box::pin(listens)
            .await?
            .then(|| engine.near.stamp(key, tags));
        Ok(None)
    }

    /// What the near cache has is not this call's answer.
    pub(crate) fn leave_near(&mut self) {
        self.freshness = Freshness::loaded(Duration::ZERO);
        self.local = None;
    }

    /// Keeps a value that is current in the store, so old and so long fresh there, in the near cache too.
    pub(super) fn keep_near(&self, size: usize, freshness: Freshness, kept: Option<near::Value>) {
        let (Some(stamp), Some(local), Some(value)) = (self.near, self.local, kept) else {
            return;
        };
        if freshness.fresh.is_zero() {
            return;
        }
        let keeping = Keeping {
            stamp,
            age: freshness.age,
            ttl: freshness.fresh.min(local),
            size,
        };
        let (key, tags) = (self.request.key, self.request.tags);
        self.engine
            .near
            .keep(self.function.origin, key, tags, value, keeping);
    }

    /// Whether the near cache may keep what this call brings.
    pub(crate) fn keeps_near(&self) -> bool {
        self.near.is_some() && self.local.is_some()
    }

    pub(super) fn address(&self) -> Address<'a> {
        Address {
            key: self.request.key,
            tags: self.request.tags,
            lives: self.near.is_some()
                || self.request.policy.asks_for_age()
                || self.request.site.borrows_keys()
                || source::is_observed(),
        }
    }

    /// One look, and after a miss one announcement; `None` when an entry came between the two.
    async fn look(&mut self) -> Result<Option<Step>, StoreError> {
        let at = self.address();
        let (opening, stores) = match self.request.mode {
            Mode::Usual => match self.read(at).await? {
                Ok(found) => return Ok(Some(Step::Found(found))),
                Err(mut miss) => {
                    self.fallback = miss.fallback.take().map(|found| *found);
                    let stores = self.may_replace(&miss);
                    (Opening::Missed(miss.head), stores)
                }
            },
            Mode::Refresh | Mode::Uncached => (Opening::Replace, true),
        };
        // In a box, so that the future of a hit stays small.
        Box::pin(self.announce(at, opening, stores)).await
    }

    /// Announces a load; `None` when an entry came meanwhile.
    async fn announce(
        &mut self,
        at: Address<'_>,
        opening: Opening,
        stores: bool,
    ) -> Result<Option<Step>, StoreError> {
        let engine = self.engine;
        // The seat before the ticket: from now on a finished load of this key is kept for us.
        let seat = engine.flights.sit(&self.flight());
        let opened = self.budget.spend(async |patience| match &opening {
            Opening::Missed(head) => {
                let ask = |patience| engine.store.open(at, &opening, patience);
                seat.ticket(head, at.tags, patience, ask).await
            }
            Opening::Replace => engine.store.open(at, &opening, patience).await,
        });
        let Some(ticket) = opened.await? else {
            return Ok(None);
        };
        self.count_miss();
        let step = match opening {
            Opening::Missed(head) if self.leads_in_fleet(ticket, stores) => {
                self.fleet_turn(seat, ticket, stores, &head).await?
            }
            _ => self.turn(seat, ticket, stores, Source::Load).await,
        };
        Ok(step)
    }

    /// Whether a load with this ticket is one for the fleet: not what is not stored, since the others could not read it.
    fn leads_in_fleet(&self, ticket: Ticket, stores: bool) -> bool {
        let fleet = self.request.policy.single_flight == SingleFlight::Fleet;
        fleet && stores && ticket.busy == Busy::No
    }

    /// The same as [`turn`](Self::turn), among all instances: who leads in this process asks for the lead in the fleet.
    async fn fleet_turn(
        &mut self,
        seat: Seat,
        ticket: Ticket,
        stores: bool,
        head: &Head,
    ) -> Result<Option<Step>, StoreError> {
        let step = self.turn(seat, ticket, stores, Source::Load).await;
        let Some(Step::Lead(mut loading)) = step else {
            return Ok(step);
        };
        match self.lead_in_fleet(ticket, head).await? {
            Led::Here(lease) => {
                loading.lease = lease;
                loading.began = Instant::now();
                Ok(Some(Step::Lead(loading)))
            }
            Led::Found(mut found) => {
                if let Some(flight) = loading.flight {
                    flight.leader.share(found.entry.clone(), found.fresh);
                }
                found.source = Source::Coalesced;
                Ok(Some(Step::Found(found)))
            }
            Led::Outdated => {
                if let Some(flight) = loading.flight {
                    flight.leader.send_away();
                }
                Ok(None)
            }
        }
    }

    /// Leads the load of `ticket`, or waits for who does; `None`: look again.
    async fn turn(
        &mut self,
        seat: Seat,
        ticket: Ticket,
        stores: bool,
        source: Source,
    ) -> Option<Step> {
        self.source = source;
        self.missed.get_or_insert_with(Instant::now);
        if self.request.policy.single_flight == SingleFlight::Off {
            return Some(Step::Lead(self.loading(None, ticket, stores)));
        }
        let turn = match seat.at_once(ticket) {
            Some(turn) => turn,
            // In a box, as few calls wait.
            None => {
                let fleet = self.leads_in_fleet(ticket, stores);
                Box::pin(self.wait(&seat, ticket, fleet)).await
            }
        };
        if let Turn::Lead(leader) = turn {
            let flight = Flight { leader, seat };
            return Some(Step::Lead(self.loading(Some(flight), ticket, stores)));
        }
        self.joined(turn, source)
    }

    /// Waits for the load of `ticket`, and no longer than it is worth.
    pub(super) async fn wait(&self, seat: &Seat, ticket: Ticket, fleet: bool) -> Turn {
        let lock = match fleet {
            // Who leads here may wait for another instance as long, and loads then.
            true => self.lock() * 2,
            false => self.request.policy.lock.unwrap_or(WAIT),
        };
        let turn = tokio::time::timeout(self.patience_for_loads(), seat.turn_within(ticket, lock));
        let turn = turn.await.ok().flatten();
        turn.unwrap_or_else(|| {
            if !self.has_fallback() {
                self.wait_abandoned();
            }
            Turn::Alone
        })
    }

    /// What becomes of a call that does not lead; `None`: look again.
    fn joined(&mut self, turn: Turn, source: Source) -> Option<Step> {
        Some(match turn {
            // What was shared is what could not be decoded.
            Turn::Share(_) if self.distrusted.is_some() => self.alone(source),
            Turn::Share(entry) => match self.shared(entry, source) {
                Some(found) => Step::Found(found),
                None => self.alone(source),
            },
            // The load failed, or takes long: what is past its ttl is better than that.
            Turn::Alone | Turn::Failed(_) if self.has_fallback() => {
                let found = self.fallback.take();
                found.map_or_else(|| self.alone(source), Step::Found)
            }
            Turn::Failed(error) => {
                if source != Source::Degraded {
                    self.source = Source::Coalesced;
                }
                self.function.counters.coalesced.one();
                Step::Failed(error)
            }
            Turn::Alone | Turn::Lead(_) => self.alone(source),
            Turn::Again => return None,
        })
    }

    /// What another caller's load has brought.
    pub(super) fn shared(&self, entry: Bytes, source: Source) -> Option<Found> {
        let label = self.open(&entry).ok()?;
        let value = self.unpack(&entry, &label)?;
        Some(Found {
            entry,
            value,
            codec: label.codec,
            absent: label.absent,
            fresh: None,
            age: Some(Duration::ZERO),
            grace: label.grace,
            source: match source {
                Source::Degraded => source,
                _ => Source::Coalesced,
            },
            refresh: false,
        })
    }

    /// Counts that another caller's load is not waited for any more.
    pub(super) fn wait_abandoned(&self) {
        self.function.counters.abandoned_waits.one();
        tracing::debug!(key = %self.request.key, "another caller's load takes long: it is not waited for any more");
    }

    /// How long loads are waited for yet, one's own and others' together.
    pub(super) fn patience_for_loads(&self) -> Duration {
        let policy = self.request.policy;
        let soft = policy.soft_timeout.filter(|_| self.fallback.is_some());
        let limits = [soft, policy.load_timeout];
        let limit = limits.into_iter().flatten().min().unwrap_or(Duration::MAX);
        limit.saturating_sub(self.waited())
    }

    /// How long this call has waited for a load.
    pub(crate) fn waited(&self) -> Duration {
        self.missed
            .map(|missed| missed.elapsed())
            .unwrap_or_default()
    }

    /// How long a lease lasts that is not prolonged.
    pub(super) fn lock(&self) -> Duration {
        self.request.policy.lock.unwrap_or(LOCK)
    }

    /// When the load is given up; what was waited for others' counts.
    pub(crate) fn load_until(&self) -> Option<tokio::time::Instant> {
        let limit = self.request.policy.load_timeout?;
        let began = self.missed.unwrap_or_else(Instant::now);
        Some(tokio::time::Instant::from_std(began.checked_add(limit)?))
    }

    /// Leave to load this call's key in the background.
    pub(crate) fn place(&self) -> Option<Place> {
        if Held::current().is_some() {
            // What is loaded with the transaction's own connection may see what is not committed.
            return None;
        }
        match self.engine.background.place(self.flight()) {
            Ok(place) => place,
            Err(Full) => {
                self.function.counters.skipped_refreshes.one();
                tracing::debug!(key = %self.request.key, "too many loads run in the background: no more are begun");
                None
            }
        }
    }

    /// Announces a load in the place of the current entry, which has this head; `None` when somebody else does it, or has done it.
    pub(crate) async fn lead(&mut self, seen: Head) -> Option<Loading> {
        if self.is_bypassed() || self.is_held() || self.waits() || self.engine.store.is_away() {
            return None;
        }
        let (at, engine) = (self.address(), self.engine);
        let seat = engine.flights.sit(&self.flight());
        let opening = Opening::Missed(seen);
        let opened = self
            .budget
            .spend(|patience| engine.store.open(at, &opening, patience));
        let ticket = opened.await.ok()??;
        let leader = seat.lead(ticket)?;
        // What is being written is not stored, and would not be fresh.
        if ticket.busy != Busy::No {
            return None;
        }
        let asked = |patience| self.ask_for_lease(ticket, false, patience);
        let lease = match self.budget.spend(asked).await {
            Ok(Ok(lease)) => lease,
            // Another instance loads it, or has just failed to.
            Ok(Err(_)) | Err(_) => return None,
        };
        self.function.counters.refreshes.one();
        let mut loading = self.loading(Some(Flight { leader, seat }), ticket, true);
        loading.lease = lease;
        Some(loading)
    }

    pub(super) fn loading(&self, flight: Option<Flight>, ticket: Ticket, stores: bool) -> Loading {
        self.count_load();
        Loading {
            flight,
            ticket,
            began: Instant::now(),
            stores,
            lease: None,
        }
    }

    pub(super) async fn read(&self, at: Address<'_>) -> Result<Result<Found, Miss>, StoreError> {
        let engine = self.engine;
        let seen = self
            .budget
            .timed(|patience| engine.store.read(at, patience));
        let (seen, took) = seen.await?;
        self.time_lookup(took);
        if took > engine.slow {
            tracing::warn!(key = %self.request.key, ?took, "slow cache look-up");
        }
        Ok(self.interpret(seen))
    }

    /// What a look-up has brought: an entry that may be answered, or none.
    pub(super) fn interpret(&self, seen: Seen) -> Result<Found, Miss> {
        let Some(entry) = seen.entry else {
            return Err(Miss::default());
        };
        let head = envelope::head(&entry);
        let label = match self.open(&entry) {
            Ok(label) => label,
            Err(rejected) => {
                self.function.counters.undecodable.one();
                tracing::debug!(key = %self.request.key, ?rejected, "entry not usable");
                return Err(Miss {
                    head,
                    newer: rejected == Rejected::Version { newer: true },
                    contested: matches!(rejected, Rejected::Form | Rejected::Foreign),
                    fallback: None,
                });
            }
        };
        // Not readable as the answer's type, which was counted then.
        let contested = self.distrusted.as_ref() == Some(&head);
        if Some(label.stamp) != seen.stamp || contested {
            return Err(Miss {
                head,
                contested,
                ..Miss::default()
            });
        }
        let Some(value) = self.unpack_stored(&entry, &label) else {
            self.function.counters.undecodable.one();
            tracing::debug!(key = %self.request.key, "entry not to be opened");
            return Err(Miss {
                head,
                contested: true,
                ..Miss::default()
            });
        };
        self.weigh(entry, value, &label, seen.lives, head)
    }

    /// Whether what is loaded after this miss is stored: not in the place of what a newer version of the program has stored, nor again and again in that of
    /// what another program does.
    pub(super) fn may_replace(&mut self, miss: &Miss) -> bool {
        self.contested = miss.contested;
        let may = !miss.contested || self.engine.contests.may_replace(self.request.key.as_str());
        if !may {
            self.function.counters.contested.one();
        }
        may && !miss.newer
    }

    /// An answer was stored.
    pub(super) fn has_replaced(&self) {
        if self.contested {
            self.engine.contests.replaced(self.request.key.as_str());
        }
    }

    /// Whether a current entry is fresh, stale and served all the same, or only a fallback. How old it is the store knows: no clock is asked.
    fn weigh(
        &self,
        entry: Bytes,
        value: Bytes,
        label: &Label,
        lives: Option<Duration>,
        head: Head,
    ) -> Result<Found, Miss> {
        let policy = self.request.policy;
        // Where the age is not asked for, nothing is kept beyond its ttl; what another version of the program has kept is loaded anew.
        let left = lives.unwrap_or(if label.grace.is_zero() {
            Duration::MAX
        } else {
            Duration::ZERO
        });
        let mut found = Found {
            entry,
            value,
            codec: label.codec,
            absent: label.absent,
            fresh: lives.map(|lives| lives.saturating_sub(label.grace)),
            age: lives.map(|lives| (label.ttl + label.grace).saturating_sub(lives)),
            grace: label.grace,
            source: Source::Hit,
            refresh: false,
        };
        if left > label.grace {
            found.refresh = policy.is_due(left - label.grace, label.load_time);
            return Ok(found);
        }
        let past = label.grace - left;
        found.source = Source::Stale;
        if policy
            .stale_while_revalidate
            .is_some_and(|window| past < window)
        {
            found.refresh = true;
            return Ok(found);
        }
        let usable = policy.stale_if_error.is_some_and(|window| past < window);
        Err(Miss {
            head,
            fallback: usable.then(|| Box::new(found)),
            ..Miss::default()
        })
    }

    /// A current entry, without counting or loading anything.
    pub(crate) async fn peek(&self) -> Option<Found> {
        if !self.is_cached() || self.waits() || self.is_held() || self.engine.store.is_away() {
            return None;
        }
        let found = self.read(self.address()).await.ok()?.ok()?;
        (found.source != Source::Stale).then_some(found)
    }

    /// Counts that the near cache answered the call.
    pub(crate) fn served_near(&mut self) {
        self.source = Source::NearHit;
        let key = self.request.key;
        self.engine
            .count_near_hit(self.function, (key, digest(key.as_str())));
    }

    /// Counts that `found` answered the call, and keeps its value in the near cache.
    pub(crate) fn served(&mut self, found: &Found, kept: Option<near::Value>) {
        self.source = found.source;
        self.freshness = found.freshness();
        let counters = &self.function.counters;
        match found.source {
            Source::Hit => {
                self.keep_near(found.entry.len(), self.freshness, kept);
                counters.hits.one();
                counters.read_bytes.add(found.entry.len());
                self.analyse_hit(found.entry.len());
                tracing::debug!(key = %self.request.key, "cache hit");
            }
            Source::Stale => {
                counters.stale.one();
                counters.read_bytes.add(found.entry.len());
                self.analyse_hit(found.entry.len());
                tracing::debug!(key = %self.request.key, "stale answer served");
            }
            _ => counters.coalesced.one(),
        }
    }

    /// Counts that `found` was not an answer; the next step is to load one.
    pub(crate) fn distrust(&mut self, found: &Found) {
        self.function.counters.undecodable.one();
        tracing::debug!(key = %self.request.key, "stored value is not of the answer's type");
        self.distrusted = Some(envelope::head(&found.entry));
    }

    /// The answer past its ttl that stands in when there is no better one.
    pub(crate) fn fallback(&mut self) -> Option<Found> {
        self.fallback.take()
    }

    /// Whether there is one.
    pub(crate) fn has_fallback(&self) -> bool {
        self.fallback.is_some()
    }

    /// The call is answered.
    pub(crate) fn answered(&self) {
        let stored = self.stored_for.get().copied();
        let freshness = stored.map_or(self.freshness, Freshness::loaded);
        source::note(self.request.site, self.request.key, self.source, freshness);
        if let Some(watched) = &self.watched {
            watched.answered([self]);
        }
    }

    fn alone(&mut self, source: Source) -> Step {
        self.source = source;
        self.missed.get_or_insert_with(Instant::now);
        self.count_load();
        Step::Alone
    }

    fn open(&self, entry: &[u8]) -> Result<Label, Rejected> {
        envelope::open(entry, self.function.origin, self.request.site.version)
    }

    /// Only callers of the same function, and of those that it shares its keys with, share a load.
    pub(super) fn flight(&self) -> String {
        let key = self.request.key.as_str();
        let mut flight = String::with_capacity(key.len() + 8);
        flight.push_str(key);
        // Into a string that cannot fail.
        let _ = write!(flight, "#{}", self.function.origin);
        flight
    }
}

impl Found {
    /// What identifies the entry.
    pub(crate) fn head(&self) -> Head {
        envelope::head(&self.entry)
    }

    fn freshness(&self) -> Freshness {
        Freshness {
            age: self.age,
            fresh: self.fresh.unwrap_or_default(),
        }
    }

    pub(super) fn grace(&self) -> Duration {
        self.grace
    }

    /// The value, and how it is encoded; `None` when the answer was "nothing there".
    pub(crate) fn value(&self) -> Option<(Codec, &[u8])> {
        (!self.absent).then_some((self.codec, &self.value))
    }
}

impl Miss {
    pub(super) fn of_another_program(head: Head) -> Self {
        Self {
            head,
            contested: true,
            ..Self::default()
        }
    }

    pub(super) fn into_head(self) -> Head {
        self.head
    }
}

/// Nothing was found that answers the call at once.
#[derive(Debug, Default)]
pub(super) struct Miss {
    /// Of the entry that was found and not accepted.
    head: Head,
    /// A newer version of the program has stored something: it stays.
    newer: bool,
    /// Another program has stored something.
    contested: bool,
    fallback: Option<Box<Found>>,
}
