//! What a service is asked, and what its document claims.

use rand::RngExt as _;
use rand::rngs::SmallRng;
use rand_distr::{Distribution as _, Zipf};
use reqwest::Method;
use serde_json::Value;

/// The requests of a service.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) service: &'static str,
    /// How often each kind is asked, relative to the others.
    pub(crate) reads: &'static [(u32, Kind)],
    pub(crate) writes: &'static [(u32, Kind)],
    pub(crate) claims: &'static [Claim],
}

/// A kind of request: one of them, by the dice.
pub(crate) type Kind = fn(&mut Dice) -> Request;

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// What it is for people: `/api/agents/{id}`.
    pub(crate) route: &'static str,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) body: Option<Value>,
    /// What it reads or writes. An answer is compared when nothing that it is about was written meanwhile.
    pub(crate) about: Vec<(&'static str, u64)>,
}

impl Request {
    pub(crate) fn get(route: &'static str, path: impl Into<String>) -> Self {
        Self::new(Method::GET, route, path, None)
    }

    pub(crate) fn new(
        method: Method,
        route: &'static str,
        path: impl Into<String>,
        body: Option<Value>,
    ) -> Self {
        Self {
            route,
            method,
            path: path.into(),
            body,
            about: Vec::new(),
        }
    }

    /// It reads or writes this, too: a row by its number, or with 0 a whole list.
    pub(crate) fn about(mut self, what: &'static str, number: u64) -> Self {
        self.about.push((what, number));
        self
    }
}

/// The same dice in every run of a seed.
#[derive(Debug)]
pub(crate) struct Dice(pub(crate) SmallRng);

impl Dice {
    /// From 1 to `n`, by Zipf's law with the exponent 1: the second half as often as the first, the third a third as often.
    pub(crate) fn zipf(&mut self, n: u64) -> u64 {
        let law = Zipf::new(n as f64, 1.0).expect("there is something to choose from");
        law.sample(&mut self.0) as u64
    }

    /// From 1 to `n`, each as often.
    pub(crate) fn even(&mut self, n: u64) -> u64 {
        self.0.random_range(1..=n)
    }

    pub(crate) fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.0.random_range(0..all.len())]
    }

    /// One of these kinds, by its weight.
    pub(crate) fn request(&mut self, kinds: &[(u32, Kind)]) -> Request {
        let sum = kinds.iter().map(|(weight, _)| weight).sum();
        let mut at = self.0.random_range(0..sum);
        for (weight, kind) in kinds {
            if at < *weight {
                return kind(self);
            }
            at -= weight;
        }
        unreachable!("the weights are those that were added up")
    }
}

/// A figure of a service's document.
#[derive(Debug)]
pub(crate) struct Claim {
    /// As in the table of requirements.
    pub(crate) id: &'static str,
    pub(crate) figure: Figure,
    /// What the document says: at least so much of shares and speed-ups, at most so much of times and bytes.
    pub(crate) says: f64,
}

/// What can be claimed and measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Figure {
    /// Queries of the same reads that the database was spared, in percent.
    QueriesSaved,
    /// Answers for which all cached functions were hits, in percent.
    HitRate,
    /// A whole request that is a hit, at the 95th percentile, in milliseconds: more than an operation of the cache.
    HitTime,
    /// The median of a route without a cache, divided by that of its hits: of the routes with a query of 5 ms and more, the least.
    SpeedUp,
    /// From the start of a process to its first answer, in seconds.
    WarmUp,
    /// In Redis, of 10,000 keys, in MB.
    Memory,
}
