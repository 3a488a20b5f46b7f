//! What becomes of a load: shared with those that wait, stored where nothing has made it old.

use std::time::Duration;

use bytes::Bytes;

use super::lease::Lease;
use super::session::{Flight, Loading, Session};
use crate::codec::Codec;
use crate::compression::Compression;
use crate::envelope::Label;
use crate::key::{Key, Target};
use crate::near;
use crate::protection::Protection;
use crate::scope::Mode;
use crate::shape::SharedError;
use crate::source::Freshness;
use crate::store::{Busy, Filling, Opening, StoreError, Ticket};

/// What a load brought, ready to be sealed.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// Begun by [`envelope::begin`](crate::envelope::begin).
    pub(crate) entry: Vec<u8>,
    pub(crate) codec: Codec,
    /// Another codec was chosen, and could not write it.
    pub(crate) fell_back: bool,
    pub(crate) absent: bool,
    /// How long it is to be stored; `None`: only those that wait for it get it.
    pub(crate) ttl: Option<Duration>,
}

/// What a load has come to.
#[derive(Debug)]
pub(crate) enum Ended {
    /// It failed, with an error that may be shared.
    Failed(Option<Loading>, Option<SharedError>),
    /// It brought this, or what nobody else can have; and what the near cache keeps of it.
    Loaded(Loading, Option<Loaded>, Option<near::Value>),
    /// It was its caller's alone.
    Alone,
}

