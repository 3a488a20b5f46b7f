//! Calls of one function for many keys that go together: one look-up, one announcement, one load, one storing.

use std::time::{Duration, Instant};

use super::Engine;
use super::budget::Budget;
use super::session::{self, Flight, Found, Loading, Session};
use super::storing::Loaded;
use crate::flight::{Seat, Turn};
use crate::near::{self, Kept};
use crate::policy::SingleFlight;
use crate::scope::Mode;
use crate::source::{Freshness, Source};
use crate::store::{Opening, StoreError, Ticket};

/// What a look at one key of a batch brought.
#[derive(Debug)]
pub(crate) enum Glance {
    Near(Kept),
    Found(Found),
    /// It has to be loaded.
    Missed(Miss),
    /// It has to be loaded, and nobody is told.
    Alone,
}

/// How the load of a key that was not there is announced.
#[derive(Debug)]
pub(crate) struct Miss {
    opening: Opening,
    stores: bool,
}

/// What has to be done for a key that was not there.
#[derive(Debug)]
pub(crate) enum Part {
    /// Load it, and settle.
    Lead(Loading),
    /// Load it, and tell nobody.
    Alone,
    /// Another caller has loaded it meanwhile.
    Found(Found),
    /// Another caller loads it.
    Wait(Waiting),
    /// Something else is stored there now: look again.
    Again,
}

/// A key that another caller loads.
#[derive(Debug)]
pub(crate) struct Waiting {
    seat: Seat,
    ticket: Ticket,
    /// Of the load, should it become this call's.
    stores: bool,
}

