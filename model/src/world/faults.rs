//! What may break, at any time.

use super::World;
use crate::config::{Config, Variant};
use crate::number::Token;
use crate::redis::{Generations, Keys, Node};

/// Something that breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The entry is evicted, or expires.
    EvictEntry,
    /// The fence is, or expires.
    EvictFence,
    /// The generations of the domain are, or are dropped to bound them.
    EvictGenerations,
    /// `FLUSHALL`.
    Flush,
    /// These nodes save their state: half a fault, but counted.
    Snapshot(&'static [Node]),
    /// These nodes restart with nothing.
    RestartEmpty(&'static [Node]),
    /// These nodes restart with what they remember, or a replica that lags is promoted.
    RestartOld(&'static [Node]),
    /// The process' connection breaks.
    Cut(usize),
    /// A push to the process is lost, though its connection lives on.
    LosePush(usize, usize),
    /// A push to the process cannot be read.
    GarblePush(usize, usize),
}

impl World {
    pub(super) fn offer_faults(&self, config: &Config, mut offer: impl FnMut(Fault)) {
        if self.redis.keys.entry.is_some() {
            offer(Fault::EvictEntry);
        }
        if self.redis.keys.fence != Token::ABSENT {
            offer(Fault::EvictFence);
        }
        if self.redis.generations != Generations::default() {
            offer(Fault::EvictGenerations);
        }
        if config.restarts() {
            offer(Fault::Flush);
            for nodes in config.servers() {
                offer(Fault::Snapshot(nodes));
                offer(Fault::RestartEmpty(nodes));
                if self.remembers(nodes) {
                    offer(Fault::RestartOld(nodes));
                }
            }
        }
        if config.is(Variant::Near) {
            for (index, process) in self.processes.iter().enumerate() {
                if !process.near.cut {
                    offer(Fault::Cut(index));
                }
                for (at, push) in process.near.pushes.iter().enumerate() {
                    offer(Fault::LosePush(index, at));
                    if push.readable {
                        offer(Fault::GarblePush(index, at));
                    }
                }
            }
        }
    }

    fn remembers(&self, nodes: &[Node]) -> bool {
        nodes.iter().all(|node| match node {
            Node::Keys => self.redis.old_keys.is_some(),
            Node::Generations => self.redis.old_generations.is_some(),
        })
    }

    pub(super) fn fault(&mut self, config: &Config, fault: Fault) {
        match fault {
            Fault::EvictEntry => self.redis.keys.entry = None,
            Fault::EvictFence => self.redis.keys.fence = Token::ABSENT,
            Fault::EvictGenerations => self.redis.generations = Generations::default(),
            Fault::Flush => {
                self.redis.keys = Keys::default();
                self.redis.generations = Generations::default();
            }
            Fault::Snapshot(nodes) => {
                for node in nodes {
                    match node {
                        Node::Keys => self.redis.old_keys = Some(self.redis.keys),
                        Node::Generations => {
                            self.redis.old_generations = Some(self.redis.generations);
                        }
                    }
                }
            }
            Fault::RestartEmpty(nodes) | Fault::RestartOld(nodes) => {
                for node in nodes {
                    let from_snapshot = matches!(fault, Fault::RestartOld(_));
                    self.redis.restart(*node, from_snapshot);
                }
                // In a cluster the other node goes on answering; who asks this one again does so on a new connection, and who does
                // not is a call that is dropped.
                if !config.is(Variant::Cluster) {
                    (0..self.processes.len()).for_each(|process| self.cut(config, process));
                }
            }
            Fault::Cut(process) => self.cut(config, process),
            Fault::LosePush(process, at) => {
                self.processes[process].near.pushes.remove(at);
            }
            Fault::GarblePush(process, at) => {
                self.processes[process].near.pushes[at].readable = false;
            }
        }
    }

    fn cut(&mut self, config: &Config, process: usize) {
        for caller in 0..self.callers.len() {
            let cut = &self.callers[caller];
            if usize::from(cut.process) == process && cut.is_asking() {
                self.leave(caller);
            }
        }
        if config.is(Variant::Near) {
            self.processes[process].near.disconnect();
        }
    }
}