impl Session<'_> {
    /// Shares and stores what a load has come to.
    pub(super) async fn ended(&self, ended: Ended) {
        match ended {
            Ended::Failed(loading, error) => self.fail(loading, error).await,
            Ended::Loaded(loading, loaded, kept) => self.settle(loading, loaded, kept).await,
            Ended::Alone => {}
        }
    }

    /// Whether there is anybody whom the answer of this load is for, beside its own caller.
    pub(crate) fn is_wanted(loading: &Loading) -> bool {
        let waits = |flight: &Flight| flight.leader.is_awaited(loading.ticket);
        loading.stores || loading.flight.as_ref().is_some_and(waits)
    }

    /// Ends a load that failed: all that wait get its error, where it can be shared.
    async fn fail(&self, loading: Option<Loading>, error: Option<SharedError>) {
        self.function.counters.failed_loads.one();
        let Some(loading) = loading else {
            return;
        };
        self.function.meters.loaded(loading.began.elapsed());
        if let Some(flight) = loading.flight {
            flight.leader.fail(error);
        }
        self.end_unstored(loading.lease).await;
    }

    /// There is nothing to be found in the store: other instances load for themselves, and not one after the other.
    async fn end_unstored(&self, lease: Option<Lease>) {
        if let Some(lease) = lease {
            let told = self.budget.spend(|patience| lease.failed(patience));
            // Where that fails, it is given back when it is dropped, or ends by itself.
            let _ = told.await;
        }
    }

    /// Ends the load: what it brought goes to those that wait, and then into the store.
    ///
    /// `None` is a value that nobody else can have, as it cannot be serialized. `kept` is what the near cache keeps.
    pub(crate) async fn settle(
        &self,
        loading: Loading,
        loaded: Option<Loaded>,
        kept: Option<near::Value>,
    ) {
        let Loading {
            flight,
            ticket,
            began,
            stores,
            lease,
        } = loading;
        let Some(mut loaded) = loaded else {
            if let Some(flight) = flight {
                flight.leader.share_nothing();
            }
            return self.end_unstored(lease).await;
        };
        let took = began.elapsed();
        self.time_load(took);
        let ttl = self.settled_ttl(&mut loaded);
        let content = self.content(&loaded);
        let entry = self.seal(loaded, ticket, took);
        let size = entry.len();
        let seat = flight.map(|flight| {
            flight.leader.share(entry.clone(), ttl);
            flight.seat
        });
        let stored = match ttl {
            Some(ttl) if stores => self.fill(ticket, lease, entry, content, ttl).await,
            Some(_) => false,
            None => {
                self.end_unstored(lease).await;
                self.displace().await;
                false
            }
        };
        if let Some(ttl) = ttl.filter(|_| stored) {
            self.keep_near(size, Freshness::loaded(ttl), kept);
        } else if let Some(seat) = seat {
            // For those that waited; who comes from now on loads.
            seat.forget(ticket);
        }
    }

    /// Stores what was not loaded by the function; loads on their way are refused. What is not stored, whatever the reason is, takes the place of what
    /// is: the old answer is not the right one any more.
    pub(crate) async fn put(&self, loaded: Loaded) {
        let stored = match self.open_to_replace().await {
            Some(ticket) => self.replace(ticket, loaded).await,
            None => false,
        };
        if !stored {
            self.make_old().await;
        }
    }

    /// Announces that something else will be stored than what is: loads on their way are refused. `None` where nothing may be stored now.
    pub(super) async fn open_to_replace(&self) -> Option<Ticket> {
        if self.is_bypassed() || self.is_held() {
            self.function.counters.bypassed.one();
            return None;
        }
        if self.waits() {
            self.function.counters.degraded.one();
            return None;
        }
        let (at, engine) = (self.address(), self.engine);
        let opening = Opening::Replace;
        let opened = self
            .budget
            .spend(|patience| engine.store.open(at, &opening, patience));
        let opened = opened.await.inspect_err(|error| self.not_stored(error));
        opened.ok().flatten()
    }

    /// Stores what was announced so; whether it is stored.
    pub(super) async fn replace(&self, ticket: Ticket, mut loaded: Loaded) -> bool {
        let Some(ttl) = self.settled_ttl(&mut loaded) else {
            return false;
        };
        let content = self.content(&loaded);
        let entry = self.seal(loaded, ticket, Duration::ZERO);
        let stored = self.fill(ticket, None, entry, content, ttl).await;
        // What the near cache has is from before. Where the store failed, it may have been done all the same.
        let key = Target::from(self.request.key.clone());
        self.engine.near.advance(&[key]);
        stored
    }

    /// How long the answer is fresh: up to a tenth shorter than its ttl, so that what was stored together does not expire together.
    pub(super) fn settled_ttl(&self, loaded: &mut Loaded) -> Option<Duration> {
        let part = self.engine.ttl_jitter * fastrand::f64();
        let ttl = loaded.ttl.map(|ttl| {
            let off = Duration::try_from_secs_f64(ttl.as_secs_f64() * part);
            ttl.saturating_sub(off.unwrap_or_default())
        });
        let ttl = ttl.filter(|ttl| !ttl.is_zero());
        loaded.ttl = ttl.filter(|_| self.is_storable(loaded));
        loaded.ttl
    }

    /// A fresh answer that is not to be stored takes the place of what is: where the call was told to replace it.
    pub(super) async fn displace(&self) {
        if self.request.mode == Mode::Refresh {
            self.make_old().await;
        }
    }

    /// Makes old what is stored under the key.
    pub(crate) async fn make_old(&self) {
        if self.request.key.is_usable() {
            let key = Target::from(self.request.key.clone());
            // What fails is logged, counted and queued there.
            let _ = self.engine.invalidate(self.request.site, vec![key]).await;
        }
    }

    pub(super) fn seal(&self, loaded: Loaded, ticket: Ticket, load_time: Duration) -> Bytes {
        let label = Label {
            codec: loaded.codec,
            compression: Compression::Off,
            protection: Protection::Off,
            absent: loaded.absent,
            version: self.request.site.version,
            origin: self.function.origin,
            stamp: ticket.stamp,
            ttl: loaded.ttl.unwrap_or_default(),
            grace: self.request.policy.grace(),
            load_time,
        };
        self.pack(loaded.entry, label)
    }

    /// Whether it was stored.
    async fn fill(
        &self,
        ticket: Ticket,
        lease: Option<Lease>,
        entry: Bytes,
        content: Option<u64>,
        ttl: Duration,
    ) -> bool {
        if !self.may_store(ticket) {
            return false;
        }
        let (engine, size) = (self.engine, entry.len());
        let (key, filling) = self.filling(ticket, lease.as_ref(), entry, ttl);
        let filled = self
            .budget
            .spend(|patience| engine.store.fill(key, filling, patience));
        let filled = filled.await;
        if let (Ok(_), Some(lease)) = (&filled, lease) {
            lease.was_ended();
        }
        let stored = self.filled(filled, size).unwrap_or(false);
        if stored {
            self.analyse_stored(content, size, ttl);
        }
        stored
    }

    /// Whether no writer has announced anything; counted where one has.
    pub(super) fn may_store(&self, ticket: Ticket) -> bool {
        if ticket.busy != Busy::No {
            self.function.counters.held_back.one();
        }
        ticket.busy == Busy::No
    }

    /// An answer as the store takes it.
    pub(super) fn filling(
        &self,
        ticket: Ticket,
        lease: Option<&Lease>,
        entry: Bytes,
        ttl: Duration,
    ) -> (&Key, Filling) {
        let filling = Filling {
            fence: ticket.fence,
            entry,
            life: ttl.saturating_add(self.request.policy.grace()),
            lease: lease.map(Lease::token),
            replaces: self.request.mode == Mode::Refresh,
        };
        (self.request.key, filling)
    }

    /// Counts what became of an answer of so many bytes that was to be stored.
    pub(super) fn filled(
        &self,
        filled: Result<bool, StoreError>,
        size: usize,
    ) -> Result<bool, StoreError> {
        match &filled {
            Ok(true) => {
                self.function.counters.stores.one();
                self.function.counters.stored_bytes.add(size);
                self.has_replaced();
            }
            Ok(false) => {
                self.function.counters.refused_stores.one();
                tracing::debug!(key = %self.request.key, "answer not stored: the key was invalidated while it was loaded");
            }
            Err(error) => self.not_stored(error),
        }
        filled
    }

    fn not_stored(&self, error: &StoreError) {
        self.function.counters.degraded.one();
        tracing::debug!(key = %self.request.key, %error, "answer not stored");
    }

    /// Counts that a load was given up.
    pub(crate) fn timed_out(&self) {
        self.function.counters.timed_out_loads.one();
        tracing::warn!(key = %self.request.key, function = self.request.site.function, "load given up: it took longer than `load_timeout`");
    }

    pub(crate) fn not_encodable(&self) {
        self.function.counters.unencodable.one();
        tracing::warn!(key = %self.request.key, function = self.request.site.function, "answer not stored: it refused to be serialized");
    }
}
