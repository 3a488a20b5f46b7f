//! Checks promise P1 on what all instances recorded.
//!
//! # The promise
//! A call that begins after an invalidation returned never gets a value whose load began before that invalidation.
//!
//! # What is compared
//! Everything happens at moments of one clock. A load notes its moment before it asks the source, and the value carries it. A writer
//! notes one after its commit and before its invalidation begins, *m*. From some moment on, *e*, the invalidation *counts* for an
//! instance. A read that began after *e* and got a value loaded before *m*, of a key that the invalidation names, breaks the promise.
//!
//! This needs no knowledge of the source: it holds when the value happens to be the newest, too. Therefore it's sharper than looking for
//! overwritten versions. Those are looked for as well, and independently of what values tell of their load: the version that a writer made
//! was committed when its invalidation began, so no load that began later can have seen a lower one. That also judges
//! values that were put beside their function, which have no load: they are put by the only one who writes the row, between its
//! writes.
//!
//! A writer that stores what it wrote ([`Way::Through`](crate::workload::Way)) promises that nobody gets anything older. Its value counts as loaded when
//! its body began, behind its ticket, and that is its *m*: whatever was loaded before is refused by the ticket, or gives way to the value.
//!
//! # From when an invalidation counts
//! - For the instance of the writer: from when the writing call returned, or its future was gone. What could not be delivered is then
//!   known there, and its keys are answered from the source.
//! - For the others: from when it was delivered. That is when the call returned, if between a moment before the call and one after it
//!   the instance queued nothing at all: the library counts what it queues before the call returns. Otherwise the call's own invalidation *may*
//!   have been queued. Then it counts from when the instance next looked and found that nothing waits: it writes down a moment, asks how
//!   many wait, and writes down another moment; when none does, all that had returned before the first moment was delivered before the
//!   second. An invalidation that never was counts for nobody else.
//! - For others' near caches: by the bound that they promise later than that.
//!
//! # Why it does not accuse falsely
//! *m* is never later than the invalidation's beginning, and *e* never earlier than its end. The moments of a read are taken outside of it, that of a
//! load inside. A writer that was dropped within its body may commit after it is gone: its version isn't known, and nothing is said
//! of it; but its invalidation is owed all the same, and loads from before it must not be served. What an instance had not written
//! down when it was killed, and what it had not delivered, is not held against anybody.
//!
//! # Where it is blind
//! Between the return of a writer and the next look (5 ms) while something waits in its instance. To a value loaded during the invalidation: it may be
//! either. To whoever reads what a killed instance still had to deliver: that is what the crash-safe mode promises, tested by itself, see
//! [`Fault::Process`](crate::faults::Fault). And to whatever the load does not do: `--mode naive` shows that it does enough.

use std::collections::HashMap;

use crate::history::{Event, Moment, Read, Write};
use crate::workload::{Function, Row, Scope};

/// The bound of near caches, in the clock's own measure.
const BOUND: Moment = crate::STALENESS.as_nanos() as Moment;

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) violations: Vec<Violation>,
    /// Reads that an earlier invalidation could have accused, had they got an older value without asking the source.
    pub(crate) tested: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) instance: usize,
    pub(crate) read: Read,
    pub(crate) crime: Crime,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crime {
    /// The value's load began before this invalidation did.
    Outdated {
        writer: usize,
        write: Write,
        counts: Moment,
    },
    /// The value's version was overwritten by this write.
    Overwritten {
        writer: usize,
        write: Write,
        counts: Moment,
    },
    /// It is the answer to another call.
    Foreign,
}

/// For whom an invalidation counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Whom {
    /// For the writer's own instance.
    Instance(usize),
    /// For all calls that look into Redis.
    Everybody,
    /// For near caches too.
    Nearby,
}

/// An invalidation as it counts from some moment on.
#[derive(Debug, Clone, Copy)]
struct Floor {
    writer: usize,
    write: Write,
    counts: Moment,
}

/// Reads come first where a write counts from the very same moment: they did not begin after it.
#[derive(Debug, Clone, Copy)]
enum Step {
    Read { instance: usize, read: Read },
    Counts { whom: Whom, floor: Floor },
}

