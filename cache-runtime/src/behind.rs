//! Write-behind: writes that wait in a bounded, ordered queue, for sources that cannot take every one.

mod delivery;
pub(crate) mod queue;

use std::fmt::{self, Display};
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use self::delivery::{Queue, Settings, Sink};
use self::queue::{Kind, number};
use crate::cache::Cache;
use crate::codec::{Codec, Storable as _};
use crate::engine;
use crate::error::{ConfigError, Error, ErrorKind};
use crate::key::is_plain;
use crate::sync::{Mutex, lock};

/// The most bytes of a write's key and value together.
const LARGEST: usize = 1 << 20;

impl Cache {
    /// A queue of writes that are handed to their source later, in batches, merged by key: see [`WriteBehind`].
    pub fn write_behind(&self, name: &str) -> WriteBehind {
        WriteBehind {
            cache: self.clone(),
            name: name.to_owned(),
            settings: Settings::default(),
        }
    }
}

/// Configures a queue of writes; made by [`Cache::write_behind`].
///
/// Writes wait in Redis, in a stream with a consumer group, until the *sink* said `Ok`. One instance of the fleet at a time hands them over, in
/// order; when it is killed another one goes on after at most 10 seconds. Delivery is at least once: what was handed over and not yet acknowledged
/// comes again, as the same writes with the same [ids](Write::id). A sink that remembers the last id of each row counts each write once:
///
/// ```sql
/// UPDATE pages SET views = views + $2, counted = $3 WHERE id = $1 AND counted < $3
/// ```
///
/// ```
/// use cache_runtime::{Cache, Write};
///
/// # async fn views_in_database(_: u64) -> i64 { 0 }
/// # async fn add_in_database(_: &Write<u64, i64>) -> Result<(), std::io::Error> { Ok(()) }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let cache = Cache::builder().build()?;
/// let views = cache.write_behind("page-views").counters(|batch: Vec<Write<u64, i64>>| async move {
///     for write in &batch {
///         add_in_database(write).await?;
///     }
///     Ok::<_, std::io::Error>(())
/// })?;
/// views.add(&7, 1).await?;
/// // What waits before what is in the source, so that nothing is missed in between.
/// let waiting = views.pending(&7).await?.unwrap_or(0);
/// let all = waiting + views_in_database(7).await;
/// # assert_eq!(all, 1);
/// views.flush().await?;
/// views.stop().await;
/// # Ok(())
/// # }
/// ```
///
/// # Durability
/// The queue's names in Redis have no expiry. It is as lasting as the server: persistence (`appendonly yes`) has to be on for it to survive a
/// restart, and under an `allkeys-*` eviction policy Redis may evict it; both lose writes. Without Redis it is in this process and ends with it.
/// All handles of one name must be of one kind and of the same types.
#[derive(Debug, Clone)]
#[must_use]
pub struct WriteBehind {
    cache: Cache,
    name: String,
    settings: Settings,
}

impl WriteBehind {
    /// The most writes that wait; past that they are refused with [`ErrorKind::TooLarge`]. 10,000 by default.
    pub fn capacity(mut self, writes: usize) -> Self {
        self.settings.capacity = writes;
        self
    }

    /// The most writes that are taken at one time, before they are merged; 500 by default, 2,000 at most.
    pub fn batch(mut self, writes: usize) -> Self {
        self.settings.batch = writes;
        self
    }

    /// How often the queue is emptied; 1 second by default.
    pub fn every(mut self, interval: Duration) -> Self {
        self.settings.every = interval;
        self
    }

    /// After how many failures of a batch its keys are handed over one by one; 5 by default.
    ///
    /// A key whose write still fails holds up what came after its batch: it is retried, at most every 30 seconds or [`every`](Self::every) if that is longer,
    /// and said in the log, until the sink takes it. Nothing is skipped.
    pub fn attempts(mut self, failures: u32) -> Self {
        self.settings.attempts = failures;
        self
    }

