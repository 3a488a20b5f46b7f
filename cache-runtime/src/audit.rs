//! An optional record of who read, wrote and cleared by hand, and of who invalidated.

pub(crate) mod auditor;
pub(crate) mod log;

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::cache::Cache;
use crate::error::Error;

/// The most records that are read at one time.
const MOST_READ: usize = 10_000;

/// What is kept of what is done by hand, and where; given to [`Builder::audit`](crate::Builder::audit).
///
/// Recorded is what a handle that was made by [`Cache::by`] does to values and counters, and that it switches the cache off or on; and each invalidation, whoever asks for it: with `#[invalidates]` it is recorded
/// under the function's path. Calls of cached functions are not, nor rate limits and locks. Values never are, but keys are personal data too: they can be
/// [hashed](Self::hash_keys) or [left out](Self::leave_keys_out).
///
/// ```
/// # use cache_runtime::{Audit, AuditAction, AuditOutcome, Cache, Key};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let audit = Audit::new().events().log(10_000);
/// let cache = Cache::builder().audit(audit).build()?;
///
/// cache.by("alice").delete(&Key::new("agents", [&7 as _])).await;
///
/// cache.flush_audit().await?;
/// let last = &cache.audit_log(1).await[0];
/// assert_eq!((last.by.as_str(), last.target.as_str()), ("alice", "agents:7"));
/// assert_eq!((last.action, last.outcome), (AuditAction::Delete, AuditOutcome::Done));
/// # Ok(())
/// # }
/// ```
///
/// A record is made when what it tells of is over, and nobody waits for it to be kept. What could not be kept is counted, as
/// [`audit_dropped`](crate::Stats::audit_dropped).
#[derive(Clone, Default)]
#[must_use = "it is given to the builder"]
pub struct Audit {
    events: bool,
    /// Records that the log keeps.
    log: Option<usize>,
    sink: Option<Arc<Sink>>,
    keys: Keys,
}

type Sink = dyn Fn(&AuditRecord) + Send + Sync;

/// How keys and patterns are told.
#[derive(Clone, Default)]
enum Keys {
    #[default]
    Shown,
    Hashed(Arc<[u8]>),
    LeftOut,
}

impl Audit {
    /// Recorded nowhere yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Events of `tracing`, at info, with the target `cache::audit`.
    pub fn events(mut self) -> Self {
        self.events = true;
        self
    }

    /// A log of about this many last records in Redis, of the whole fleet, which [`Cache::audit_log`] reads; without Redis in this process. It is written in the
    /// background. While Redis is away up to 10,000 records wait; what comes then is dropped. A record may stand there twice.
    pub fn log(mut self, records: usize) -> Self {
        self.log = Some(records);
        self
    }

    /// Hands each record to `sink`, in the task of whoever is recorded, so that it must not block. A panic in it is caught.
    pub fn sink(mut self, sink: impl Fn(&AuditRecord) + Send + Sync + 'static) -> Self {
        self.sink = Some(Arc::new(sink));
        self
    }

    /// Keys and patterns are told as their first segment, and tags as nothing of theirs, and 128 bits of an HMAC-SHA-256 (RFC 2104) of the whole under `secret`: `agents:#3f…`. All
    /// that is done to one key can be found, and without the secret nobody can tell which key it is. The cache's other events name keys as they are.
    pub fn hash_keys(mut self, secret: impl AsRef<[u8]>) -> Self {
        self.keys = Keys::Hashed(secret.as_ref().into());
        self
    }

    /// Keys and patterns are not told at all.
    pub fn leave_keys_out(mut self) -> Self {
        self.keys = Keys::LeftOut;
        self
    }
}

/// How a target that is a tag begins.
const TAG: &str = "tag ";

impl Keys {
    /// `target` as it is told.
    fn tell(&self, target: String) -> String {
        match self {
            Self::Shown => target,
            Self::LeftOut => String::new(),
            Self::Hashed(secret) => {
                // The first segment of a key is a word of the program's; a tag may be somebody's name.
                let first = match target.split_once(':') {
                    _ if target.starts_with(TAG) => TAG,
                    Some((first, _)) => &target[..=first.len()],
                    None => return target,
                };
                let mut hash = Hmac::<Sha256>::new_from_slice(secret).expect("any length will do");
                hash.update(target.as_bytes());
                let hash = hash.finalize().into_bytes();
                let hash = hash.iter().take(16).map(|byte| format!("{byte:02x}"));
                format!("{first}#{}", hash.collect::<String>())
            }
        }
    }
}

/// One thing that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuditRecord {
    /// When it was over, by the clock of the instance that did it, to the millisecond.
    pub at: SystemTime,
    /// Who did it.
    pub by: AuditActor,
    /// What was done.
    pub action: AuditAction,
    /// The key, the pattern or the tag that it was done to.
    pub target: String,
    /// What came of it.
    pub outcome: AuditOutcome,
}

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuditActor {
    /// Whoever was given a handle by this name: [`Cache::by`].
    Named(String),
    /// The code at this path: a function under `#[invalidates]`, or one whose companion was called. `Cache::…` and `by hand` are handles without a name,
    /// and `AfterCommit` does what a transaction held back.
    Function(String),
}

