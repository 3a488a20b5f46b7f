//! What happened, in one file of lines for each instance, with one clock for all of them.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write as _};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use crate::workload::{Function, Row, Way};

/// Nanoseconds of the machine's monotonic clock, which all processes share. The kernel is asked itself: a process whose wall clock
/// is shifted records with the same clock as the others.
pub(crate) type Moment = u64;

/// The moment.
pub(crate) fn now() -> Moment {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as Moment * 1_000_000_000 + time.tv_nsec as Moment
}

/// What a cached function answers: it tells where it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Value {
    pub(crate) function: Function,
    pub(crate) row: Row,
    /// How often the row had been written.
    pub(crate) version: u64,
    /// When the load began, before it asked the source; none for a value that was put.
    pub(crate) loaded: Option<Moment>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Event {
    Read(Read),
    Write(Write),
    /// A value was put beside its function.
    Put {
        value: Value,
        begin: Moment,
        end: Moment,
    },
    /// A call that was dropped half way, or whose source failed: it got nothing, and wrote nothing that is known.
    Nothing,
    /// At `at` nothing waited to be delivered: whatever returned before `before` is.
    Settled {
        before: Moment,
        at: Moment,
    },
}

/// A call that got a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Read {
    pub(crate) function: Function,
    pub(crate) row: Row,
    pub(crate) begin: Moment,
    pub(crate) end: Moment,
    /// Whether this very call asked the source.
    pub(crate) asked: bool,
    pub(crate) value: Value,
}

/// A call of a function that writes and then invalidates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Write {
    pub(crate) way: Way,
    pub(crate) row: Row,
    /// The version that it made; none when it was dropped before it learned of one.
    pub(crate) version: Option<u64>,
    pub(crate) begin: Moment,
    /// A moment before the invalidation began, and after the commit; of a writer that stores what it wrote, when its body began.
    pub(crate) invalidates: Moment,
    pub(crate) returned: Moment,
    /// Whether it may wait in its process to be delivered.
    pub(crate) queued: bool,
    /// Whether its future was dropped half way.
    pub(crate) dropped: bool,
}

/// Where an instance records.
#[derive(Debug)]
pub(crate) struct Recorder {
    lines: Mutex<BufWriter<File>>,
}

impl Recorder {
    pub(crate) fn create(file: &Path) -> io::Result<Self> {
        let lines = Mutex::new(BufWriter::with_capacity(1 << 16, File::create(file)?));
        Ok(Self { lines })
    }

    /// Panics when the disk is full: a history with holes proves nothing.
    pub(crate) fn record(&self, event: &Event) {
        let mut line = serde_json::to_vec(event).expect("numbers and names");
        line.push(b'\n');
        self.lines().write_all(&line).expect("the history is kept");
    }

    /// Hands everything to the kernel, where it outlives this process.
    pub(crate) fn flush(&self) {
        self.lines().flush().expect("the history is kept");
    }

    fn lines(&self) -> MutexGuard<'_, BufWriter<File>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an instance recorded. The last line of one that was killed may be cut: what it would have told only accuses less.
pub(crate) fn read(file: &Path) -> io::Result<Vec<Event>> {
    let mut events = Vec::new();
    let mut lines = BufReader::new(File::open(file)?);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line)? > 0 && line.ends_with(b"\n") {
        events.push(serde_json::from_slice(&line)?);
        line.clear();
    }
    Ok(events)
}
