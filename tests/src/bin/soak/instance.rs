//! One of the processes: calls the workload at random, and records.

use std::error::Error;
use std::io::Read as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cache_runtime::Cache;
use clap::Args;
use fastrand::Rng;
use rustix::process::{Signal, set_parent_process_death_signal};
use tokio::sync::Mutex;

use crate::Mode;
use crate::caching::{Caching, Via};
use crate::history::{Event, Moment, Read, Recorder, Value, Write, now};
use crate::naive::Naive;
use crate::source::Source;
use crate::workload::{Call, Failed, Function, Plan, Row, Way};

/// Callers in each process.
const CALLERS: u64 = 12;

/// From look to look at what waits.
const LOOK: Duration = Duration::from_millis(5);

/// How long a process waits for its invalidations to be delivered, at the end.
const LAST_DELIVERY: Duration = Duration::from_secs(5);

/// What the process is told; people don't call it.
#[derive(Debug, Args)]
pub(crate) struct Orders {
    #[arg(long)]
    pub(crate) mode: Mode,
    #[arg(long)]
    pub(crate) redis: String,
    #[arg(long)]
    pub(crate) source: PathBuf,
    #[arg(long)]
    pub(crate) history: PathBuf,
    /// Which of the processes it is, and how many there are.
    #[arg(long)]
    pub(crate) number: u64,
    #[arg(long)]
    pub(crate) processes: u64,
    #[arg(long)]
    pub(crate) seed: u64,
}

#[derive(Debug)]
struct Instance {
    orders: Orders,
    caching: Caching,
    source: Source,
    recorder: Recorder,
    /// Something may wait to be delivered that was not seen delivered yet.
    owing: AtomicBool,
    /// One caller at a time writes the rows that are this process' own.
    owned: Mutex<()>,
    stop: AtomicBool,
}

/// Runs until the standard input is closed.
pub(crate) async fn run(orders: Orders) -> Result<(), Box<dyn Error>> {
    // Nobody outlives the run, however it ends.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let caching = match orders.mode {
        Mode::Library => Caching::library(Cache::builder().redis(&orders.redis))?,
        Mode::Cluster => Caching::library(Cache::builder().redis_cluster(orders.redis.split(',')))?,
        Mode::Naive => Caching::Naive(Box::new(Naive::new(&orders.redis)?)),
    };
    let instance = Arc::new(Instance {
        caching,
        source: Source::open(&orders.source).await?,
        recorder: Recorder::create(&orders.history)?,
        owing: AtomicBool::new(false),
        owned: Mutex::new(()),
        stop: AtomicBool::new(false),
        orders,
    });
    let told = instance.clone();
    std::thread::spawn(move || {
        // Nothing is ever written there.
        let _ = std::io::stdin().read(&mut [0]);
        told.stop.store(true, Ordering::Relaxed);
    });
    let watch = tokio::spawn(instance.clone().watch());
    let callers: Vec<_> = (0..CALLERS)
        .map(|number| tokio::spawn(instance.clone().call(number)))
        .collect();
    for caller in callers {
        caller.await?;
    }
    let _ = tokio::time::timeout(LAST_DELIVERY, watch).await;
    instance.recorder.flush();
    Ok(())
}

impl Instance {
    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Writes down when everything was seen delivered, until the end.
    async fn watch(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(LOOK);
        loop {
            ticks.tick().await;
            // In this order: what is queued from now on sets it again.
            if self.owing.swap(false, Ordering::SeqCst) {
                let before = now();
                if self.caching.waits() {
                    self.owing.store(true, Ordering::SeqCst);
                } else {
                    let at = now();
                    self.recorder.record(&Event::Settled { before, at });
                }
            } else if self.stopped() {
                return;
            }
            self.recorder.flush();
        }
    }

    async fn call(self: Arc<Self>, caller: u64) {
        let mut dice = Rng::with_seed(self.orders.seed ^ (caller << 32));
        while !self.stopped() {
            let function = dice.choice(Function::ALL).expect("four of them");
            let row = some_row(&mut dice);
            match dice.u32(..1000) {
                0..840 => {
                    self.read(Via::Function, function, row, None, &mut dice)
                        .await
                }
                840..860 => self.read(Via::Peek, function, row, None, &mut dice).await,
                860..865 => {
                    self.read(Via::Uncached, function, row, None, &mut dice)
                        .await
                }
                865..910 => {
                    let patience = Some(up_to(&mut dice, 4));
                    self.read(Via::Function, function, row, patience, &mut dice)
                        .await;
                }
                910..930 => self.refresh_in_background(function, row, &mut dice),
                930..980 => self.write(row, None, &mut dice).await,
                980..990 => {
                    let patience = Some(up_to(&mut dice, 8));
                    self.write(row, patience, &mut dice).await;
                }
                _ => self.write_and_put(function, &mut dice).await,
            }
            // A hit at an idle server may never wait; the others want to run as well.
            tokio::task::yield_now().await;
        }
    }

