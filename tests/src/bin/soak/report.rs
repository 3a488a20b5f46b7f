//! What is told at the end.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::Mode;
use crate::check::{Crime, Verdict, Violation};
use crate::faults::Fault;
use crate::history::{Event, Moment};

/// Lines of history that are shown for a violation.
const LINES: usize = 60;

/// A fault as it was injected.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Strike {
    pub(crate) fault: Fault,
    pub(crate) begin: Moment,
    pub(crate) end: Moment,
}

/// How the run was made.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Run {
    pub(crate) mode: Mode,
    pub(crate) seed: u64,
    pub(crate) seconds: f64,
    pub(crate) processes: usize,
}

/// The figures of a run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    #[serde(flatten)]
    pub(crate) run: Run,
    /// Calls of all kinds.
    pub(crate) operations: u64,
    /// Calls that got a value.
    pub(crate) reads: u64,
    pub(crate) writes: u64,
    pub(crate) puts: u64,
    /// Calls that were dropped half way, failed at their source, or looked without loading and found nothing.
    pub(crate) without_value: u64,
    /// Reads that did not ask the source themselves.
    pub(crate) hits: u64,
    pub(crate) hit_rate: f64,
    /// Reads that did.
    pub(crate) loads: u64,
    /// Writes that were dropped half way and owed their invalidation.
    pub(crate) dropped_writes: u64,
    /// Writes whose invalidation may have waited for its delivery.
    pub(crate) queued_writes: u64,
    /// Hits of keys that had been invalidated before, each of them a chance to be wrong.
    pub(crate) tested: u64,
    pub(crate) faults: BTreeMap<String, u64>,
    pub(crate) violations: usize,
    /// Those of them whose row was overwritten since. The others were loaded before an invalidation and happen to be the newest.
    pub(crate) overwritten: usize,
}

impl Report {
    pub(crate) fn new(
        run: Run,
        histories: &[Vec<Event>],
        strikes: &[Strike],
        verdict: &Verdict,
    ) -> Self {
        let mut faults = BTreeMap::new();
        for strike in strikes {
            *faults.entry(strike.fault.name()).or_default() += 1;
        }
        let overwritten =
            |violation: &&Violation| matches!(violation.crime, Crime::Overwritten { .. });
        let mut report = Self {
            run,
            operations: 0,
            reads: 0,
            writes: 0,
            puts: 0,
            without_value: 0,
            hits: 0,
            hit_rate: 0.0,
            loads: 0,
            dropped_writes: 0,
            queued_writes: 0,
            tested: verdict.tested,
            faults,
            violations: verdict.violations.len(),
            overwritten: verdict.violations.iter().filter(overwritten).count(),
        };
        for event in histories.iter().flatten() {
            report.count(event);
        }
        report.operations = report.reads + report.writes + report.puts + report.without_value;
        report.hits = report.reads - report.loads;
        report.hit_rate = report.hits as f64 / report.reads.max(1) as f64;
        report
    }

    fn count(&mut self, event: &Event) {
        match event {
            Event::Read(read) => {
                self.reads += 1;
                self.loads += u64::from(read.asked);
            }
            Event::Write(write) => {
                self.writes += 1;
                self.dropped_writes += u64::from(write.dropped);
                self.queued_writes += u64::from(write.queued);
            }
            Event::Put { .. } => self.puts += 1,
            Event::Nothing => self.without_value += 1,
            Event::Settled { .. } => {}
        }
    }

