//! What Redis holds about the one key, and the scripts that change it.
//!
//! The state stands on two *nodes*: the key's own (entry and fence), and that of its domain (generations and marks). One server
//! is two nodes that fall together.

use crate::config::{Config, Safeguard};
use crate::number::{Moment, Numbered, Token, Visitor};

/// What an answer depends on: the runs of both nodes, the root and the scope's generation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    pub(crate) runs: [Token; 2],
    pub(crate) root: Token,
    pub(crate) scope: Token,
}

/// What a load must show when its answer is to be stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket {
    pub(crate) stamp: Stamp,
    pub(crate) fence: Token,
    /// A writer is at work on the key, or replicas may lag: the answer is not stored.
    pub(crate) busy: bool,
}

/// A stored answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry {
    pub(crate) value: Moment,
    pub(crate) stamp: Stamp,
}

/// What a caller invalidates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// A scope that the key lies in.
    Scope,
    /// The key itself.
    Key,
}

impl Target {
    pub(crate) const ALL: [Self; 2] = [Self::Scope, Self::Key];
}

/// What stands on the key's node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Keys {
    pub(crate) entry: Option<Entry>,
    pub(crate) fence: Token,
}

/// What stands on the domain's node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Generations {
    pub(crate) root: Token,
    pub(crate) scope: Token,
}

/// Which of the two nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Node {
    /// Entry and fence.
    Keys,
    /// Generations.
    Generations,
}

/// Both nodes.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Redis {
    pub(crate) keys: Keys,
    pub(crate) generations: Generations,
    pub(crate) runs: [Token; 2],
    /// What a replica that lags has in place of the entry.
    pub(crate) replica: Option<Entry>,
    /// Older states that a restart may come back with.
    pub(crate) old_keys: Option<Keys>,
    pub(crate) old_generations: Option<Generations>,
    /// Writers that have announced themselves.
    pub(crate) marks: u8,
    pub(crate) hold_off: bool,
    /// How many tokens are in use; the next one is new.
    tokens: u8,
}

impl Redis {
    pub(crate) fn new() -> Self {
        let mut redis = Self::default();
        redis.runs = [redis.random(), redis.random()];
        redis
    }

    /// A number that nobody has seen.
    pub(crate) fn random(&mut self) -> Token {
        self.tokens += 1;
        Token(self.tokens)
    }

    pub(crate) fn renumbered(&mut self, tokens: u8) {
        self.tokens = tokens;
    }

    /// The stamp that a current entry carries, as a reader learns it; `None` while there is no root.
    pub(crate) fn stamp(&self, config: &Config) -> Option<Stamp> {
        let Generations { root, scope } = self.generations;
        if root == Token::ABSENT && !config.lacks(Safeguard::Root) {
            return None;
        }
        Some(Stamp {
            runs: [
                self.run(config, Node::Keys),
                self.run(config, Node::Generations),
            ],
            root,
            scope,
        })
    }

    /// The incarnation of `node`, as far as it goes into the stamp.
    pub(crate) fn run(&self, config: &Config, node: Node) -> Token {
        let (run, safeguard) = match node {
            Node::Keys => (self.runs[0], Safeguard::IncarnationOfKeys),
            Node::Generations => (self.runs[1], Safeguard::IncarnationOfGenerations),
        };
        if config.lacks(safeguard) || config.lacks(Safeguard::Incarnation) {
            Token::ABSENT
        } else {
            run
        }
    }

    /// The first half of `open`: sees to it that there is a root.
    pub(crate) fn open_generations(&mut self, config: &Config) -> Option<Stamp> {
        if self.generations.root == Token::ABSENT && !config.lacks(Safeguard::Root) {
            self.generations.root = self.random();
        }
        self.stamp(config)
    }

    /// The second half of `open`: sees to it that there is a fence.
    pub(crate) fn open_fence(&mut self, config: &Config, replace: bool) -> Token {
        let put_up = replace || self.keys.fence == Token::ABSENT;
        if put_up && !config.lacks(Safeguard::FenceCreation) {
            self.keys.fence = self.random();
        }
        self.keys.fence
    }

    /// Whether an answer that is loaded now may be stored.
    pub(crate) fn is_busy(&self) -> bool {
        self.marks != 0 || self.hold_off
    }

    /// Stores `value`, unless the key was invalidated since `ticket` was taken; whether it was stored.
    pub(crate) fn fill(&mut self, config: &Config, ticket: Ticket, value: Moment) -> bool {
        let mut stamp = ticket.stamp;
        if config.lacks(Safeguard::StampBeforeLoad) {
            stamp = self.open_generations(config).unwrap_or(stamp);
        }
        let mut fence = ticket.fence;
        if config.lacks(Safeguard::FenceBeforeLoad) {
            fence = self.open_fence(config, false);
        }
        if self.keys.fence != fence && !config.lacks(Safeguard::FillCheck) {
            return false;
        }
        self.keys.entry = Some(Entry { value, stamp });
        if !config.lacks(Safeguard::FenceRemovalByFill) {
            self.keys.fence = Token::ABSENT;
        }
        true
    }

    /// Makes old what `target` names.
    pub(crate) fn invalidate(&mut self, config: &Config, target: Target) {
        match target {
            Target::Scope => self.generations.scope = self.random(),
            Target::Key => {
                self.keys.entry = None;
                if !config.lacks(Safeguard::FenceRemovalByInvalidation) {
                    self.keys.fence = Token::ABSENT;
                }
            }
        }
    }

    /// Begins a new run of `node`, empty or with what `from_snapshot` remembers.
    pub(crate) fn restart(&mut self, node: Node, from_snapshot: bool) {
        let run = self.random();
        match node {
            Node::Keys => {
                let old = self.old_keys.filter(|_| from_snapshot);
                self.keys = old.unwrap_or_default();
                self.runs[0] = run;
            }
            Node::Generations => {
                let old = self.old_generations.filter(|_| from_snapshot);
                self.generations = old.unwrap_or_default();
                self.runs[1] = run;
            }
        }
    }
}

impl Stamp {
    /// With the run of the key's node as it was when the entry or the fence was read there.
    pub(crate) fn on(mut self, keys_run: Token) -> Self {
        self.runs[0] = keys_run;
        self
    }
}

impl Numbered for Redis {
    fn show(&mut self, visitor: &mut impl Visitor) {
        self.runs.iter_mut().for_each(|run| visitor.token(run));
        self.generations.show(visitor);
        self.keys.show(visitor);
        self.replica.show(visitor);
        self.old_generations.show(visitor);
        self.old_keys.show(visitor);
    }
}

impl Numbered for Keys {
    fn show(&mut self, visitor: &mut impl Visitor) {
        visitor.token(&mut self.fence);
        self.entry.show(visitor);
    }
}

impl Numbered for Generations {
    fn show(&mut self, visitor: &mut impl Visitor) {
        visitor.token(&mut self.root);
        visitor.token(&mut self.scope);
    }
}

impl Numbered for Entry {
    fn show(&mut self, visitor: &mut impl Visitor) {
        visitor.value(&mut self.value);
        self.stamp.show(visitor);
    }
}

impl Numbered for Stamp {
    fn show(&mut self, visitor: &mut impl Visitor) {
        self.runs.iter_mut().for_each(|run| visitor.token(run));
        visitor.token(&mut self.root);
        visitor.token(&mut self.scope);
    }
}

impl Numbered for Ticket {
    fn show(&mut self, visitor: &mut impl Visitor) {
        self.stamp.show(visitor);
        visitor.token(&mut self.fence);
    }
}