/// Goes through what the instances recorded, by the clock. Each has its number by its place.
pub(crate) fn check(histories: &[Vec<Event>]) -> Verdict {
    let mut steps: Vec<(Moment, Step)> = Vec::new();
    for (instance, events) in histories.iter().enumerate() {
        let settled = settled(events);
        for event in events {
            match *event {
                Event::Read(read) => steps.push((read.begin, Step::Read { instance, read })),
                Event::Write(write) => steps.extend(counting(instance, write, &settled)),
                Event::Put { .. } | Event::Nothing | Event::Settled { .. } => {}
            }
        }
    }
    steps.sort_by_key(|(at, step)| (*at, matches!(step, Step::Counts { .. })));

    let mut floors = Floors::default();
    let mut verdict = Verdict::default();
    for (_, step) in steps {
        match step {
            Step::Counts { whom, floor } => floors.raise(whom, floor),
            Step::Read { instance, read } => floors.judge(instance, read, &mut verdict),
        }
    }
    verdict
}

/// From when `write` counts, and for whom.
fn counting(
    writer: usize,
    write: Write,
    settled: &[(Moment, Moment)],
) -> impl Iterator<Item = (Moment, Step)> {
    let delivered = if write.queued {
        let next = settled.partition_point(|(before, _)| *before < write.returned);
        settled.get(next).map(|(_, at)| *at)
    } else {
        Some(write.returned)
    };
    let own = Some((Whom::Instance(writer), write.returned));
    let others = delivered.map(|moment| (Whom::Everybody, moment));
    let nearby = delivered.map(|moment| (Whom::Nearby, moment + BOUND));
    own.into_iter()
        .chain(others)
        .chain(nearby)
        .map(move |(whom, counts)| {
            let floor = Floor {
                writer,
                write,
                counts,
            };
            (counts, Step::Counts { whom, floor })
        })
}

/// The looks that found nothing waiting, in order: what had returned before the first moment was delivered at the second.
fn settled(events: &[Event]) -> Vec<(Moment, Moment)> {
    let looks = events.iter().filter_map(|event| match *event {
        Event::Settled { before, at } => Some((before, at)),
        _ => None,
    });
    looks.collect()
}

/// What may no longer be read.
#[derive(Debug, Default)]
struct Floors {
    /// The latest invalidation of all that count.
    loads: HashMap<(Whom, Scope), Floor>,
    /// The highest version of all that count.
    versions: HashMap<(Whom, Scope, Row), Floor>,
}

impl Floors {
    fn raise(&mut self, whom: Whom, floor: Floor) {
        let write = floor.write;
        for scope in write.way.scopes(write.row) {
            let latest = self.loads.entry((whom, scope)).or_insert(floor);
            if latest.write.invalidates < write.invalidates {
                *latest = floor;
            }
            if write.version.is_some() {
                let key = (whom, scope, write.row);
                let highest = self.versions.entry(key).or_insert(floor);
                if highest.write.version < write.version {
                    *highest = floor;
                }
            }
        }
    }

