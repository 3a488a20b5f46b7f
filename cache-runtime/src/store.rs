//! Where entries and generations live. Stores know bytes, never functions; the engine decides what an answer means.

#[cfg(feature = "jobs")]
pub(crate) mod jobs;
pub(crate) mod memory;
pub(crate) mod redis;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::analytics::HotKey;
use crate::audit::AuditRecord;
use crate::behind::queue::{Depth, Entry, Id, Kind};
use crate::envelope::Head;
use crate::generations::Stamp;
use crate::health::ServerHealth;
use crate::key::{Key, Pattern, Tag, Target};
use crate::observe::ReplicaStats;
use crate::rate_limit::{Allowance, RateLimit};
use crate::wakes::Wakes;

pub(crate) use self::redis::Asked;

/// Keys that go into one round trip; more of them are so many round trips, one after the other, each with a call's budget: what is on its way
/// stays bounded.
pub(crate) const TOGETHER: usize = 256;

/// What an operation is about: a key, and the tags that its answer carries.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Address<'a> {
    pub(crate) key: &'a Key,
    pub(crate) tags: &'a [Tag],
    /// Whether a look-up tells how long the entry has still to live.
    pub(crate) lives: bool,
}

impl Address<'_> {
    pub(crate) fn asks_the_same(&self, other: &Self) -> bool {
        self.key == other.key && self.tags == other.tags && self.lives == other.lives
    }
}

/// What a look-up found.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) entry: Option<Bytes>,
    /// The stamp that a current entry carries; `None` while the domain has no root.
    pub(crate) stamp: Option<Stamp>,
    /// How long the entry has still to live; known where [`Address::lives`] asks for it.
    pub(crate) lives: Option<Duration>,
}

/// What a load must show when its answer is to be stored: taken before the load begins.
///
/// The *fence* stands under the key's own name from the first miss until an answer is stored. Invalidating the key removes it, so
/// that what was loading then is refused; whoever comes later puts up another one. This is the lease of R. Nishtala et al., "Scaling
/// Memcache at Facebook", NSDI 2013, section 3.2.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Ticket {
    pub(crate) stamp: Stamp,
    pub(crate) fence: u64,
    pub(crate) busy: Busy,
}

impl Ticket {
    /// Of a load that was announced to nobody, as the store is away: nothing of it is stored, and anything may have been invalidated since
    /// another one began.
    pub(crate) const BLIND: Self = Self {
        stamp: Stamp(0),
        fence: 0,
        busy: Busy::Announced,
    };
}

/// Whether somebody writes what an answer depends on. Then it is not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Busy {
    No,
    /// It has just been written, and a replica may lag.
    HeldOff,
    /// It may be written at any moment, and nothing will tell: a load that has begun is not joined any more.
    Announced,
}

/// Hold-offs are nobody's: one stands for all of a scope.
const NOBODY: u64 = 0;

/// What an invalidation does to the writer's mark. While a scope is marked, what is loaded there is not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    Untouched,
    /// Put up for so long; each writer has a number of its own, so that no other takes its mark away.
    Up {
        writer: u64,
        lease: Duration,
        says: Busy,
    },
    Down {
        writer: u64,
    },
}

impl Mark {
    /// A new writer's announcement.
    pub(crate) fn announced(lease: Duration) -> Self {
        Self::Up {
            writer: fastrand::u64(1..),
            lease,
            says: Busy::Announced,
        }
    }

    /// What an invalidation leaves behind when what is loaded right after it is not to be stored.
    pub(crate) fn hold_off(time: Duration) -> Self {
        if time.is_zero() {
            Self::Untouched
        } else {
            Self::Up {
                writer: NOBODY,
                lease: time,
                says: Busy::HeldOff,
            }
        }
    }

    /// The same writer's mark once it has written.
    pub(crate) fn closing(self, hold_off: Duration) -> Self {
        match self {
            Self::Up { writer, .. } if hold_off.is_zero() => Self::Down { writer },
            // In the place of the announcement.
            Self::Up { writer, .. } => Self::Up {
                writer,
                lease: hold_off,
                says: Busy::HeldOff,
            },
            Self::Untouched | Self::Down { .. } => Self::hold_off(hold_off),
        }
    }
}

/// An answer on its way into the store.
#[derive(Debug)]
pub(crate) struct Filling {
    /// Of the load that brought it.
    pub(crate) fence: u64,
    pub(crate) entry: Bytes,
    /// How long the store keeps it.
    pub(crate) life: Duration,
    /// The token of the lease that ends with it.
    pub(crate) lease: Option<u64>,
    /// Near caches drop what they have of the key.
    pub(crate) replaces: bool,
}

