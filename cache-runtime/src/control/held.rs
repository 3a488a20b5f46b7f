//! A cache in the hands of a test.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::key::Key;
use crate::site::Site;
use crate::store::StoreError;
use crate::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use crate::sync::{Mutex, lock};

/// What is wrong with a store that a test has broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Each operation breaks off at once, and so does each attempt to connect: a server that was killed. The first operation opens the circuit.
    Refuse,
    /// No operation gets an answer: a server that stands still, or a network that is silently dead. Each takes its whole deadline
    /// ([`Builder::operation_timeout`](crate::Builder::operation_timeout)), until [`Builder::failure_threshold`](crate::Builder::failure_threshold) of them in a row open the circuit. Those that still wait when the fault ends go on.
    Hang,
    /// Each answer comes so late. What takes longer than its deadline is as with [`Hang`](Self::Hang).
    Delay(Duration),
}

/// A cache's clock and its fault; clones are handles of the same.
#[derive(Debug, Clone)]
pub(crate) struct Control(Arc<Held>);

#[derive(Debug)]
struct Held {
    /// By how much the cache's clock is ahead of the machine's, in nanoseconds.
    ahead: AtomicU64,
    fault: watch::Sender<Option<Fault>>,
    circuit: Circuit,
}

/// The circuit of the store of this process, which has no connection to be one. Redis has its own.
#[derive(Debug)]
struct Circuit {
    open: AtomicBool,
    failures: AtomicU32,
    threshold: u32,
}

impl Control {
    /// The circuit of a store in this process opens after so many operations in a row that get no answer.
    pub(crate) fn new(threshold: u32) -> Self {
        Self(Arc::new(Held {
            ahead: AtomicU64::new(0),
            fault: watch::Sender::new(None),
            circuit: Circuit {
                open: AtomicBool::new(false),
                failures: AtomicU32::new(0),
                threshold,
            },
        }))
    }

    /// The time, for whatever expires.
    pub(crate) fn now(&self) -> Instant {
        Instant::now() + Duration::from_nanos(self.ahead())
    }

    /// By how much it is ahead of the machine's, in nanoseconds.
    #[inline]
    pub(crate) fn ahead(&self) -> u64 {
        self.0.ahead.load(Ordering::Relaxed)
    }

    pub(crate) fn advance(&self, nanoseconds: u64) {
        self.0.ahead.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// `None`: the store is well again.
    pub(crate) fn inject(&self, fault: Option<Fault>) {
        self.0.circuit.close();
        self.0.fault.send_replace(fault);
    }

    /// Whether the circuit of the store in this process is open.
    pub(crate) fn is_open(&self) -> bool {
        let open = self.0.circuit.open.load(Ordering::Acquire);
        // An operation that is on its way while the fault ends may still have opened it.
        open && self.0.fault.borrow().is_some()
    }

    /// An operation of the store in this process, as one of Redis would go: within its time, and at once where the circuit is open.
    pub(crate) async fn pass(&self, patience: Duration) -> Result<(), StoreError> {
        if self.0.fault.borrow().is_none() {
            return Ok(());
        }
        let circuit = &self.0.circuit;
        if self.is_open() {
            return Err(StoreError::Unreachable);
        }
        match tokio::time::timeout(patience, self.suffer()).await {
            Ok(Ok(())) => {
                circuit.failures.store(0, Ordering::Relaxed);
                Ok(())
            }
            Ok(Err(_)) => {
                circuit.open.store(true, Ordering::Release);
                Err(StoreError::Unreachable)
            }
            Err(_) => {
                circuit.failed();
                Err(StoreError::TimedOut)
            }
        }
    }

    /// Whatever the fault does to an operation. One that hangs goes on when the fault has ended.
    ///
    /// Safe to drop at any time.
    pub(crate) async fn suffer(&self) -> io::Result<()> {
        if self.0.fault.borrow().is_none() {
            return Ok(());
        }
        let mut faults = self.0.fault.subscribe();
        loop {
            let fault = *faults.borrow_and_update();
            match fault {
                None => return Ok(()),
                Some(Fault::Refuse) => {
                    let why = "refused by a fault that a test has injected";
                    return Err(io::Error::new(io::ErrorKind::ConnectionRefused, why));
                }
                Some(Fault::Delay(time)) => {
                    tokio::time::sleep(time).await;
                    return Ok(());
                }
                // It cannot be closed, as we hold it.
                Some(Fault::Hang) => drop(faults.changed().await),
            }
        }
    }
}

impl Circuit {
    fn failed(&self) {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
        if failures >= self.threshold {
            self.open.store(true, Ordering::Release);
        }
    }

    fn close(&self) {
        self.failures.store(0, Ordering::Relaxed);
        self.open.store(false, Ordering::Release);
    }
}

/// The keys of the calls that were observed, in their order; `None` for those that nobody may read.
#[derive(Debug, Default)]
pub(crate) struct Names(Mutex<Vec<Option<String>>>);

impl Names {
    pub(crate) fn add(&self, site: &'static Site, key: &Key) {
        let shown = site.shows_keys().then(|| key.as_str().to_owned());
        lock(&self.0).push(shown);
    }

    pub(crate) fn take(&self) -> Vec<Option<String>> {
        std::mem::take(&mut *lock(&self.0))
    }
}
