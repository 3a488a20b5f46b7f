//! The parts that threads of one process race for, under many interleavings of their steps: by chance (`shuttle`), and the same ones again
//! for the same seed. Each test is P1 or P4 in small.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use shuttle::future::block_on;
use shuttle::sync::atomic::{AtomicU64, Ordering};
use shuttle::thread;

use crate::control::Control;
use crate::envelope::Head;
use crate::flight::{Flights, Turn};
use crate::generations::Stamp;
use crate::key::{Key, Pattern, Tag, Target, digest};
use crate::near::{Keeping, Near};
use crate::store::memory::Memory;
use crate::store::{Address, Busy, Filling, Mark, Opening, Ticket};
use crate::together::{Asked, Lead, Tick, Together};

const SCHEDULES: usize = 5_000;
const LONG: Duration = Duration::from_secs(1_000);

const ORIGIN: u32 = 7;

fn key() -> Key {
    Key::reading("rows:a")
}

/// Each way of naming the row.
fn ways() -> [Target; 4] {
    let pattern = |text| Target::from(Pattern::parse(text).expect("a pattern"));
    [
        pattern("rows:a"),
        pattern("rows:*"),
        pattern("rows:a*"),
        Tag::new("t", []).into(),
    ]
}

fn number(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().expect("8 bytes"))
}

/// A value as it stands in the store, behind the stamp that it was loaded under.
fn entry(stamp: Stamp, value: u64) -> Bytes {
    [&stamp.0.to_le_bytes()[..], &value.to_le_bytes()]
        .concat()
        .into()
}

/// One call over the store of a process; what it answers.
fn call(memory: &Memory, source: &AtomicU64, opening: Option<Opening>) -> u64 {
    let (key, tags) = (key(), [Tag::new("t", [])]);
    let at = Address {
        key: &key,
        tags: &tags,
        lives: false,
    };
    loop {
        let seen = memory.read(at);
        let head = seen
            .entry
            .as_deref()
            .map_or(Head::new(), crate::envelope::head);
        if let (Some(entry), Some(stamp), None) = (&seen.entry, seen.stamp, &opening)
            && entry[..16] == stamp.0.to_le_bytes()
        {
            return number(&entry[16..]);
        }
        let way = match opening {
            Some(Opening::Replace) => Opening::Replace,
            _ => Opening::Missed(head),
        };
        let Some(ticket) = memory.open(at, &way) else {
            continue;
        };
        let value = source.load(Ordering::SeqCst);
        if ticket.busy == Busy::No {
            let filling = Filling {
                fence: ticket.fence,
                entry: entry(ticket.stamp, value),
                life: LONG,
                lease: None,
                replaces: false,
            };
            memory.fill(&key, &filling);
        }
        return value;
    }
}

#[test]
fn the_store_of_a_process_serves_nothing_old() {
    for way in ways() {
        shuttle::check_random(
            move || {
                let (memory, source) = (
                    Arc::new(Memory::new(100_000, Control::new(3))),
                    Arc::new(AtomicU64::new(0)),
                );
                let readers: Vec<_> = [None, Some(Opening::Replace)]
                    .into_iter()
                    .map(|opening| {
                        let (memory, source) = (memory.clone(), source.clone());
                        thread::spawn(move || call(&memory, &source, opening))
                    })
                    .collect();
                source.store(1, Ordering::SeqCst);
                memory.invalidate(std::slice::from_ref(&way), Mark::Untouched);
                assert_eq!(call(&memory, &source, None), 1, "{way}");
                for reader in readers {
                    reader.join().expect("no panic");
                }
                assert_eq!(call(&memory, &source, None), 1, "{way}");
            },
            SCHEDULES / 4,
        );
    }
}

/// A writer announces, commits, and is never heard of again.
#[test]
fn an_announced_write_needs_no_invalidation() {
    for way in ways() {
        shuttle::check_random(
            move || {
                let (memory, source) = (
                    Arc::new(Memory::new(100_000, Control::new(3))),
                    Arc::new(AtomicU64::new(0)),
                );
                let reader = {
                    let (memory, source) = (memory.clone(), source.clone());
                    thread::spawn(move || call(&memory, &source, None))
                };
                memory.invalidate(std::slice::from_ref(&way), Mark::announced(LONG));
                source.store(1, Ordering::SeqCst);
                assert_eq!(call(&memory, &source, None), 1, "{way}");
                reader.join().expect("no panic");
                assert_eq!(call(&memory, &source, None), 1, "{way}");
            },
            SCHEDULES / 4,
        );
    }
}