    fn judge(&self, instance: usize, read: Read, verdict: &mut Verdict) {
        let Read {
            function,
            row,
            value,
            ..
        } = read;
        let scopes = || {
            let whom = match function {
                Function::Near => Whom::Nearby,
                _ => Whom::Everybody,
            };
            let both = move |scope| [(whom, scope), (Whom::Instance(instance), scope)];
            function.scopes(row).flat_map(both)
        };
        let loads = scopes().filter_map(|key| self.loads.get(&key));
        let latest = loads.max_by_key(|floor| floor.write.invalidates);
        let versions = scopes().filter_map(|(whom, scope)| self.versions.get(&(whom, scope, row)));
        let highest = versions.max_by_key(|floor| floor.write.version);

        let overwritten = highest.filter(|floor| floor.write.version > Some(value.version));
        let outdated = latest.filter(|floor| {
            value
                .loaded
                .is_some_and(|loaded| loaded < floor.write.invalidates)
        });
        let crime = if (value.function, value.row) != (function, row) {
            Some(Crime::Foreign)
        } else if let Some(&Floor {
            writer,
            write,
            counts,
        }) = overwritten
        {
            Some(Crime::Overwritten {
                writer,
                write,
                counts,
            })
        } else {
            outdated.map(
                |&Floor {
                     writer,
                     write,
                     counts,
                 }| Crime::Outdated {
                    writer,
                    write,
                    counts,
                },
            )
        };
        if latest.is_some() && !read.asked {
            verdict.tested += 1;
        }
        verdict.violations.extend(crime.map(|crime| Violation {
            instance,
            read,
            crime,
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Value;
    use crate::workload::{Function, Way};

    const ROW: Row = Row { part: 1, id: 2 };

    /// Commits and begins to invalidate at `from`, and returns at `to`.
    fn write(way: Way, version: u64, from: Moment, to: Moment) -> Write {
        Write {
            way,
            row: ROW,
            version: Some(version),
            begin: from - 1,
            invalidates: from,
            returned: to,
            queued: false,
            dropped: false,
        }
    }

    /// Gets at `begin` what was loaded at `loaded`.
    fn read(function: Function, begin: Moment, version: u64, loaded: Moment) -> Event {
        Event::Read(Read {
            function,
            row: ROW,
            begin,
            end: begin + 1,
            asked: false,
            value: Value {
                function,
                row: ROW,
                version,
                loaded: Some(loaded),
            },
        })
    }

    fn exact(begin: Moment, version: u64, loaded: Moment) -> Event {
        read(Function::Exact, begin, version, loaded)
    }

    fn crimes(histories: &[Vec<Event>]) -> Vec<Crime> {
        let violations = check(histories).violations;
        violations
            .into_iter()
            .map(|violation| violation.crime)
            .collect()
    }

    #[test]
    fn the_common_race_is_seen_in_every_instance() {
        let write = Event::Write(write(Way::Exact, 1, 100, 110));
        for histories in [
            vec![vec![write, exact(120, 0, 50)]],
            vec![vec![write], vec![exact(120, 0, 50)]],
        ] {
            let crimes = crimes(&histories);
            assert!(
                matches!(crimes[..], [Crime::Overwritten { .. }]),
                "{crimes:?}"
            );
        }
    }

    #[test]
    fn what_began_before_the_invalidation_returned_may_be_old() {
        let write = Event::Write(write(Way::Exact, 1, 100, 110));
        assert_eq!(crimes(&[vec![write, exact(105, 0, 50)]]), []);
        assert_eq!(crimes(&[vec![write, exact(110, 0, 50)]]), []);
    }

    #[test]
    fn what_was_loaded_since_is_fine() {
        let write = Event::Write(write(Way::Exact, 1, 100, 110));
        assert_eq!(crimes(&[vec![write, exact(120, 1, 100)]]), []);
        assert_eq!(crimes(&[vec![write, exact(120, 1, 115)]]), []);
    }

    #[test]
    fn an_old_load_is_a_violation_even_of_the_newest_version() {
        let write = Event::Write(write(Way::Exact, 1, 100, 110));
        let crimes = crimes(&[vec![write, exact(120, 1, 99)]]);
        assert!(matches!(crimes[..], [Crime::Outdated { .. }]), "{crimes:?}");
    }

    #[test]
    fn an_old_version_is_one_even_of_a_load_that_claims_to_be_new() {
        let write = Event::Write(write(Way::Exact, 1, 100, 110));
        let crimes = crimes(&[vec![write, exact(120, 0, 115)]]);
        assert!(
            matches!(crimes[..], [Crime::Overwritten { .. }]),
            "{crimes:?}"
        );
    }

    #[test]
    fn each_way_names_its_own_functions_and_no_others() {
        for way in Way::ALL {
            for function in Function::ALL {
                let write = Event::Write(write(way, 1, 100, 110));
                let named = matches!(
                    (way, function),
                    (Way::Exact, Function::Exact | Function::Near)
                        | (Way::Trailing, Function::Trailing)
                        | (Way::Middle, Function::Middle)
                        | (Way::Tag, Function::Tagged)
                        | (Way::All, _)
                        | (Way::Through, Function::Exact)
                        | (
                            Way::MiddleAndTrailing,
                            Function::Exact
                                | Function::Trailing
                                | Function::Middle
                                | Function::Near
                        )
                );
                let found = crimes(&[vec![write, read(function, 120, 0, 50)]]);
                assert_eq!(found.len(), usize::from(named), "{way:?} {function:?}");
            }
        }
    }

    #[test]
    fn wildcards_name_other_rows_by_time_alone() {
        let elsewhere = Row { part: 1, id: 10 };
        for (way, function) in [
            (Way::Trailing, Function::Trailing),
            (Way::MiddleAndTrailing, Function::Middle),
            (Way::Tag, Function::Tagged),
        ] {
            let write = Write {
                row: elsewhere,
                ..write(way, 7, 100, 110)
            };
            let write = Event::Write(write);
            let stale = crimes(&[vec![write, read(function, 120, 0, 50)]]);
            assert!(
                matches!(stale[..], [Crime::Outdated { .. }]),
                "{way:?} {stale:?}"
            );
            let fresh = crimes(&[vec![write, read(function, 120, 0, 105)]]);
            assert_eq!(fresh, [], "{way:?}: the other row's version is no matter");
        }
    }

    #[test]
    fn what_waits_counts_here_at_once_and_elsewhere_once_delivered() {
        let queued = Write {
            queued: true,
            ..write(Way::Exact, 1, 100, 110)
        };
        let queued = Event::Write(queued);
        let settled = |before, at| Event::Settled { before, at };
        assert_eq!(crimes(&[vec![queued, exact(120, 0, 50)]]).len(), 1, "here");
        assert_eq!(
            crimes(&[vec![queued], vec![exact(900, 0, 50)]]),
            [],
            "never delivered"
        );
        let looks = vec![
            queued,
            settled(105, 115),
            settled(200, 210),
            settled(300, 310),
        ];
        assert_eq!(
            crimes(&[looks.clone(), vec![exact(209, 0, 50)]]),
            [],
            "the look at 105 says nothing of what returned at 110"
        );
        assert_eq!(
            crimes(&[looks, vec![exact(211, 0, 50)]]).len(),
            1,
            "delivered"
        );
    }

    #[test]
    fn near_caches_may_lag_by_their_bound_elsewhere_and_not_at_all_here() {
        let write = Event::Write(write(Way::Exact, 1, 100, 110));
        let near = |begin| read(Function::Near, begin, 0, 50);
        assert_eq!(crimes(&[vec![write], vec![near(110 + BOUND)]]), []);
        assert_eq!(crimes(&[vec![write], vec![near(111 + BOUND)]]).len(), 1);
        assert_eq!(crimes(&[vec![write, near(111)]]).len(), 1);
    }

    #[test]
    fn a_dropped_writer_owes_its_invalidation_and_no_version() {
        let dropped = Write {
            version: None,
            dropped: true,
            queued: true,
            ..write(Way::Exact, 0, 100, 101)
        };
        let dropped = Event::Write(dropped);
        assert_eq!(crimes(&[vec![dropped, exact(120, 0, 50)]]).len(), 1);
        assert_eq!(
            crimes(&[vec![dropped, exact(120, 0, 105)]]),
            [],
            "it may commit later, or never"
        );
    }

    #[test]
    fn the_latest_invalidation_judges_though_an_earlier_one_returned_later() {
        let slow = Event::Write(write(Way::Exact, 1, 100, 300));
        let quick = Event::Write(write(Way::Exact, 2, 200, 210));
        let history = vec![slow, quick, exact(400, 2, 150)];
        assert!(matches!(crimes(&[history])[..], [Crime::Outdated { .. }]));
    }

    #[test]
    fn a_put_value_is_judged_by_its_version() {
        let write = Event::Write(write(Way::Exact, 5, 100, 110));
        let put = |version| {
            let Event::Read(mut read) = exact(120, version, 0) else {
                unreachable!()
            };
            read.value.loaded = None;
            Event::Read(read)
        };
        assert_eq!(crimes(&[vec![write, put(5)]]), []);
        assert_eq!(crimes(&[vec![write, put(4)]]).len(), 1);
    }

    #[test]
    fn the_answer_to_another_call_is_a_violation() {
        let Event::Read(mut read) = exact(10, 0, 5) else {
            unreachable!()
        };
        read.value.row.id += 1;
        assert_eq!(crimes(&[vec![Event::Read(read)]]), [Crime::Foreign]);
    }

    #[test]
    fn hits_after_an_invalidation_are_counted_as_tested() {
        let write = Event::Write(write(Way::Exact, 1, 100, 110));
        let history = vec![exact(90, 0, 50), write, exact(120, 1, 105)];
        assert_eq!(check(&[history]).tested, 1);
    }
}
