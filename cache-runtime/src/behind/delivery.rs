//! From the queue to the source: one consumer of the fleet, batch by batch, each until the sink takes it.

use std::collections::HashMap;
use std::fmt::{self, Display};
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::queue::{Entry, Id, Kind, number};
use super::{Write, WriteBehindStats};
use crate::codec::{Codec, Storable as _};
use crate::engine::Engine;
use crate::error::{Error, ErrorKind};
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How long a consumer that was killed holds the queue up.
const LEASE: Duration = Duration::from_secs(10);
/// A consumer that could not prolong its lease for so long gives its batch up: before another one can begin.
const DOUBT: Duration = Duration::from_secs(7);
/// Waits after a failure of the sink, doubled from the first to the last.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LAST_WAIT: Duration = Duration::from_secs(30);
/// Looks of `flush`.
const LOOK: Duration = Duration::from_millis(20);

#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    pub(super) capacity: usize,
    pub(super) batch: usize,
    pub(super) every: Duration,
    pub(super) attempts: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            capacity: 10_000,
            batch: 500,
            every: Duration::from_secs(1),
            attempts: 5,
        }
    }
}

/// One queue, as this process knows it.
pub(super) struct Queue {
    engine: Arc<Engine>,
    pub(super) name: String,
    kind: Kind,
    settings: Settings,
    /// Of this consumer's lease.
    token: u64,
    /// The queue is to be emptied now.
    wake: Notify,
    /// The task is to end.
    halt: Notify,
    stopped: AtomicBool,
    delivered: AtomicU64,
    retried: AtomicU64,
    refused: AtomicU64,
    dead: AtomicU64,
}

impl Queue {
    pub(super) fn new(engine: Arc<Engine>, name: String, kind: Kind, settings: Settings) -> Self {
        Self {
            engine,
            name,
            kind,
            settings,
            token: fastrand::u64(1..),
            wake: Notify::new(),
            halt: Notify::new(),
            stopped: AtomicBool::new(false),
            delivered: AtomicU64::new(0),
            retried: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            dead: AtomicU64::new(0),
        }
    }

    pub(super) async fn enqueue(&self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        let store = self.engine.reachable()?;
        let (patience, capacity) = (self.engine.patience.operation, self.settings.capacity);
        let queued = store.enqueue(&self.name, self.kind, capacity, (key, value), patience);
        if queued.await? {
            return Ok(());
        }
        self.refused.fetch_add(1, Ordering::Relaxed);
        let full = format!(
            "write-behind queue `{}` is full: {capacity} writes wait",
            self.name
        );
        Err(Error::new(ErrorKind::TooLarge, full))
    }

    pub(super) async fn pending(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let patience = self.engine.patience.operation;
        let store = self.engine.reachable()?;
        Ok(store.pending(&self.name, self.kind, key, patience).await?)
    }

