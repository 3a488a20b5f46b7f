//! One call of a cached function, from the look to the store.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::Engine;
use crate::after_commit::Held;
use crate::codec::Codec;
use crate::envelope::{self, Head, Label, Rejected};
use crate::flight::{Leader, Seat, Turn};
use crate::generations::Stamp;
use crate::key::{Key, Tag, Target};
use crate::near::{self, Keeping};
use crate::observe::Function;
use crate::outbox::Outbox;
use crate::scope::Mode;
use crate::site::Site;
use crate::store::{Address, Busy, Opening, StoreError, Ticket};

/// How often a call looks again because somebody else stored an entry between its look and its announcement.
const LOOKS: usize = 4;

/// One call of a cached function, without anything that depends on its types.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) site: &'static Site,
    pub(crate) key: &'a Key,
    pub(crate) tags: &'a [Tag],
    pub(crate) mode: Mode,
    /// How long the near cache keeps the answer; `None`: it does not.
    pub(crate) local: Option<Duration>,
}

/// A call on its way.
#[derive(Debug)]
pub(crate) struct Session<'a> {
    engine: &'a Arc<Engine>,
    request: Request<'a>,
    function: Arc<Function>,
    /// An entry whose value turned out not to be the answer's type: to be replaced.
    distrusted: Option<Head>,
    /// What the near cache said of the key before anything was looked up or loaded; `None` while nothing may be kept there.
    near: Option<Stamp>,
}

/// What the caller has to do.
#[derive(Debug)]
pub(crate) enum Step<'a> {
    /// The near cache has it.
    Near(near::Value),
    /// Decode this.
    Found(Found),
    /// Load, and settle.
    Lead(Loading<'a>),
    /// Load, and tell nobody.
    Alone,
}

/// An entry that is current and whole.
#[derive(Debug)]
pub(crate) struct Found {
    entry: Bytes,
    absent: bool,
    /// From another caller's load, not from the store.
    shared: bool,
    /// How long the store keeps it, where that was asked.
    lives: Option<Duration>,
}

/// A load that was announced.
#[derive(Debug)]
pub(crate) struct Loading<'a> {
    leader: Leader,
    /// Kept until the answer is stored: whoever announced a load before that still finds it here.
    seat: Seat<'a>,
    ticket: Ticket,
    began: Instant,
    /// A newer version of the program has stored its answer: it stays.
    keep_stored: bool,
}

/// What a load brought, ready to be sealed.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// Begun by [`envelope::begin`].
    pub(crate) entry: Vec<u8>,
    pub(crate) absent: bool,
    /// How long it is to be stored; `None`: only those that wait for it get it.
    pub(crate) ttl: Option<Duration>,
}

impl Engine {
    pub(crate) fn session<'a>(self: &'a Arc<Self>, request: Request<'a>) -> Session<'a> {
        if self.outbox.depth() > 0 {
            Outbox::see_to_delivery(self);
        }
        let function = self.register.function(request.site);
        Session {
            engine: self,
            request,
            function,
            distrusted: None,
            near: None,
        }
    }
}

