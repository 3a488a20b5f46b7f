//! Those that are compared: each as its documentation recommends it, over one source, with an expiry of an hour.
//!
//! Annotated functions have their caches in statics, and so has everybody here. A process runs one scenario.

mod by_hand;
mod cached;
mod fred;
mod hitbox;
mod in_memory;
mod multi_tier;
mod ours;

use std::pin::Pin;
use std::time::Duration;

use crate::row::Row;
use crate::source;

pub(crate) use self::by_hand::{ByHand, ClientSide, Compact, Multiplexed};
pub(crate) use self::cached::{CachedMemory, CachedRedis, CachedSharded};
pub(crate) use self::fred::Fred;
pub(crate) use self::hitbox::{HitboxBincode, HitboxMoka, HitboxRedis};
pub(crate) use self::in_memory::{Moka, QuickCache};
pub(crate) use self::multi_tier::{MultiTier, MultiTierRedis};
pub(crate) use self::ours::{Ours, OursCompact, OursFleet, OursNear, cache, patient, rows, shared};

/// Of everything that is cached.
const EXPIRY: Duration = Duration::from_secs(3600);

/// A cache before the [`source`].
pub(crate) trait Side: 'static {
    const NAME: &'static str;

    /// Sets it up, once a process, over the Redis at `url` where it uses one.
    fn start(url: String) -> impl Future<Output = ()> + Send;

    /// The row with that number, loaded where it is not cached.
    fn read(id: u64) -> impl Future<Output = Result<Row, Failed>> + Send;

    /// What a writer does when it has committed.
    fn invalidate(id: u64) -> impl Future<Output = Result<(), Failed>> + Send;
}

/// What a caller gets in place of a row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Failed;

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A side that is chosen while the program runs. It costs an allocation a call, so this is for what takes longer.
#[derive(Clone, Copy)]
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    start: fn(String) -> Boxed<()>,
    read: fn(u64) -> Boxed<Result<Row, Failed>>,
    invalidate: fn(u64) -> Boxed<Result<(), Failed>>,
}

impl Peer {
    pub(crate) fn of<S: Side>() -> Self {
        Self {
            name: S::NAME,
            start: |url| Box::pin(started::<S>(url)),
            read: |id| Box::pin(S::read(id)),
            invalidate: |id| Box::pin(S::invalidate(id)),
        }
    }

    pub(crate) async fn start(self, url: String) {
        (self.start)(url).await;
    }

    pub(crate) async fn read(self, id: u64) -> Result<Row, Failed> {
        (self.read)(id).await
    }

    pub(crate) async fn invalidate(self, id: u64) -> Result<(), Failed> {
        (self.invalidate)(id).await
    }
}

/// Sets a side up, and sees that it caches and forgets at all.
///
/// # Panics
/// When it does not: its figures would say nothing.
pub(crate) async fn started<S: Side>(url: String) {
    S::start(url).await;
    let id = u64::from(u32::MAX);
    // What another process may have left.
    let _ = S::invalidate(id).await;
    assert!(reads_until::<S>(id, true).await, "{}: a miss", S::NAME);
    assert!(reads_until::<S>(id, false).await, "{}: a hit", S::NAME);
    S::invalidate(id).await.expect("it is up");
    assert!(reads_until::<S>(id, true).await, "{}: old", S::NAME);
}

/// Whether a read soon is a load, or is none: what is told by push takes its time.
async fn reads_until<S: Side>(id: u64, is_load: bool) -> bool {
    for _ in 0..1_000 {
        let before = source::loads();
        assert_eq!(S::read(id).await.map(|row| row.id), Ok(id), "{}", S::NAME);
        if (source::loads() > before) == is_load {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    false
}