impl Engine {
    /// One look at all these, in one round trip.
    pub(crate) async fn glance(
        &self,
        sessions: &mut [&mut Session<'_>],
        budget: &Budget,
    ) -> Vec<Glance> {
        let mut glances = Vec::with_capacity(sessions.len());
        let mut asked = Vec::with_capacity(sessions.len());
        for (at, session) in sessions.iter_mut().enumerate() {
            let glance = session.glance_near().await;
            if matches!(&glance, Glance::Missed(_)) && session.request.mode == Mode::Usual {
                asked.push(at);
            }
            glances.push(glance);
        }
        self.meters.batched(asked.len());
        let ats: Vec<_> = asked.iter().map(|at| sessions[*at].address()).collect();
        let seen = budget.spend_many(ats.len(), |patience| self.store.read_many(&ats, patience));
        let (seen, took) = seen.await;
        let each = share(took, asked.len());
        for (at, seen) in asked.into_iter().zip(seen) {
            let session = &mut sessions[at];
            glances[at] = match seen.map(|seen| session.interpret(seen)) {
                Ok(Ok(found)) => Glance::Found(found),
                Ok(Err(miss)) => Glance::Missed(Miss {
                    stores: session.may_replace(&miss),
                    opening: Opening::Missed(miss.into_head()),
                }),
                Err(error) => {
                    session.cannot_ask(&error);
                    Glance::Alone
                }
            };
            if !matches!(glances[at], Glance::Alone) {
                session.time_lookup(each);
            }
        }
        glances
    }

    /// Announces the loads of all these, in one round trip. A turn to load that is not taken passes on.
    pub(crate) async fn announce_many(
        &self,
        sessions: &mut [&mut Session<'_>],
        misses: &[Miss],
        budget: &Budget,
    ) -> Vec<Part> {
        // The seats before the tickets: from now on a finished load of these keys is kept for us.
        let seats: Vec<Seat> = sessions
            .iter()
            .map(|session| self.flights.sit(&session.flight()))
            .collect();
        let loads: Vec<_> = sessions
            .iter()
            .zip(misses)
            .map(|(session, miss)| (session.address(), &miss.opening))
            .collect();
        let opened = budget.spend_many(loads.len(), |patience| {
            self.store.open_many(&loads, patience)
        });
        let (tickets, _) = opened.await;
        let parts = sessions.iter_mut().zip(misses).zip(seats).zip(tickets);
        parts
            .map(|(((session, miss), seat), ticket)| match ticket {
                Ok(Some(ticket)) => session.take_part(seat, ticket, miss.stores),
                Ok(None) => Part::Again,
                Err(error) => {
                    session.cannot_ask(&error);
                    Part::Alone
                }
            })
            .collect()
    }

    /// Ends these loads: what each brought goes to those that wait, and then into the store, all in one round trip.
    pub(crate) async fn settle_many(
        &self,
        ends: Vec<(&Session<'_>, Loading, Option<Loaded>, Option<near::Value>)>,
    ) {
        let (mut fillings, mut ended) = (Vec::new(), Vec::new());
        let together = ends.len();
        for (session, loading, loaded, kept) in ends {
            let (flight, ticket) = (loading.flight, loading.ticket);
            let Some(mut loaded) = loaded else {
                if let Some(flight) = flight {
                    flight.leader.share_nothing();
                }
                continue;
            };
            let took = loading.began.elapsed();
            session.time_load(share(took, together));
            let ttl = session.settled_ttl(&mut loaded);
            let content = session.content(&loaded);
            let entry = session.seal(loaded, ticket, took);
            let seat = flight.map(|flight| {
                flight.leader.share(entry.clone(), ttl);
                flight.seat
            });
            match ttl.filter(|_| loading.stores && session.may_store(ticket)) {
                Some(ttl) => {
                    let size = entry.len();
                    fillings.push(session.filling(ticket, None, entry, ttl));
                    ended.push((session, seat, ticket, (content, size), ttl, kept));
                }
                None => {
                    if ttl.is_none() {
                        session.displace().await;
                    }
                    if let Some(seat) = seat {
                        seat.forget(ticket);
                    }
                }
            }
        }
        let budget = Budget::of_call(&self.patience);
        let filled = budget.spend_many(fillings.len(), |patience| {
            self.store.fill_many(&fillings, patience)
        });
        let (filled, _) = filled.await;
        for ((session, seat, ticket, (content, size), ttl, kept), one) in
            ended.into_iter().zip(filled)
        {
            if session.filled(one, size).unwrap_or(false) {
                session.analyse_stored(content, size, ttl);
                session.keep_near(size, Freshness::loaded(ttl), kept);
            } else if let Some(seat) = seat {
                seat.forget(ticket);
            }
        }
    }
}

/// What one of so many takes of a time that they share.
pub(super) fn share(time: Duration, of: usize) -> Duration {
    time.div_f64(of.max(1) as f64)
}

impl Session<'_> {
    /// What is known without a round trip, or that one has to be made.
    async fn glance_near(&mut self) -> Glance {
        let counters = &self.function.counters;
        if self.is_bypassed() || self.is_held() {
            counters.bypassed.one();
            self.source = Source::Bypass;
            return Glance::Alone;
        }
        if self.waits() || self.engine.store.is_away() {
            counters.degraded.one();
            self.source = Source::Degraded;
            return Glance::Alone;
        }
        match self.look_near().await {
            Ok(Some(value)) => Glance::Near(value),
            Ok(None) => Glance::Missed(Miss {
                opening: Opening::Replace,
                stores: true,
            }),
            Err(error) => {
                self.cannot_ask(&error);
                Glance::Alone
            }
        }
    }

    fn cannot_ask(&mut self, error: &StoreError) {
        self.source = Source::Degraded;
        self.function.counters.degraded.one();
        tracing::debug!(key = %self.request.key, %error, "cache not available: the source answers");
    }

    /// What to do about a load that was announced.
    fn take_part(&mut self, seat: Seat, ticket: Ticket, stores: bool) -> Part {
        self.count_miss();
        self.missed.get_or_insert_with(Instant::now);
        if self.request.policy.single_flight == SingleFlight::Off {
            return Part::Lead(self.loading(None, ticket, stores));
        }
        match seat.at_once(ticket) {
            None => Part::Wait(Waiting {
                seat,
                ticket,
                stores,
            }),
            Some(turn) => self.part_of(turn, seat, ticket, stores),
        }
    }

    fn part_of(&mut self, turn: Turn, seat: Seat, ticket: Ticket, stores: bool) -> Part {
        match turn {
            Turn::Lead(leader) => {
                Part::Lead(self.loading(Some(Flight { leader, seat }), ticket, stores))
            }
            Turn::Share(entry) => self
                .shared(entry, Source::Load)
                .map_or(Part::Alone, Part::Found),
            // An error of another function's type, or none: the batch loads for itself.
            Turn::Failed(_) | Turn::Alone => Part::Alone,
            Turn::Again => Part::Again,
        }
    }

    /// Waits for another caller's load of this key.
    pub(crate) async fn wait_for_part(&mut self, waiting: Waiting) -> Part {
        let Waiting {
            seat,
            ticket,
            stores,
        } = waiting;
        let turn = self.wait(&seat, ticket, false).await;
        self.part_of(turn, seat, ticket, stores)
    }

    /// Counts a load that nobody is told of.
    pub(crate) fn loads_alone(&mut self) {
        self.missed.get_or_insert_with(Instant::now);
        self.count_load();
    }

    /// Another miss, of an entry whose value was not the answer's type.
    pub(crate) fn miss_of(&mut self, found: &Found) -> Miss {
        let miss = session::Miss::of_another_program(found.head());
        Miss {
            stores: self.may_replace(&miss),
            opening: Opening::Missed(miss.into_head()),
        }
    }
}