/// A value from a store that is always right is kept, while an invalidation comes.
#[test]
fn the_near_cache_keeps_nothing_old() {
    fn look(near: &Near, store: &AtomicU64) -> u64 {
        let (key, tags) = (key(), [Tag::new("t", [])]);
        let hash = digest(key.as_str());
        let mut found = None;
        near.show(ORIGIN, (&key, hash), &tags, near.now(), &mut |kept| {
            let kept = kept.value().as_ref().expect("a value");
            found = kept.downcast_ref::<u64>().copied();
            true
        });
        if let Some(found) = found {
            return found;
        }
        let stamp = near.stamp(&key, &tags);
        let value = store.load(Ordering::SeqCst);
        let keeping = Keeping {
            stamp,
            age: None,
            ttl: LONG,
            size: 8,
        };
        near.keep(ORIGIN, &key, &tags, Some(Arc::new(value)), keeping);
        value
    }

    for way in ways() {
        shuttle::check_random(
            move || {
                let (near, store) = (
                    Arc::new(Near::new(100_000, None, Control::new(3))),
                    Arc::new(AtomicU64::new(0)),
                );
                let reader = {
                    let (near, store) = (near.clone(), store.clone());
                    thread::spawn(move || look(&near, &store))
                };
                store.store(1, Ordering::SeqCst);
                near.advance(std::slice::from_ref(&way));
                assert_eq!(look(&near, &store), 1, "{way}");
                reader.join().expect("no panic");
                assert_eq!(look(&near, &store), 1, "{way}");
            },
            SCHEDULES / 4,
        );
    }
}

const TICKET: Ticket = Ticket {
    stamp: Stamp(1),
    fence: 1,
    busy: Busy::No,
};

/// A leader shares, is cancelled, fails, or has nothing to share: nobody hangs, and nobody loads without need.
#[test]
fn one_loads_whatever_becomes_of_the_leader() {
    #[derive(Clone, Copy, PartialEq)]
    enum End {
        Share,
        Cancel,
        Fail,
        FailForAll,
        Nothing,
    }

    for first in [
        End::Share,
        End::Cancel,
        End::Fail,
        End::FailForAll,
        End::Nothing,
    ] {
        shuttle::check_random(
            move || {
                let flights = Arc::new(Flights::new());
                let loads = Arc::new(AtomicU64::new(0));
                // Somebody sits there all the time, so that a finished load is still known.
                let host = flights.sit("k");
                let callers: Vec<_> = (0..3)
                    .map(|_| {
                        let (flights, loads) = (flights.clone(), loads.clone());
                        thread::spawn(move || {
                            let seat = flights.sit("k");
                            match block_on(seat.turn(TICKET)) {
                                Turn::Lead(leader) => {
                                    let end = match loads.fetch_add(1, Ordering::SeqCst) {
                                        0 => first,
                                        _ => End::Share,
                                    };
                                    match end {
                                        End::Share => leader.share(Bytes::new(), None),
                                        End::Cancel => drop(leader),
                                        End::Fail => leader.fail(None),
                                        End::FailForAll => leader.fail(Some(Arc::new(()))),
                                        End::Nothing => leader.share_nothing(),
                                    }
                                }
                                Turn::Share(_) => {}
                                Turn::Failed(_) => assert!(first == End::FailForAll),
                                Turn::Alone => assert!(first == End::Nothing),
                                Turn::Again => unreachable!("nobody sends away"),
                            }
                        })
                    })
                    .collect();
                for caller in callers {
                    caller.join().expect("no panic");
                }
                let loads = loads.load(Ordering::SeqCst);
                match first {
                    End::Share => assert_eq!(loads, 1),
                    // Who comes late finds the answer of the second load.
                    End::Cancel | End::Fail => assert!(loads <= 2, "{loads} loads"),
                    End::FailForAll | End::Nothing => assert!(loads <= 3),
                }
                drop(host);
            },
            SCHEDULES,
        );
    }
}

/// Waiting callers are cancelled while the turn passes on.
#[test]
fn a_cancelled_caller_takes_no_turn_with_it() {
    shuttle::check_random(
        || {
            let flights = Arc::new(Flights::new());
            let host = flights.sit("k");
            let Turn::Lead(leader) = block_on(host.turn(TICKET)) else {
                panic!("the first leads");
            };
            let callers: Vec<_> = [true, false]
                .into_iter()
                .map(|impatient| {
                    let flights = flights.clone();
                    thread::spawn(move || {
                        let seat = flights.sit("k");
                        let turn = seat.turn(TICKET);
                        if impatient {
                            // Polled once, and dropped.
                            let mut turn = Box::pin(turn);
                            let mut nobody =
                                std::task::Context::from_waker(std::task::Waker::noop());
                            let _ = turn.as_mut().poll(&mut nobody);
                        } else if let Turn::Lead(leader) = block_on(turn) {
                            leader.share(Bytes::new(), None);
                        }
                    })
                })
                .collect();
            drop(leader);
            for caller in callers {
                caller.join().expect("no panic");
            }
        },
        SCHEDULES,
    );
}