    /// Counters: the sink gets one sum for each key.
    ///
    /// # Errors
    /// A bad name or setting, or no Tokio runtime.
    pub fn counters<K, S, F, E>(self, sink: S) -> Result<Counters<K>, ConfigError>
    where
        K: Serialize + DeserializeOwned + Send + 'static,
        S: Fn(Vec<Write<K, i64>>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Display,
    {
        let sink = delivery::sink(sink);
        Ok(Counters {
            owner: self.start(Kind::Sum, Some(sink))?,
            types: PhantomData,
        })
    }

    /// Counters that this process writes and other ones hand over.
    ///
    /// # Errors
    /// A bad name or setting.
    pub fn counters_without_sink<K: Serialize>(self) -> Result<Counters<K>, ConfigError> {
        Ok(Counters {
            owner: self.start(Kind::Sum, None)?,
            types: PhantomData,
        })
    }

    /// Values of which the last counts: the sink gets one for each key.
    ///
    /// # Errors
    /// A bad name or setting, or no Tokio runtime.
    pub fn values<K, V, S, F, E>(self, sink: S) -> Result<Values<K, V>, ConfigError>
    where
        K: Serialize + DeserializeOwned + Send + 'static,
        V: Serialize + DeserializeOwned + Send + 'static,
        S: Fn(Vec<Write<K, V>>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Display,
    {
        let sink = delivery::sink(sink);
        Ok(Values {
            owner: self.start(Kind::Last, Some(sink))?,
            types: PhantomData,
        })
    }

    /// Values that this process writes and other ones hand over.
    ///
    /// # Errors
    /// A bad name or setting.
    pub fn values_without_sink<K: Serialize, V: Serialize + DeserializeOwned>(
        self,
    ) -> Result<Values<K, V>, ConfigError> {
        Ok(Values {
            owner: self.start(Kind::Last, None)?,
            types: PhantomData,
        })
    }

    fn start(self, kind: Kind, sink: Option<Sink>) -> Result<Owner, ConfigError> {
        let mut problems = Vec::new();
        if self.name.is_empty() || !self.name.bytes().all(is_plain) {
            let name = self.name.escape_debug();
            problems.push(format!(
                "write-behind queue `{name}` must be named with letters, digits and `-_.@/+~`"
            ));
        }
        let settings = self.settings;
        if settings.capacity == 0 || settings.attempts == 0 || settings.every.is_zero() {
            problems.push(
                "capacity, attempts and interval of a write-behind queue must not be 0".to_owned(),
            );
        }
        if !(1..=2_000).contains(&settings.batch) {
            problems.push("batch of a write-behind queue must be from 1 to 2,000".to_owned());
        }
        let runtime = Handle::try_current();
        if sink.is_some() && runtime.is_err() {
            problems.push("a write-behind queue with a sink needs a Tokio runtime".to_owned());
        }
        ConfigError::check(problems)?;
        let queue = Arc::new(Queue::new(self.cache.engine, self.name, kind, settings));
        let task = sink.zip(runtime.ok()).map(|(sink, runtime)| {
            runtime.spawn(engine::inheriting(delivery::run(queue.clone(), sink)))
        });
        Ok(Owner {
            queue,
            task: Mutex::new(task),
        })
    }
}

/// What a sink gets: all that was written to one key since the last time, up to a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Write<K, V> {
    /// The key.
    pub key: K,
    /// The sum, or the last value.
    pub value: V,
    /// The same when the same write is handed over again, and greater for each later write of the key, compared as text: 41 bytes of ASCII.
    pub id: String,
}

/// What a queue holds, and what this process has done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct WriteBehindStats {
    /// Writes that wait, of the whole fleet.
    pub waiting: u64,
    /// How long the oldest of them waits.
    pub oldest: Option<Duration>,
    /// Writes that this process handed over, before they were merged.
    pub delivered: u64,
    /// Times that its sink failed.
    pub retried: u64,
    /// Writes that it refused, as the queue was full.
    pub refused: u64,
    /// Entries that could not be read, and were moved to the queue's `dead` stream, which keeps the last 1,000; without Redis they are dropped.
    pub dead: u64,
}