    async fn read(
        &self,
        via: Via,
        function: Function,
        row: Row,
        patience: Option<Duration>,
        dice: &mut Rng,
    ) {
        let call = Call::new(&self.source, plan(dice));
        let begin = now();
        let answer = self.caching.read(via, function, row, &call);
        let answer = match patience {
            Some(patience) => tokio::time::timeout(patience, answer).await.unwrap_or(None),
            None => answer.await,
        };
        let end = now();
        self.recorder.record(&match answer {
            Some(Ok(value)) => Event::Read(Read {
                function,
                row,
                begin,
                end,
                asked: call.asked(),
                value,
            }),
            Some(Err(Failed)) | None => Event::Nothing,
        });
    }

    /// Some are aborted on their way.
    fn refresh_in_background(self: &Arc<Self>, function: Function, row: Row, dice: &mut Rng) {
        let (instance, mut own) = (self.clone(), dice.fork());
        let refresh = tokio::spawn(async move {
            let patience = Some(Duration::from_secs(60));
            instance
                .read(Via::Refresh, function, row, patience, &mut own)
                .await;
        });
        if dice.u8(..4) == 0 {
            let soon = up_to(dice, 6);
            tokio::spawn(async move {
                tokio::time::sleep(soon).await;
                refresh.abort();
            });
        }
    }

    /// Rows that have an owner are left to it.
    async fn write(&self, row: Row, patience: Option<Duration>, dice: &mut Rng) {
        if row.is_owned() {
            if self.owns(row) {
                let _alone = self.owned.lock().await;
                self.write_now(row, patience, dice).await;
            }
        } else {
            self.write_now(row, patience, dice).await;
        }
    }

    /// What a program does that knows the new value, and that nobody else writes it.
    async fn write_and_put(&self, function: Function, dice: &mut Rng) {
        let own: Vec<_> = Row::all()
            .filter(|row| row.is_owned() && self.owns(*row))
            .collect();
        let Some(row) = dice.choice(own) else {
            return;
        };
        let _alone = self.owned.lock().await;
        self.write_now(row, None, dice).await;
        let Ok(version) = self.source.version(row).await else {
            return;
        };
        let value = Value {
            function,
            row,
            version,
            loaded: None,
        };
        let begin = now();
        self.caching.put(value).await;
        let end = now();
        self.recorder.record(&Event::Put { value, begin, end });
    }

    async fn write_now(&self, row: Row, patience: Option<Duration>, dice: &mut Rng) {
        let way = some_way(dice);
        let call = Call::new(&self.source, plan(dice));
        let queued = self.caching.queued();
        let begin = now();
        let mut writing = Box::pin(self.caching.write(way, row, &call));
        let gone: Option<Moment> = match patience {
            Some(patience) => tokio::select! {
                biased;
                _ = &mut writing => None,
                () = tokio::time::sleep(patience) => Some(now()),
            },
            None => {
                let _ = writing.as_mut().await;
                None
            }
        };
        drop(writing);
        let returned = now();
        let queued = self.caching.queued() != queued;
        // It began to invalidate when its body had ended, or when it was dropped in its body. Otherwise it never wrote. What it stores
        // itself counts as loaded when its body began.
        let ended = call.ended().and(match way {
            Way::Through => call.begun(),
            _ => call.ended(),
        });
        let invalidates = ended.or(gone.filter(|_| call.begun().is_some()));
        let Some(invalidates) = invalidates else {
            return self.recorder.record(&Event::Nothing);
        };
        self.recorder.record(&Event::Write(Write {
            way,
            row,
            version: call.version(),
            begin,
            invalidates,
            returned,
            queued,
            dropped: gone.is_some(),
        }));
        if queued {
            self.owing.store(true, Ordering::SeqCst);
        }
    }

    fn owns(&self, row: Row) -> bool {
        row.part % self.orders.processes == self.orders.number
    }
}

/// The first rows more often than the last.
fn some_row(dice: &mut Rng) -> Row {
    let part = dice.f64().powi(2);
    Row::number((part * Row::ALL as f64) as u64)
}

/// A walk through all keys is rare.
fn some_way(dice: &mut Rng) -> Way {
    match dice.u8(..20) {
        0 => Way::Cut,
        other => Way::ALL[usize::from(other) % 7],
    }
}

/// Most bodies are quick, some are slow enough for others to come in between.
fn plan(dice: &mut Rng) -> Plan {
    let mut pause = || match dice.u8(..20) {
        0..14 => Duration::ZERO,
        14..19 => up_to(dice, 3),
        _ => up_to(dice, 25),
    };
    let (before, after) = (pause(), pause());
    Plan {
        before,
        after,
        fails: dice.u8(..200) == 0,
    }
}

fn up_to(dice: &mut Rng, milliseconds: u64) -> Duration {
    Duration::from_micros(dice.u64(..milliseconds * 1000))
}
