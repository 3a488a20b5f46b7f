//! Forgets what cannot matter any more, so that a search of everything ends sooner.
//!
//! A random number that was replaced never comes back, unless a snapshot has it. An entry with such a stamp is no entry, a ticket
//! with such a fence stores nothing, and all of those are alike. Counterexamples are searched without this, and the tests compare.

use super::World;
use crate::caller::At;
use crate::config::{Config, Safeguard};
use crate::number::Token;
use crate::redis::{Entry, Generations, Node, Stamp, Ticket};

/// A number that nothing is compared with.
const GONE: Token = Token(u8::MAX);

impl World {
    pub(super) fn reduce(&mut self, config: &Config) {
        let live = self.live(config);
        let keep = |entry: &Entry| live.has(entry.stamp);
        self.redis.keys.entry = self.redis.keys.entry.filter(keep);
        // A call may have read the head in the run before.
        let may_be_read = |entry: &Entry| live.has(entry.stamp.on(live.runs[0]));
        self.redis.replica = self.redis.replica.filter(may_be_read);
        if let Some(old) = &mut self.redis.old_keys {
            // It would come back under another run.
            let comes_back =
                config.lacks(Safeguard::IncarnationOfKeys) || config.lacks(Safeguard::Incarnation);
            old.entry = old
                .entry
                .filter(|entry| comes_back && live.has(entry.stamp));
        }
        for (index, process) in (0..).zip(&mut self.processes) {
            let callers = self.callers.iter().filter(|other| other.process == index);
            let joining: Vec<Ticket> = callers.filter_map(|caller| caller.at.joining()).collect();
            let comes_again = |ticket: Ticket| live.grants(ticket) && live.has(ticket.stamp);
            process
                .loads
                .retain(|(ticket, _)| joining.contains(ticket) || comes_again(*ticket));
            process.loads.sort();
        }
        for caller in &mut self.callers {
            if let At::Reading {
                body: Some(body), ..
            } = &mut caller.at
            {
                *body = body.filter(may_be_read);
            }
            match &mut caller.at {
                At::Reading {
                    entry: Some((entry, run)),
                    ..
                } => {
                    *entry = entry.filter(|entry| {
                        entry.stamp.runs[0] == *run && live.has(entry.stamp.on(live.runs[0]))
                    });
                }
                At::Loading(ticket) | At::Filling(ticket, _) => {
                    let loads = &self.processes[usize::from(caller.process)].loads;
                    // Where loads are shared, the whole ticket tells which one is meant.
                    if !loads.iter().any(|(known, _)| known == ticket) {
                        live.reduce(ticket);
                    }
                }
                At::Updating(ticket) | At::Storing(ticket, _) => live.reduce(ticket),
                At::Unstored(late @ Some(_), _) => {
                    // A fill that will be refused is no fill.
                    *late = late.filter(|ticket| live.grants(*ticket));
                    late.iter_mut().for_each(|ticket| live.reduce(ticket));
                }
                _ => {}
            }
        }
        self.callers.sort();
        self.writers.sort();
    }

    fn live(&self, config: &Config) -> Live {
        let redis = &self.redis;
        let runs = [Node::Keys, Node::Generations].map(|node| redis.run(config, node));
        let absent = Some(Token::ABSENT);
        let fence = redis.keys.fence;
        let old_fence = redis.old_keys.map(|old| old.fence);
        let checked =
            !config.lacks(Safeguard::FillCheck) && !config.lacks(Safeguard::FenceBeforeLoad);
        let read = self.callers.iter().filter_map(|caller| match caller.at {
            At::Reading { stamp, .. } => stamp.flatten(),
            _ => None,
        });
        Live {
            runs,
            generations: [
                Some(redis.generations),
                redis.old_generations,
                // Without roots, that is what stands there after an eviction.
                Some(Generations::default()),
            ],
            read: read.collect(),
            fences: checked.then_some([Some(fence), old_fence, absent]),
            late_stamp: config.lacks(Safeguard::StampBeforeLoad),
        }
    }
}

/// What may be compared with something, now or later.
struct Live {
    runs: [Token; 2],
    generations: [Option<Generations>; 3],
    /// Stamps that were read by calls which have not read the entry yet.
    read: Vec<Stamp>,
    /// `None`: fences are not compared.
    fences: Option<[Option<Token>; 3]>,
    late_stamp: bool,
}

impl Live {
    fn has(&self, stamp: Stamp) -> bool {
        let Stamp { runs, root, scope } = stamp;
        let current = runs == self.runs
            && self
                .generations
                .iter()
                .flatten()
                .any(|known| known.root == root)
            && self
                .generations
                .iter()
                .flatten()
                .any(|known| known.scope == scope);
        current || self.read.iter().any(|read| read.on(runs[0]) == stamp)
    }

    /// Whether a fill with `ticket` may be stored, and an announcement be answered with it.
    fn grants(&self, ticket: Ticket) -> bool {
        self.fences
            .is_none_or(|fences| fences.contains(&Some(ticket.fence)))
    }

    fn reduce(&self, ticket: &mut Ticket) {
        let refused = !self.grants(*ticket);
        if refused {
            ticket.fence = GONE;
        }
        if refused || (!self.has(ticket.stamp) && !self.late_stamp) {
            ticket.stamp = Stamp {
                runs: [GONE; 2],
                root: GONE,
                scope: GONE,
            };
        }
    }
}