/// How a load is announced.
#[derive(Debug)]
pub(crate) enum Opening {
    /// After a miss: an entry other than the one with this head means that somebody stored one meanwhile.
    Missed(Head),
    /// To replace whatever is stored: loads on their way are refused.
    Replace,
}

/// What became of asking for the lead of a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lead {
    /// It is the caller's.
    Led,
    /// A load has just failed: each instance loads for itself.
    Free,
    /// Another instance has it.
    Held,
    /// The load has ended meanwhile, or something was invalidated.
    Over,
}

/// A change of a counter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counting {
    pub(crate) by: i64,
    pub(crate) life: Duration,
    /// Whether each change prolongs its life, and not only the first one sets it.
    pub(crate) prolongs: bool,
}

/// What became of asking for a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It is the caller's, with this fencing token.
    Yes(u64),
    /// Another one has it, for so long if it is not prolonged.
    Held(Duration),
}

/// How the store is.
#[derive(Debug)]
pub(crate) struct Vitals {
    /// Of a `PING`; in a cluster the longest.
    pub(crate) latency: Duration,
    pub(crate) server: ServerHealth,
    /// That some nodes of a cluster did not answer.
    pub(crate) missing: Option<String>,
}

/// The store could not do it. The source answers instead.
#[derive(Debug, Clone)]
pub(crate) enum StoreError {
    /// There is no connection, and one is being made in the background.
    Unreachable,
    /// No answer within the deadline.
    TimedOut,
    /// The server answered with an error.
    Refused(String),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable => f.write_str("Redis is not connected"),
            Self::TimedOut => f.write_str("Redis did not answer within the deadline"),
            Self::Refused(error) => write!(f, "Redis answered: {error}"),
        }
    }
}

/// The store behind a cache.
#[derive(Debug)]
pub(crate) enum Store {
    Memory(Box<memory::Memory>),
    Redis(Arc<redis::Redis>),
}