/// Ends the deliveries with the handle.
struct Owner {
    queue: Arc<Queue>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Owner {
    async fn write(&self, key: &impl Serialize, value: &[u8]) -> Result<(), Error> {
        let key = encode(key)?;
        if key.len() + value.len() > LARGEST {
            return Err(Error::new(
                ErrorKind::TooLarge,
                "a write of more than 1 MiB cannot be queued",
            ));
        }
        self.queue.enqueue(&key, value).await
    }

    async fn stop(&self) {
        self.queue.stop();
        let task = lock(&self.task).take();
        if let Some(task) = task {
            // It can have been aborted only with its runtime.
            let _ = task.await;
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        if let Some(task) = lock(&self.task).take() {
            task.abort();
        }
    }
}

fn encode(part: &impl Serialize) -> Result<Vec<u8>, Error> {
    let invalid = |_| {
        Error::new(
            ErrorKind::Invalid,
            "a key or value of a write cannot be serialized",
        )
    };
    serde_json::to_vec(part).map_err(invalid)
}

macro_rules! handle {
    ($(#[doc = $doc:literal])+ $name:ident<$($type:ident),+>) => {
        $(#[doc = $doc])+
        ///
        /// Dropped, it stops handing over at once, and what was under way is handed over again by another instance.
        #[must_use]
        pub struct $name<$($type),+> {
            owner: Owner,
            types: PhantomData<fn($($type),+)>,
        }

        impl<$($type),+> $name<$($type),+> {
            /// Waits until all that was queued before is in the source. Dropped, nothing is lost.
            ///
            /// # Errors
            /// As of any operation; the writes stay queued.
            pub async fn flush(&self) -> Result<(), Error> {
                self.owner.queue.flush().await
            }

            /// What waits, and what this process has done.
            ///
            /// # Errors
            /// Redis could not tell what waits.
            pub async fn stats(&self) -> Result<WriteBehindStats, Error> {
                self.owner.queue.stats().await
            }

            /// Hands nothing over any more, once the batch under way is done; then another instance does. Writes can still be queued.
            pub async fn stop(&self) {
                self.owner.stop().await;
            }
        }

        impl<$($type),+> fmt::Debug for $name<$($type),+> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).field("queue", &self.owner.queue.name).finish_non_exhaustive()
            }
        }
    };
}

handle! {
    /// A queue of sums; made by [`WriteBehind::counters`].
    Counters<K>
}

impl<K: Serialize> Counters<K> {
    /// Queues that `n` is added to `key`, in one round trip. It never degrades to nothing: `Err` says that the caller has to act.
    ///
    /// # Errors
    /// [`TooLarge`](ErrorKind::TooLarge) when the queue is full and [`Unreachable`](ErrorKind::Unreachable): nothing was queued, and the caller may
    /// write to the source. With any other kind, and when the future is dropped, it may have been queued or not.
    pub async fn add(&self, key: &K, n: i64) -> Result<(), Error> {
        self.owner.write(key, n.to_string().as_bytes()).await
    }

    /// What was added and may not be in the source yet. Ask for it *before* the source. While a batch is being acknowledged it is in both,
    /// so that the sum is never too small, and for that moment may be too large.
    ///
    /// # Errors
    /// As of any operation.
    pub async fn pending(&self, key: &K) -> Result<Option<i64>, Error> {
        let found = self.owner.queue.pending(&encode(key)?).await?;
        Ok(found.and_then(|found| number(&found)))
    }
}

handle! {
    /// A queue of values of which the last counts; made by [`WriteBehind::values`].
    ///
    /// A writer under `#[invalidates(…)]` that calls [`put`](Self::put), and a `#[cached]` loader that asks [`pending`](Self::pending) before the source, never
    /// serve an older value than the last one that was put.
    Values<K, V>
}

impl<K: Serialize, V: Serialize + DeserializeOwned> Values<K, V> {
    /// Queues that `key` becomes `value`, in one round trip. It never degrades to nothing: `Err` says that the caller has to act.
    ///
    /// # Errors
    /// As [`Counters::add`]. A value that the caller then writes to the source itself is overwritten by older ones that still wait, unless the
    /// source compares versions.
    pub async fn put(&self, key: &K, value: &V) -> Result<(), Error> {
        self.owner.write(key, &encode(value)?).await
    }

    /// The last value that may not be in the source yet. Ask for it *before* the source.
    ///
    /// # Errors
    /// As of any operation; [`Invalid`](ErrorKind::Invalid) when what waits is not a `V`.
    pub async fn pending(&self, key: &K) -> Result<Option<V>, Error> {
        let found = self.owner.queue.pending(&encode(key)?).await?;
        let invalid = || Error::new(ErrorKind::Invalid, "what waits is of another type");
        found
            .map(|found| V::decode(Codec::Json, &found).ok_or_else(invalid))
            .transpose()
    }
}