impl AuditActor {
    /// The name, or the path.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Named(name) | Self::Function(name) => name,
        }
    }
}

macro_rules! words {
    ($(#[doc = $doc:literal])+ $name:ident { $($(#[doc = $of:literal])+ $variant:ident = $word:literal,)* }) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[doc = $of])+ $variant,)*
        }

        impl $name {
            /// In lower case, as for a log.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }

            /// `None` for a word of a later version.
            pub(crate) fn read(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// What was done.
    AuditAction {
        /// A value was read, or asked for: `get`, `mget`, `exists`, `ttl`, `counter`; `get_or_set` also where it stores.
        Read = "read",
        /// A value was stored: `set`, `mset`.
        Write = "write",
        /// A value's time was changed: `expire`.
        Expire = "expire",
        /// A counter was changed: `incr`, `decr`.
        Count = "count",
        /// A counter was ended.
        Reset = "reset",
        /// Keys were listed: `scan`, when it began.
        List = "list",
        /// A key was deleted.
        Delete = "delete",
        /// A key, a pattern or a tag was made old.
        Invalidate = "invalidate",
        /// Everything, or a namespace, was made old.
        Clear = "clear",
        /// The cache, or a namespace, was switched off on this instance.
        SwitchOff = "switch off",
        /// It was switched on.
        SwitchOn = "switch on",
    }
}

impl AuditAction {
    pub(crate) fn of_switch(on: bool) -> Self {
        match on {
            true => Self::SwitchOn,
            false => Self::SwitchOff,
        }
    }
}

words! {
    /// What came of it.
    AuditOutcome {
        /// It was done.
        Done = "done",
        /// There was nothing to do it to, or something did not let it: [`Cache::set`] tells what may.
        NotDone = "not done",
        /// It waits until Redis can be told.
        Queued = "queued",
        /// It waits for the commit of the transaction that it was asked for in.
        Held = "held",
        /// Nothing was done, as its caller has asked too often: [`Builder::invalidation_limit`](crate::Builder::invalidation_limit).
        Limited = "limited",
        /// The store could not be asked.
        Failed = "failed",
    }
}

impl AuditOutcome {
    pub(crate) fn of<E>(done: &Result<bool, E>) -> Self {
        match done {
            Ok(true) => Self::Done,
            Ok(false) => Self::NotDone,
            Err(_) => Self::Failed,
        }
    }

    /// What was there is not told.
    pub(crate) fn of_read<T, E>(read: &Result<T, E>) -> Self {
        match read {
            Ok(_) => Self::Done,
            Err(_) => Self::Failed,
        }
    }
}

/// # Audit
///
/// See [`Audit`].
impl Cache {
    /// The last `records` of the [log](Audit::log), at most 10,000, the latest first; in the order in which they came to Redis. Nothing where Redis is away; then
    /// [`try_audit_log`](Self::try_audit_log) tells.
    pub async fn audit_log(&self, records: usize) -> Vec<AuditRecord> {
        self.try_audit_log(records).await.unwrap_or_default()
    }

    /// Like [`audit_log`](Self::audit_log), and tells what went wrong.
    ///
    /// # Errors
    /// Redis could not be reached, did not answer in time, or refused.
    pub async fn try_audit_log(&self, records: usize) -> Result<Vec<AuditRecord>, Error> {
        let store = self.engine.reachable()?;
        let (most, patience) = (records.min(MOST_READ), self.engine.patience.background);
        Ok(store.audit_log(most, patience).await?)
    }

    /// Waits until what was recorded before is in the log; before a program ends, for example.
    ///
    /// # Errors
    /// It could not be written within [`connect_timeout`](crate::Builder::connect_timeout). It is tried further, as long as the cache lives.
    pub async fn flush_audit(&self) -> Result<(), Error> {
        Ok(log::flush(&self.engine).await?)
    }
}

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = match &self.keys {
            Keys::Shown => "shown",
            Keys::Hashed(_) => "hashed",
            Keys::LeftOut => "left out",
        };
        f.debug_struct("Audit")
            .field("events", &self.events)
            .field("log", &self.log)
            .field("sink", &self.sink.is_some())
            .field("keys", &keys)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_as_was_asked_for() {
        let tell = |audit: Audit, target: &str| audit.keys.tell(target.to_owned());
        assert_eq!(tell(Audit::new(), "agents:7"), "agents:7");
        assert_eq!(tell(Audit::new().leave_keys_out(), "agents:7"), "");
        let hashed = |secret: &str, target| tell(Audit::new().hash_keys(secret), target);
        assert_eq!(hashed("Jefe", "agents:7"), hashed("Jefe", "agents:7"));
        assert_ne!(hashed("Jefe", "agents:7"), hashed("Jefe", "agents:8"));
        assert_ne!(hashed("Jefe", "agents:7"), hashed("John", "agents:7"));
        assert_eq!(hashed("Jefe", "agents:7").len(), "agents:#".len() + 32);
        assert_eq!(hashed("", "everything"), "everything");
        let shown = format!("{:?}", Audit::new().hash_keys("hunter2"));
        assert!(shown.contains("hashed") && !shown.contains("hunter2"));
    }
}