impl Store {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Memory(_) => "memory",
            Self::Redis(_) => "redis",
        }
    }

    /// Keys that are asked for together.
    pub(crate) fn together(&self) -> usize {
        match self {
            // There is no round trip to save, and keys that share a fence would refuse each other.
            Self::Memory(_) => 1,
            Self::Redis(_) => TOGETHER,
        }
    }

    /// Whether other instances may use it too.
    pub(crate) fn is_shared(&self) -> bool {
        matches!(self, Self::Redis(_))
    }

    /// Whether it is known that nothing can be asked of it now: its circuit is open. Takes no time.
    pub(crate) fn is_away(&self) -> bool {
        match self {
            Self::Memory(memory) => memory.is_away(),
            Self::Redis(redis) => redis.is_away(),
        }
    }

    /// Why there is no connection, where that is known.
    pub(crate) fn why_away(&self) -> Option<String> {
        match self {
            Self::Memory(_) => None,
            Self::Redis(redis) => redis.why_away(),
        }
    }

    /// What replicas have answered, where they are read.
    pub(crate) fn replicas(&self) -> Option<ReplicaStats> {
        match self {
            Self::Memory(_) => None,
            Self::Redis(redis) => redis.replicas(),
        }
    }

    /// One round trip: the entry, and the stamp that it must carry to be current.
    pub(crate) async fn read(
        &self,
        at: Address<'_>,
        patience: Duration,
    ) -> Result<Seen, StoreError> {
        match self {
            Self::Memory(memory) => Ok(memory.reach(patience).await?.read(at)),
            Self::Redis(redis) => redis.read(at, patience).await,
        }
    }

    /// The same for many, in one round trip to each server that has any of them: what became of each.
    pub(crate) async fn read_many(
        &self,
        ats: &[Address<'_>],
        patience: Duration,
    ) -> Vec<Result<Seen, StoreError>> {
        match self {
            Self::Memory(memory) => {
                let reached = memory.reach(patience).await;
                let read = |at: &Address<'_>| Ok(reached.clone()?.read(*at));
                ats.iter().map(read).collect()
            }
            Self::Redis(redis) => redis.read_many(ats, patience).await,
        }
    }

    /// Announces a load, before it begins. `None`: another entry stands there now, so look again.
    pub(crate) async fn open(
        &self,
        at: Address<'_>,
        opening: &Opening,
        patience: Duration,
    ) -> Result<Option<Ticket>, StoreError> {
        let opened = self.open_many(&[(at, opening)], patience).await;
        opened.into_iter().next().unwrap_or(Ok(None))
    }

    /// The same for many together: what became of each.
    pub(crate) async fn open_many(
        &self,
        loads: &[(Address<'_>, &Opening)],
        patience: Duration,
    ) -> Vec<Result<Option<Ticket>, StoreError>> {
        match self {
            Self::Memory(memory) => {
                let reached = memory.reach(patience).await;
                let open = |(at, opening): &(Address<'_>, &Opening)| {
                    Ok(reached.clone()?.open(*at, opening))
                };
                loads.iter().map(open).collect()
            }
            Self::Redis(redis) => redis.open_many(loads, patience).await,
        }
    }

    /// Stores what was loaded unless the key was invalidated since its fence was taken; whether it was stored.
    pub(crate) async fn fill(
        &self,
        key: &Key,
        filling: Filling,
        patience: Duration,
    ) -> Result<bool, StoreError> {
        let filled = self.fill_many(&[(key, filling)], patience).await;
        filled.into_iter().next().unwrap_or(Ok(false))
    }

    /// The same for many together: what became of each.
    pub(crate) async fn fill_many(
        &self,
        fillings: &[(&Key, Filling)],
        patience: Duration,
    ) -> Vec<Result<bool, StoreError>> {
        match self {
            Self::Memory(memory) => {
                let reached = memory.reach(patience).await;
                let fill =
                    |(key, filling): &(&Key, Filling)| Ok(reached.clone()?.fill(key, filling));
                fillings.iter().map(fill).collect()
            }
            Self::Redis(redis) => redis.fill_many(fillings, patience).await,
        }
    }

    /// Lets the entry of `key` live for so long from now on; whether there is one.
    pub(crate) async fn expire(
        &self,
        key: &Key,
        life: Duration,
        patience: Duration,
    ) -> Result<bool, StoreError> {
        match self {
            Self::Memory(memory) => Ok(memory.reach(patience).await?.expire(key, life)),
            Self::Redis(redis) => redis.expire(key, life, patience).await,
        }
    }

    /// One step through the keys that `pattern` matches, or through all of them, and where the next one begins; 0 when there is none.
    pub(crate) async fn keys(
        &self,
        cursor: u64,
        pattern: Option<&Pattern>,
        patience: Duration,
    ) -> Result<(u64, Vec<String>), StoreError> {
        match self {
            Self::Memory(memory) => Ok((0, memory.reach(patience).await?.keys(pattern))),
            Self::Redis(redis) => redis.keys(cursor, pattern, patience).await,
        }
    }

    /// How it is.
    pub(crate) async fn vitals(&self, patience: Duration) -> Result<Vitals, StoreError> {
        match self {
            Self::Memory(memory) => {
                let memory = memory.reach(patience).await?;
                Ok(Vitals {
                    latency: Duration::ZERO,
                    server: ServerHealth {
                        used_memory: memory.weight(),
                        keys: memory.len() as u64,
                        ..ServerHealth::default()
                    },
                    missing: None,
                })
            }
            Self::Redis(redis) => redis.vitals(patience).await,
        }
    }

    /// Makes everything that `targets` name old, and marks or unmarks it. Once this has returned, no read accepts what was loaded
    /// before.
    pub(crate) async fn invalidate(
        &self,
        targets: &[Target],
        mark: Mark,
        patience: Duration,
    ) -> Result<(), StoreError> {
        match self {
            Self::Memory(memory) => {
                memory.reach(patience).await?.invalidate(targets, mark);
                Ok(())
            }
            Self::Redis(redis) => redis.invalidate(targets, mark, patience).await,
        }
    }

    /// Sees to it that the near cache hears of invalidations from now on; whether it does.
    pub(crate) async fn listen(&self, patience: Duration) -> Result<bool, StoreError> {
        match self {
            // Nobody else writes to this store.
            Self::Memory(_) => Ok(true),
            Self::Redis(redis) => redis.listen(patience).await,
        }
    }

    /// Sees to it that this instance hears of all invalidations, and has heard of those from before; whether it hears of any.
    #[cfg(feature = "http")]
    pub(crate) async fn hear(&self, patience: Duration) -> Result<bool, StoreError> {
        match self {
            Self::Memory(_) => Ok(true),
            Self::Redis(redis) => redis.hear(patience).await,
        }
    }

    /// Who waits for loads of other instances; `None` where there are none.
    pub(crate) fn wakes(&self) -> Option<&Wakes> {
        match self {
            Self::Memory(_) => None,
            Self::Redis(redis) => Some(redis.wakes()),
        }
    }

    /// Asks for the lead of the load of `ticket`.
    pub(crate) async fn lease(
        &self,
        key: &Key,
        ticket: Ticket,
        asked: Asked,
        patience: Duration,
    ) -> Result<Lead, StoreError> {
        match self {
            Self::Memory(_) => Ok(Lead::Led),
            Self::Redis(redis) => redis.lease(key, ticket, asked, patience).await,
        }
    }

    /// Prolongs a lease; whether it was still held.
    pub(crate) async fn prolong(
        &self,
        key: &Key,
        token: u64,
        life: Duration,
        patience: Duration,
    ) -> Result<bool, StoreError> {
        match self {
            Self::Memory(_) => Ok(true),
            Self::Redis(redis) => redis.prolong(key, token, life, patience).await,
        }
    }

    /// Ends a lease, and wakes those that wait; where the load `failed`, for so long nobody waits.
    pub(crate) async fn release(
        &self,
        key: &Key,
        token: u64,
        failed: Duration,
        patience: Duration,
    ) -> Result<(), StoreError> {
        match self {
            Self::Memory(_) => Ok(()),
            Self::Redis(redis) => redis.release(key, token, failed, patience).await,
        }
    }

    /// Sees to it that the near cache soon has a proof that it has missed nothing.
    pub(crate) fn prove(&self) {
        if let Self::Redis(redis) = self {
            redis.prove();
        }
    }

    /// Changes a counter, and tells its new number.
    pub(crate) async fn count(
        &self,
        key: &Key,
        counting: Counting,
        patience: Duration,
    ) -> Result<i64, StoreError> {
        match self {
            Self::Memory(memory) => memory.reach(patience).await?.counts.count(key, counting),
            Self::Redis(redis) => redis.count(key, counting, patience).await,
        }
    }

    pub(crate) async fn counter(
        &self,
        key: &Key,
        patience: Duration,
    ) -> Result<Option<i64>, StoreError> {
        match self {
            Self::Memory(memory) => Ok(memory.reach(patience).await?.counts.counter(key)),
            Self::Redis(redis) => redis.counter(key, patience).await,
        }
    }

    pub(crate) async fn reset_counter(
        &self,
        key: &Key,
        patience: Duration,
    ) -> Result<(), StoreError> {
        match self {
            Self::Memory(memory) => {
                memory.reach(patience).await?.counts.reset(key);
                Ok(())
            }
            Self::Redis(redis) => redis.reset_counter(key, patience).await,
        }
    }

    /// Asks a rate limit for `n`, and counts them when they are allowed.
    pub(crate) async fn allow(
        &self,
        key: &Key,
        limit: &RateLimit,
        n: u32,
        patience: Duration,
    ) -> Result<Allowance, StoreError> {
        match self {
            Self::Memory(memory) => memory.reach(patience).await?.counts.allow(key, limit, n),
            Self::Redis(redis) => redis.allow(key, limit, n, patience).await,
        }
    }

    /// Adds calls to what is remembered of the keys of `template`. A process by itself has nobody to tell.
    pub(crate) async fn remember(
        &self,
        template: &str,
        called: &[HotKey],
        patience: Duration,
    ) -> Result<(), StoreError> {
        match self {
            Self::Memory(_) => Ok(()),
            Self::Redis(redis) => redis.remember(template, called, patience).await,
        }
    }

    /// The hottest keys of `template` that are remembered, the hottest first.
    pub(crate) async fn hottest(
        &self,
        template: &str,
        most: usize,
        patience: Duration,
    ) -> Result<Vec<String>, StoreError> {
        match self {
            Self::Memory(_) => Ok(Vec::new()),
            Self::Redis(redis) => redis.hottest(template, most, patience).await,
        }
    }

    /// Asks for a lock.
    pub(crate) async fn lock(
        &self,
        name: &str,
        asked: Asked,
        patience: Duration,
    ) -> Result<Taken, StoreError> {
        match self {
            Self::Memory(memory) => Ok(memory.reach(patience).await?.locks.take(name, asked)),
            Self::Redis(redis) => redis.lock(name, asked, patience).await,
        }
    }

    /// Prolongs the lock that `token` holds; whether it was still held.
    pub(crate) async fn prolong_lock(
        &self,
        name: &str,
        token: u64,
        lease: Duration,
        patience: Duration,
    ) -> Result<bool, StoreError> {
        match self {
            Self::Memory(memory) => Ok(memory
                .reach(patience)
                .await?
                .locks
                .prolong(name, token, lease)),
            Self::Redis(redis) => redis.change_lock(name, token, lease, patience).await,
        }
    }

    /// Gives back the lock that `token` holds, and wakes those that wait for it; whether it was still held.
    pub(crate) async fn unlock(
        &self,
        name: &str,
        token: u64,
        patience: Duration,
    ) -> Result<bool, StoreError> {
        match self {
            Self::Memory(memory) => Ok(memory.reach(patience).await?.locks.give_back(name, token)),
            Self::Redis(redis) => {
                let none = Duration::ZERO;
                redis.change_lock(name, token, none, patience).await
            }
        }
    }

    /// Who waits for locks, by the names that [`lock`](Self::lock) is given.
    pub(crate) fn lock_wakes(&self) -> &Wakes {
        match self {
            Self::Memory(memory) => memory.locks.wakes(),
            Self::Redis(redis) => redis.wakes(),
        }
    }
}

/// The log of what was done by hand.
impl Store {
    /// Adds records to the log, which keeps about `most`. Where this fails some may have been added.
    pub(crate) async fn append_audit(
        &self,
        records: &[AuditRecord],
        most: usize,
        patience: Duration,
    ) -> Result<(), StoreError> {
        match self {
            Self::Memory(memory) => {
                memory.reach(patience).await?.append_audit(records, most);
                Ok(())
            }
            Self::Redis(redis) => redis.append_audit(records, most, patience).await,
        }
    }

    /// The last records, the latest first.
    pub(crate) async fn audit_log(
        &self,
        records: usize,
        patience: Duration,
    ) -> Result<Vec<AuditRecord>, StoreError> {
        match self {
            Self::Memory(memory) => Ok(memory.reach(patience).await?.audit_log(records)),
            Self::Redis(redis) => redis.audit_log(records, patience).await,
        }
    }
}

/// Queues of writes.
impl Store {
    /// Queues a write, once; `false`: the queue is full.
    pub(crate) async fn enqueue(
        &self,
        queue: &str,
        kind: Kind,
        capacity: usize,
        (key, value): (&[u8], &[u8]),
        patience: Duration,
    ) -> Result<bool, StoreError> {
        match self {
            Self::Memory(memory) => Ok(memory
                .reach(patience)
                .await?
                .queue(queue, |local| local.enqueue(capacity, key, value))),
            Self::Redis(redis) => {
                redis
                    .enqueue(queue, kind, capacity, (key, value), patience)
                    .await
            }
        }
    }

    /// The next batch; `None`: another consumer has the lease.
    pub(crate) async fn take(
        &self,
        queue: &str,
        token: u64,
        life: Duration,
        most: usize,
        patience: Duration,
    ) -> Result<Option<Vec<Entry>>, StoreError> {
        match self {
            Self::Memory(memory) => Ok(memory
                .reach(patience)
                .await?
                .queue(queue, |local| local.take(token, life, most))),
            Self::Redis(redis) => redis.take(queue, token, life, most, patience).await,
        }
    }

    /// Forgets what was `delivered` and what is `dead`, and prolongs or ends the lease; whether it was still held.
    pub(crate) async fn settle(
        &self,
        queue: &str,
        kind: Kind,
        (token, life): (u64, Duration),
        dead: &[Id],
        delivered: &[Id],
        patience: Duration,
    ) -> Result<bool, StoreError> {
        match self {
            Self::Memory(memory) => Ok(memory.reach(patience).await?.queue(queue, |local| {
                local.settle(token, life, &[dead, delivered].concat())
            })),
            Self::Redis(redis) => {
                redis
                    .settle(queue, kind, (token, life), dead, delivered, patience)
                    .await
            }
        }
    }

    /// What waits for `key`: the sum, or the last value.
    pub(crate) async fn pending(
        &self,
        queue: &str,
        kind: Kind,
        key: &[u8],
        patience: Duration,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        match self {
            Self::Memory(memory) => Ok(memory
                .reach(patience)
                .await?
                .queue(queue, |local| local.pending(kind, key))),
            Self::Redis(redis) => redis.pending(queue, kind, key, patience).await,
        }
    }

    pub(crate) async fn depth(&self, queue: &str, patience: Duration) -> Result<Depth, StoreError> {
        match self {
            Self::Memory(memory) => Ok(memory
                .reach(patience)
                .await?
                .queue(queue, |local| local.depth())),
            Self::Redis(redis) => redis.depth(queue, patience).await,
        }
    }
}