/// While a write is announced, a load that began before a call is not shared with it; and the calls of that time still load together.
#[test]
fn a_load_from_before_a_call_is_not_shared_while_a_write_is_announced() {
    let ticket = Ticket {
        busy: Busy::Announced,
        ..TICKET
    };
    shuttle::check_random(
        move || {
            let (flights, source) = (Arc::new(Flights::new()), Arc::new(AtomicU64::new(0)));
            let call = {
                let source = source.clone();
                move |flights: &Arc<Flights>| {
                    let seat = flights.sit("k");
                    let before = source.load(Ordering::SeqCst);
                    match block_on(seat.turn(ticket)) {
                        Turn::Lead(leader) => {
                            let value = source.load(Ordering::SeqCst);
                            leader.share(value.to_le_bytes().to_vec().into(), None);
                            assert!(value >= before);
                        }
                        Turn::Share(bytes) => {
                            assert!(number(&bytes) >= before, "shared from before")
                        }
                        _ => unreachable!("all share"),
                    }
                }
            };
            let host = flights.sit("k");
            let callers: Vec<_> = (0..3)
                .map(|_| {
                    let (flights, call) = (flights.clone(), call.clone());
                    thread::spawn(move || call(&flights))
                })
                .collect();
            source.store(1, Ordering::SeqCst);
            for caller in callers {
                caller.join().expect("no panic");
            }
            drop(host);
        },
        SCHEDULES,
    );
}

/// Callers that announce a load together get a ticket that was asked for after they came, whoever is cancelled.
#[test]
fn nobody_gets_a_ticket_from_before_it_came() {
    shuttle::check_random(
        || {
            let (flights, time) = (Arc::new(Flights::new()), Arc::new(AtomicU64::new(0)));
            let callers: Vec<_> = (0..4)
                .map(|caller| {
                    let (flights, time) = (flights.clone(), time.clone());
                    thread::spawn(move || {
                        let seat = flights.sit("k");
                        let came = time.fetch_add(1, Ordering::SeqCst);
                        let head = crate::envelope::Head::new();
                        let ask = async |_| {
                            thread::yield_now();
                            let fence = time.load(Ordering::SeqCst);
                            thread::yield_now();
                            if caller == 1 {
                                // Its caller is gone.
                                std::future::pending::<()>().await;
                            }
                            Ok(Some(Ticket { fence, ..TICKET }))
                        };
                        let mut asked = Box::pin(seat.ticket(&head, &[], LONG, ask));
                        if caller == 1 {
                            let nobody = std::task::Waker::noop();
                            let mut nobody = std::task::Context::from_waker(nobody);
                            let _ = asked.as_mut().poll(&mut nobody);
                            return;
                        }
                        // Shuttle's time may be over: then it has waited in vain, and there is nothing to be said.
                        if let Ok(Some(ticket)) = block_on(asked) {
                            assert!(ticket.fence > came, "{} of {came}", ticket.fence);
                        }
                    })
                })
                .collect();
            for caller in callers {
                caller.join().expect("no panic");
            }
        },
        SCHEDULES,
    );
}

/// Requests that leave together are answered each with its own, while leads end and callers are cancelled: nobody hangs, and no lead is lost.
#[test]
fn whoever_waits_together_is_answered() {
    fn carry(lead: &Lead<u64, u64>, gives_up: bool) {
        while let Some(batch) = lead.batch() {
            for waiting in batch {
                let answer = waiting.request + 1;
                if !gives_up {
                    waiting.answer(answer);
                }
            }
        }
    }

    fn ask(numbers: &Arc<Together<u64, u64>>, request: u64, gives_up: bool) -> u64 {
        loop {
            let (answer, watch) = match numbers.ask(|| request) {
                Asked::Leads(lead) => {
                    carry(&lead, gives_up);
                    return request + 1;
                }
                Asked::Waits(answer, watch) => (answer, watch),
            };
            let watching = watch.map(|mut watch| {
                thread::spawn(move || {
                    loop {
                        match watch.tick() {
                            Tick::Over => return,
                            Tick::Quiet => thread::yield_now(),
                            Tick::Stuck(lead) => carry(&lead, false),
                        }
                    }
                })
            });
            let answer = block_on(answer);
            if let Some(watching) = watching {
                watching.join().expect("no panic");
            }
            if let Ok(answer) = answer {
                return answer;
            }
        }
    }

    shuttle::check_random(
        || {
            let numbers = Together::new(3);
            let callers: Vec<_> = (0..5)
                .map(|request| {
                    let numbers = numbers.clone();
                    thread::spawn(move || {
                        if request == 0 {
                            // Leading, and never polled again; or gone before it is answered, with its watch.
                            if let Asked::Leads(lead) = numbers.ask(|| request) {
                                std::mem::forget(lead);
                            }
                            return;
                        }
                        assert_eq!(ask(&numbers, request, request == 1), request + 1);
                    })
                })
                .collect();
            for caller in callers {
                caller.join().expect("no panic");
            }
            assert!(
                matches!(numbers.ask(|| 9), Asked::Leads(_)),
                "a lead was lost"
            );
        },
        SCHEDULES / 2,
    );
}