    pub(super) async fn flush(&self) -> Result<(), Error> {
        let patience = self.engine.patience.operation;
        let store = self.engine.reachable()?;
        let Some(last) = store.depth(&self.name, patience).await?.last else {
            return Ok(());
        };
        while store
            .depth(&self.name, patience)
            .await?
            .first
            .is_some_and(|first| first <= last)
        {
            self.wake.notify_one();
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    pub(super) async fn stats(&self) -> Result<WriteBehindStats, Error> {
        let patience = self.engine.patience.operation;
        let depth = self.engine.reachable()?.depth(&self.name, patience).await?;
        Ok(WriteBehindStats {
            waiting: depth.waiting,
            oldest: depth.oldest,
            delivered: self.delivered.load(Ordering::Relaxed),
            retried: self.retried.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            dead: self.dead.load(Ordering::Relaxed),
        })
    }

    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.wake.notify_one();
        self.halt.notify_one();
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// Settles, within what is left of the lease; whether it is still held.
    async fn settle(&self, life: Duration, dead: &[Id], delivered: &[Id]) -> Result<bool, Error> {
        let patience = self.engine.patience.background.min(LEASE / 4);
        let lease = (self.token, life);
        let store = &self.engine.store;
        Ok(store
            .settle(&self.name, self.kind, lease, dead, delivered, patience)
            .await?)
    }

    /// Ends when the lease may be another's: `held` since the time at which it was asked for.
    async fn lost(&self, held: &mut Instant) {
        loop {
            tokio::time::sleep_until(*held + LEASE / 5).await;
            let asked = Instant::now();
            let until = *held + DOUBT;
            match tokio::time::timeout_at(until, self.settle(LEASE, &[], &[])).await {
                Ok(Ok(true)) => *held = asked,
                Ok(Ok(false)) | Err(_) => return,
                Ok(Err(_)) if Instant::now() >= until => return,
                Ok(Err(_)) => tokio::time::sleep(FIRST_WAIT).await,
            }
        }
    }

    /// Hands `writes` over while the lease is held.
    async fn hand_over(
        &self,
        sink: &Sink,
        writes: &[Merged],
        held: &mut Instant,
    ) -> Result<(), Failure> {
        let mut sinking = pin!((sink.give)(writes));
        let mut lost = pin!(self.lost(held));
        let done = poll_fn(|context| {
            match catch_unwind(AssertUnwindSafe(|| sinking.as_mut().poll(context))) {
                Err(_) => return Poll::Ready(Err(Failure::Sink("it panicked".to_owned()))),
                Ok(Poll::Ready(done)) => return Poll::Ready(done.map_err(Failure::Sink)),
                Ok(Poll::Pending) => {}
            }
            lost.as_mut().poll(context).map(|()| Err(Failure::Lost))
        });
        done.await
    }

    /// One batch, until it is in the source or the lease is lost.
    async fn deliver(
        &self,
        sink: &Sink,
        batch: Vec<Entry>,
        mut held: Instant,
    ) -> Result<(), Failure> {
        let (writes, dead) = merge(self.kind, sink, batch);
        if !dead.is_empty() {
            tracing::error!(
                queue = self.name,
                entries = dead.len(),
                "entries that cannot be read were moved aside"
            );
            self.acknowledge(&dead, &[]).await?;
            self.dead.fetch_add(dead.len() as u64, Ordering::Relaxed);
        }
        let mut rest = writes;
        let (mut failures, mut wait) = (0, FIRST_WAIT);
        while !rest.is_empty() {
            // All together; past so many failures one by one, so that one bad key keeps no other of its batch waiting.
            let at_once = if failures < self.settings.attempts {
                rest.len()
            } else {
                1
            };
            let mut failed = Vec::new();
            for writes in rest.chunks(at_once) {
                match self.hand_over(sink, writes, &mut held).await {
                    Ok(()) => {
                        let ids: Vec<Id> = writes
                            .iter()
                            .flat_map(|write| write.ids.iter().copied())
                            .collect();
                        held = Instant::now();
                        self.acknowledge(&[], &ids).await?;
                        self.delivered
                            .fetch_add(ids.len() as u64, Ordering::Relaxed);
                    }
                    Err(Failure::Sink(error)) => {
                        self.retried.fetch_add(1, Ordering::Relaxed);
                        tracing::error!(queue = self.name, keys = writes.len(), failures, %error, "write-behind: the sink failed");
                        failed.extend_from_slice(writes);
                    }
                    Err(Failure::Lost) => return Err(Failure::Lost),
                }
            }
            rest = failed;
            if !rest.is_empty() {
                failures += 1;
                if self.is_stopped() {
                    return Err(Failure::Lost);
                }
                self.wait(wait, &mut held).await?;
                wait = LAST_WAIT.min(wait * 2);
            }
        }
        Ok(())
    }

    /// Waits for another try, keeping the lease.
    async fn wait(&self, time: Duration, held: &mut Instant) -> Result<(), Failure> {
        let mut lost = pin!(self.lost(held));
        let mut pause = pin!(pause(time, &self.halt));
        let waited = poll_fn(|context| {
            if pause.as_mut().poll(context).is_ready() {
                return Poll::Ready(Ok(()));
            }
            lost.as_mut().poll(context).map(|()| Err(Failure::Lost))
        });
        waited.await
    }

    async fn acknowledge(&self, dead: &[Id], delivered: &[Id]) -> Result<(), Failure> {
        match self.settle(LEASE, dead, delivered).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Failure::Lost),
            Err(error) => {
                tracing::warn!(queue = self.name, %error, "a batch was not acknowledged: it is handed over again");
                Err(Failure::Lost)
            }
        }
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

enum Failure {
    Sink(String),
    /// Another consumer may have the queue.
    Lost,
}

/// Waits about so long, or until it is told.
async fn pause(time: Duration, told: &Notify) {
    let time = time.mul_f64(0.75 + fastrand::f64() / 2.0);
    // Either way it is over.
    let _ = tokio::time::timeout(time, told.notified()).await;
}

/// Hands over until it is stopped.
pub(super) async fn run(queue: Arc<Queue>, sink: Sink) {
    while !queue.is_stopped() {
        let held = Instant::now();
        let most = queue.settings.batch;
        let patience = queue.engine.patience.background.min(LEASE / 4);
        let taken = queue
            .engine
            .store
            .take(&queue.name, queue.token, LEASE, most, patience)
            .await;
        let time = match taken {
            Ok(Some(batch)) => {
                let full = batch.len() >= most;
                match queue.deliver(&sink, batch, held).await {
                    Ok(()) if full => continue,
                    Ok(()) => queue.settings.every,
                    Err(_) => FIRST_WAIT,
                }
            }
            Ok(None) => queue.settings.every,
            Err(error) => {
                tracing::debug!(queue = queue.name, %error, "write-behind waits");
                queue.settings.every
            }
        };
        if !queue.is_stopped() {
            pause(time, &queue.wake).await;
        }
    }
    // Where it cannot be given back it ends by itself.
    let _ = queue.settle(Duration::ZERO, &[], &[]).await;
}

/// All writes of one key in a batch.
#[derive(Debug, Clone)]
pub(super) struct Merged {
    key: Vec<u8>,
    value: Vec<u8>,
    ids: Vec<Id>,
}

/// One write for each key, in the order of their first ones; and the ids of what cannot be read.
fn merge(kind: Kind, sink: &Sink, batch: Vec<Entry>) -> (Vec<Merged>, Vec<Id>) {
    let (mut writes, mut dead) = (Vec::<Merged>::new(), Vec::new());
    let mut places = HashMap::new();
    for entry in batch {
        if !(sink.reads)(&entry.key, &entry.value) {
            dead.push(entry.id);
            continue;
        }
        let place = *places.entry(entry.key.clone()).or_insert(writes.len());
        if place == writes.len() {
            writes.push(Merged {
                key: entry.key,
                value: entry.value,
                ids: vec![entry.id],
            });
            continue;
        }
        let write = &mut writes[place];
        write.ids.push(entry.id);
        write.value = match kind {
            Kind::Last => entry.value,
            Kind::Sum => {
                let sum = number(&write.value)
                    .unwrap_or(0)
                    .saturating_add(number(&entry.value).unwrap_or(0));
                sum.to_string().into_bytes()
            }
        };
    }
    (writes, dead)
}

type Give = dyn Fn(&[Merged]) -> Giving + Send + Sync;
type Giving = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// A sink without its types.
pub(super) struct Sink {
    give: Box<Give>,
    /// Whether an entry is of its types.
    reads: fn(&[u8], &[u8]) -> bool,
}

pub(super) fn sink<K, V, S, F, E>(sink: S) -> Sink
where
    K: DeserializeOwned + serde::Serialize + Send + 'static,
    V: DeserializeOwned + serde::Serialize + Send + 'static,
    S: Fn(Vec<Write<K, V>>) -> F + Send + Sync + 'static,
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: Display,
{
    let sink = Arc::new(sink);
    Sink {
        give: Box::new(move |merged| {
            let writes: Vec<Write<K, V>> = merged
                .iter()
                .filter_map(|write| {
                    Some(Write {
                        key: K::decode(Codec::Json, &write.key)?,
                        value: V::decode(Codec::Json, &write.value)?,
                        id: write.ids.last()?.to_string(),
                    })
                })
                .collect();
            let sink = sink.clone();
            // The sink runs inside, so that a panic of its own is caught too.
            Box::pin(async move {
                let giving = sink(writes);
                giving.await.map_err(|error| error.to_string())
            })
        }),
        reads: |key, value| {
            K::decode(Codec::Json, key).is_some() && V::decode(Codec::Json, value).is_some()
        },
    }
}
