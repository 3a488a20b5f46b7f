//! One call of a cached function, from the look to the store.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::Engine;
use crate::codec::Codec;
use crate::envelope::{self, Head, Label, Rejected};
use crate::flight::{Leader, Seat, Turn};
use crate::key::{Key, Tag, Target};
use crate::observe::Function;
use crate::outbox::Outbox;
use crate::scope::Mode;
use crate::site::Site;
use crate::store::{Address, Opening, StoreError, Ticket};

/// How often a call looks again because somebody else stored an entry between its look and its announcement.
const LOOKS: usize = 4;
/// One call of a cached function, without anything that depends on its types.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) site: &'static Site,
    pub(crate) key: &'a Key,
    pub(crate) tags: &'a [Tag],
    pub(crate) mode: Mode,
}

/// A call on its way.
#[derive(Debug)]
pub(crate) struct Session<'a> {
    engine: &'a Engine,
    request: Request<'a>,
    function: Arc<Function>,
    /// An entry whose value turned out not to be the answer's type: to be replaced.
    distrusted: Option<Head>,
}

/// What the caller has to do.
#[derive(Debug)]
pub(crate) enum Step<'a> {
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
        if self
            .engine
            .outbox
            .names(self.request.key, self.request.tags)
        {
            self.function.counters.degraded.one();
            tracing::debug!(key = %self.request.key, "an invalidation waits to be delivered: the source answers");
            return self.alone();
        }
        for _ in 0..LOOKS {
            match self.look().await {
                Ok(Some(step)) => return step,
                Ok(None) => {}
                Err(error) => {
                    self.function.counters.degraded.one();
                    tracing::debug!(key = %self.request.key, %error, "cache not available: the source answers");
                    return self.alone();
                }
            }
        }
        self.alone()
    }

    /// One look, and after a miss one announcement; `None` when an entry came between the two.
    async fn look(&mut self) -> Result<Option<Step<'a>>, StoreError> {
        let at = Address {
            key: self.request.key,
            tags: self.request.tags,
        };
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
            || self
                .engine
                .outbox
                .names(self.request.key, self.request.tags)
        {
            return None;
        }
        self.read(Address {
            key: self.request.key,
            tags: self.request.tags,
        })
        .await
        .ok()?
        .ok()
    }

    /// Stores what was not loaded by the function; loads on their way are refused.
    pub(crate) async fn put(&self, loaded: Loaded) {
        if !self.engine.enabled || !self.request.key.is_usable() || self.function.shadowed {
            return self.function.counters.bypassed.one();
        }
        let Some(ttl) = loaded.ttl.filter(|ttl| !ttl.is_zero()) else {
            return self.displace().await;
        };
        let at = Address {
            key: self.request.key,
            tags: self.request.tags,
        };
        match self.engine.store.open(at, &Opening::Replace).await {
            Ok(Some(ticket)) => {
                let entry = self.seal(loaded, ticket, Duration::ZERO);
                self.fill(ticket, entry, ttl).await;
            }
            Ok(None) => {}
            Err(error) => self.not_stored(&error),
        }
    }

    /// Counts that `found` answered the call.
    pub(crate) fn served(&self, found: &Found) {
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
    /// `None` is an answer that nobody else may have: an `Err`, or a value that cannot be serialized.
    pub(crate) async fn settle(&self, loading: Loading<'_>, loaded: Option<Loaded>) {
        let Some(loaded) = loaded else {
            return loading.leader.share_nothing();
        };
        let (seat, ticket) = (loading.seat, loading.ticket);
        let ttl = loaded.ttl.filter(|ttl| !ttl.is_zero());
        let entry = self.seal(loaded, ticket, loading.began.elapsed());
        loading.leader.share(entry.clone(), ttl);
        let stored = match ttl {
            Some(ttl) if !loading.keep_stored => self.fill(ticket, entry, ttl).await,
            Some(_) => false,
            None => {
                self.displace().await;
                false
            }
        };
        if !stored {
            // For those that waited; who comes from now on loads.
            seat.forget(ticket);
        }
    }

    /// A fresh answer that is not to be stored takes the place of what is: where the call was told to replace it.
    async fn displace(&self) {
        if self.request.mode == Mode::Refresh {
            let key = Target::from(self.request.key.clone());
            if let Err(error) = self.engine.store.invalidate(&[key]).await {
                self.not_stored(&error);
            }
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
        match self
            .engine
            .store
            .fill(self.request.key, ticket.fence, entry, ttl)
            .await
        {
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