impl<'a> Session<'a> {
    /// What to do next. Safe to drop at any time: a seat is left, and a turn to load passes on.
    pub(crate) async fn step(&mut self) -> Step<'a> {
        if !self.engine.enabled
            || self.request.mode == Mode::Uncached
            || !self.request.key.is_usable()
            || self.function.shadowed
        {
            self.function.counters.bypassed.one();
            return self.alone();
        }
        if self.waits() {
            self.function.counters.degraded.one();
            tracing::debug!(key = %self.request.key, "an invalidation waits to be delivered: the source answers");
            return self.alone();
        }
        if self.is_held() {
            self.function.counters.bypassed.one();
            tracing::debug!(key = %self.request.key, "an invalidation waits for its transaction: the source answers");
            return self.alone();
        }
        match self.look_near().await {
            Ok(Some(value)) => return Step::Near(value),
            Ok(None) => {}
            Err(error) => return self.without(&error),
        }
        for _ in 0..LOOKS {
            match self.look().await {
                Ok(Some(step)) => return step,
                Ok(None) => {}
                Err(error) => return self.without(&error),
            }
        }
        self.alone()
    }

    /// The store cannot be asked.
    fn without(&self, error: &StoreError) -> Step<'a> {
        self.function.counters.degraded.one();
        tracing::debug!(key = %self.request.key, %error, "cache not available: the source answers");
        self.alone()
    }

    /// Whether an undelivered invalidation names this call's key: its answer is neither looked up nor stored.
    fn waits(&self) -> bool {
        self.engine
            .outbox
            .names(self.request.key, self.request.tags)
    }

    /// The same of the transaction around this call.
    fn is_held(&self) -> bool {
        Held::names(self.engine, self.request.key, self.request.tags)
    }

    /// A near hit; otherwise prepares to keep what the call will bring.
    async fn look_near(&mut self) -> Result<Option<near::Value>, StoreError> {
        if self.request.local.is_none() {
            return Ok(None);
        }
        let engine = self.engine;
        let (key, tags) = (self.request.key, self.request.tags);
        if engine.near.wants_proof() {
            engine.store.prove();
        }
        if self.request.mode == Mode::Usual
            && let Some(value) = engine.near.look(self.request.site, key, tags)
        {
            return Ok(Some(value));
        }
        // Only what is asked for after this may be kept.
        self.near = engine
            .store
            .listen()
            .await?
            .then(|| engine.near.stamp(key, tags));
        Ok(None)
    }

    /// What the near cache has is not this call's answer.
    pub(crate) fn leave_near(&mut self) {
        self.request.local = None;
    }

    /// Keeps a value that is current in the store, and lives there for `ttl`, in the near cache too.
    fn keep_near(
        &self,
        size: usize,
        ttl: Option<Duration>,
        value: impl FnOnce() -> Option<near::Value>,
    ) {
        let (Some(stamp), Some(local), Some(ttl)) = (self.near, self.request.local, ttl) else {
            return;
        };
        let keeping = Keeping {
            stamp,
            ttl: ttl.min(local),
            size,
        };
        let (key, tags) = (self.request.key, self.request.tags);
        if let Some(value) = value() {
            self.engine
                .near
                .keep(self.request.site, key, tags, value, keeping);
        }
    }

    fn address(&self) -> Address<'a> {
        Address {
            key: self.request.key,
            tags: self.request.tags,
            lives: self.near.is_some(),
        }
    }

    /// One look, and after a miss one announcement; `None` when an entry came between the two.
    async fn look(&mut self) -> Result<Option<Step<'a>>, StoreError> {
        let at = self.address();
        let (opening, keep_stored) = match self.request.mode {
            Mode::Usual => match self.read(at).await? {
                Ok(found) => return Ok(Some(Step::Found(found))),
                Err(miss) => (Opening::Missed(miss.head), miss.newer),
            },
            Mode::Refresh | Mode::Uncached => (Opening::Replace, false),
        };
        // The seat before the ticket: from now on a finished load of this key is kept for us.
        let engine = self.engine;
        let seat = engine.flights.sit(&self.flight());
        let Some(ticket) = self.engine.store.open(at, &opening).await? else {
            return Ok(None);
        };
        if self.request.mode == Mode::Usual {
            self.function.counters.misses.one();
            tracing::debug!(key = %self.request.key, "cache miss");
        }
        Ok(Some(match seat.turn(ticket).await {
            Turn::Lead(leader) => {
                self.function.counters.loads.one();
                Step::Lead(Loading {
                    leader,
                    seat,
                    ticket,
                    began: Instant::now(),
                    keep_stored,
                })
            }
            // What was shared is what could not be decoded.
            Turn::Share(_) if self.distrusted.is_some() => self.alone(),
            Turn::Share(entry) => match self.open(&entry) {
                Ok(label) => Step::Found(Found {
                    entry,
                    absent: label.absent,
                    shared: true,
                    lives: None,
                }),
                Err(_) => self.alone(),
            },
            Turn::Alone => self.alone(),
        }))
    }

    async fn read(&self, at: Address<'_>) -> Result<Result<Found, Miss>, StoreError> {
        let began = Instant::now();
        let seen = self.engine.store.read(at).await?;
        let took = began.elapsed();
        if took > self.engine.slow {
            tracing::warn!(key = %self.request.key, ?took, "slow cache look-up");
        }
        let Some(entry) = seen.entry else {
            return Ok(Err(Miss {
                head: Head::new(),
                newer: false,
            }));
        };
        let head = envelope::head(&entry);
        let newer = match self.open(&entry) {
            Ok(label)
                if Some(label.stamp) == seen.stamp && self.distrusted.as_ref() != Some(&head) =>
            {
                return Ok(Ok(Found {
                    entry,
                    absent: label.absent,
                    shared: false,
                    lives: seen.lives,
                }));
            }
            // Loaded before an invalidation, or not readable as the answer's type, which was counted then.
            Ok(_) => false,
            Err(rejected) => {
                self.function.counters.undecodable.one();
                tracing::debug!(key = %self.request.key, ?rejected, "entry not usable");
                rejected == Rejected::Version { newer: true }
            }
        };
        Ok(Err(Miss { head, newer }))
    }

    /// A current entry, without counting or loading anything.
    pub(crate) async fn peek(&self) -> Option<Found> {
        if !self.engine.enabled
            || !self.request.key.is_usable()
            || self.function.shadowed
            || self.waits()
            || self.is_held()
        {
            return None;
        }
        self.read(self.address()).await.ok()?.ok()
    }

    /// Stores what was not loaded by the function; loads on their way are refused.
    pub(crate) async fn put(
        &mut self,
        loaded: Loaded,
        value: impl FnOnce() -> Option<near::Value>,
    ) {
        if !self.engine.enabled || !self.request.key.is_usable() || self.function.shadowed {
            return self.function.counters.bypassed.one();
        }
        if self.waits() {
            return self.function.counters.degraded.one();
        }
        if self.is_held() {
            return self.function.counters.bypassed.one();
        }
        if let Err(error) = self.look_near().await {
            return self.not_stored(&error);
        }
        let Some(ttl) = loaded.ttl.filter(|ttl| !ttl.is_zero()) else {
            return self.displace().await;
        };
        let at = self.address();
        match self.engine.store.open(at, &Opening::Replace).await {
            Ok(Some(ticket)) => {
                let entry = self.seal(loaded, ticket, Duration::ZERO);
                let size = entry.len();
                if self.fill(ticket, entry, ttl).await {
                    self.keep_near(size, Some(ttl), value);
                }
            }
            Ok(None) => {}
            Err(error) => self.not_stored(&error),
        }
    }

    /// Counts that the near cache answered the call.
    pub(crate) fn served_near(&self) {
        self.function.counters.near_hits.one();
        tracing::debug!(key = %self.request.key, "near cache hit");
    }

    /// Counts that `found` answered the call, and keeps its `value` in the near cache.
    pub(crate) fn served(&self, found: &Found, value: impl FnOnce() -> Option<near::Value>) {
        self.keep_near(found.entry.len(), found.lives, value);
        if found.shared {
            self.function.counters.coalesced.one();
        } else {
            self.function.counters.hits.one();
            tracing::debug!(key = %self.request.key, "cache hit");
        }
    }

    /// Counts that `found` was not an answer; the next step is to load one.
    pub(crate) fn distrust(&mut self, found: &Found) {
        self.function.counters.undecodable.one();
        tracing::debug!(key = %self.request.key, "stored value is not of the answer's type");
        self.distrusted = Some(envelope::head(&found.entry));
    }

    /// Ends the load: what it brought goes to those that wait, and then into the store.
    ///
    /// `None` is an answer that nobody else may have: an `Err`, or a value that cannot be serialized. `value` is what the near cache
    /// would keep.
    pub(crate) async fn settle(
        &self,
        loading: Loading<'_>,
        loaded: Option<Loaded>,
        value: impl FnOnce() -> Option<near::Value>,
    ) {
        let Some(loaded) = loaded else {
            return loading.leader.share_nothing();
        };
        let (seat, ticket) = (loading.seat, loading.ticket);
        let ttl = loaded.ttl.filter(|ttl| !ttl.is_zero());
        let entry = self.seal(loaded, ticket, loading.began.elapsed());
        let size = entry.len();
        loading.leader.share(entry.clone(), ttl);
        let stored = match ttl {
            Some(ttl) if !loading.keep_stored => self.fill(ticket, entry, ttl).await,
            Some(_) => false,
            None => {
                self.displace().await;
                false
            }
        };
        if stored {
            self.keep_near(size, ttl, value);
        } else {
            // For those that waited; who comes from now on loads.
            seat.forget(ticket);
        }
    }

    /// A fresh answer that is not to be stored takes the place of what is: where the call was told to replace it.
    async fn displace(&self) {
        if self.request.mode == Mode::Refresh {
            let key = Target::from(self.request.key.clone());
            // What fails is logged, counted and queued there.
            let _ = self.engine.invalidate(self.request.site, vec![key]).await;
        }
    }

    fn seal(&self, loaded: Loaded, ticket: Ticket, load_time: Duration) -> Bytes {
        let label = Label {
            codec: Codec::Json,
            absent: loaded.absent,
            version: self.request.site.version,
            origin: self.request.site.origin(),
            stamp: ticket.stamp,
            ttl: loaded.ttl.unwrap_or_default(),
            load_time,
        };
        let mut entry = loaded.entry;
        envelope::seal(&mut entry, &label);
        Bytes::from(entry)
    }

    /// Whether it was stored.
    async fn fill(&self, ticket: Ticket, entry: Bytes, ttl: Duration) -> bool {
        if ticket.busy != Busy::No {
            self.function.counters.held_back.one();
            return false;
        }
        let (key, store) = (self.request.key, &self.engine.store);
        let replaces = self.request.mode == Mode::Refresh;
        match store.fill(key, ticket.fence, entry, ttl, replaces).await {
            Ok(true) => {
                self.function.counters.stores.one();
                return true;
            }
            Ok(false) => {
                self.function.counters.refused_stores.one();
                tracing::debug!(key = %self.request.key, "answer not stored: the key was invalidated while it was loaded");
            }
            Err(error) => self.not_stored(&error),
        }
        false
    }

    fn not_stored(&self, error: &StoreError) {
        self.function.counters.degraded.one();
        tracing::debug!(key = %self.request.key, %error, "answer not stored");
    }

    pub(crate) fn failed(&self) {
        self.function.counters.failed_loads.one();
    }

    pub(crate) fn not_encodable(&self) {
        self.function.counters.unencodable.one();
        tracing::warn!(key = %self.request.key, function = self.request.site.function, "answer not stored: it refused to be serialized");
    }

    fn alone(&self) -> Step<'a> {
        self.function.counters.loads.one();
        Step::Alone
    }

    fn open(&self, entry: &[u8]) -> Result<Label, Rejected> {
        envelope::open(entry, self.request.site.origin(), self.request.site.version)
    }

    /// Only callers that read the same bytes alike share a load.
    fn flight(&self) -> String {
        format!(
            "{}#{:x}.{}",
            self.request.key,
            self.request.site.origin(),
            self.request.site.version
        )
    }
}

impl Found {
    /// The encoded value; `None` when the answer was "nothing there".
    pub(crate) fn value(&self) -> Option<&[u8]> {
        (!self.absent).then(|| &self.entry[envelope::HEADER..])
    }
}

/// Nothing current was found.
#[derive(Debug)]
struct Miss {
    /// Of the entry that was found and not accepted.
    head: Head,
    newer: bool,
}