    /// A checker that cannot fail proves nothing: by hand, violations are what must be found.
    pub(crate) fn is_as_it_should_be(&self) -> bool {
        match self.run.mode {
            Mode::Library | Mode::Cluster => self.violations == 0,
            Mode::Naive => self.violations > 0,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Run {
            seed,
            seconds,
            processes,
            ..
        } = self.run;
        let rate = 100.0 * self.hit_rate;
        writeln!(f, "{processes} processes, {seconds:.1} s, seed {seed}")?;
        writeln!(f, "operations  {:>9}", self.operations)?;
        writeln!(
            f,
            "  reads     {:>9}  {} hits ({rate:.0} %), {} of them after an invalidation",
            self.reads, self.hits, self.tested
        )?;
        writeln!(
            f,
            "  writes    {:>9}  {} queued, {} dropped half way",
            self.writes, self.queued_writes, self.dropped_writes
        )?;
        writeln!(f, "  puts      {:>9}", self.puts)?;
        writeln!(f, "  others    {:>9}  without a value", self.without_value)?;
        writeln!(f, "faults      {:>9}", self.faults.values().sum::<u64>())?;
        for (fault, times) in &self.faults {
            writeln!(f, "  {fault:<13} {times:>5}")?;
        }
        write!(
            f,
            "violations  {:>9}  {} of an overwritten row",
            self.violations, self.overwritten
        )
    }
}

/// A violation, with all that was recorded of its key from the load to the read.
pub(crate) fn describe(
    violation: &Violation,
    histories: &[Vec<Event>],
    strikes: &[Strike],
) -> String {
    let read = violation.read;
    let (begin, what) = match violation.crime {
        Crime::Foreign => (read.begin, "the answer to another call".to_owned()),
        Crime::Outdated {
            writer,
            write,
            counts,
        } => (
            write.begin,
            format!(
                "loaded before an invalidation of instance {writer} began, which counted {} µs before the read began",
                (read.begin - counts) / 1000
            ),
        ),
        Crime::Overwritten {
            writer,
            write,
            counts,
        } => (
            write.begin,
            format!(
                "version {} was overwritten by instance {writer}, which counted {} µs before the read began",
                read.value.version,
                (read.begin - counts) / 1000
            ),
        ),
    };
    let from = begin
        .min(read.value.loaded.unwrap_or(begin))
        .saturating_sub(1_000_000);
    let mut lines = Vec::new();
    for (instance, events) in histories.iter().enumerate() {
        for event in events.iter().filter(|event| concerns(event, violation)) {
            let (begin, end) = span(event);
            if end >= from && begin <= read.end {
                lines.push((
                    begin,
                    format!("instance {instance}  until {}  {event:?}", since(end, from)),
                ));
            }
        }
    }
    for strike in strikes
        .iter()
        .filter(|strike| strike.end >= from && strike.begin <= read.end)
    {
        lines.push((
            strike.begin,
            format!(
                "fault {}  until {}",
                strike.fault.name(),
                since(strike.end, from)
            ),
        ));
    }
    lines.sort();
    let left_out = lines.len().saturating_sub(LINES);
    // Both ends tell most: what was loaded and written, and what was read.
    let cut = LINES.min(lines.len()) / 2;
    lines.drain(cut..cut + left_out);
    let mut text = format!(
        "violation: instance {} got {what}\n  {read:?}\n  {:?}\nhistory of the key, in µs since {from} ns ({left_out} lines left out in its middle):\n",
        violation.instance, violation.crime
    );
    for (at, line) in lines {
        text.push_str(&format!("{:>10}  {line}\n", since(at, from)));
    }
    text
}

fn since(at: Moment, from: Moment) -> i64 {
    (at as i64 - from as i64) / 1000
}

fn span(event: &Event) -> (Moment, Moment) {
    match *event {
        Event::Read(read) => (read.begin, read.end),
        Event::Write(write) => (write.begin, write.returned),
        Event::Put { begin, end, .. } => (begin, end),
        Event::Settled { before, at } => (before, at),
        Event::Nothing => (0, 0),
    }
}

fn concerns(event: &Event, violation: &Violation) -> bool {
    let (function, row) = (violation.read.function, violation.read.row);
    match event {
        Event::Read(read) => (read.function, read.row) == (function, row),
        Event::Write(write) => {
            let named = write.way.scopes(write.row);
            function.scopes(row).any(|scope| named.contains(&scope))
        }
        Event::Put { value, .. } => (value.function, value.row) == (function, row),
        Event::Settled { .. } | Event::Nothing => false,
    }
}
