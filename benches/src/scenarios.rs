//! What is measured.

mod analytics;
mod batch;
mod circuit_open;
mod codecs;
mod compile_time;
mod faults;
mod fleet;
mod invalidate_pattern;
mod memory;
mod miss_fill;
mod near_hit;
mod redis_hit;
mod servers;
mod stale_race;
pub(crate) mod stampede;
mod throughput;

use crate::contest::Line;

pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// What is measured, and how.
    pub(crate) how: &'static str,
    pub(crate) run: fn(Size) -> Vec<Line>,
}

pub(crate) const SCENARIOS: &[Scenario] = &[
    near_hit::SCENARIO,
    redis_hit::SCENARIO,
    throughput::SCENARIO,
    miss_fill::SCENARIO,
    batch::SCENARIO,
    stampede::SCENARIO,
    faults::DOWN,
    faults::HANG,
    stale_race::SCENARIO,
    invalidate_pattern::SCENARIO,
    memory::SCENARIO,
    fleet::SCENARIO,
    codecs::SCENARIO,
    compile_time::SCENARIO,
    circuit_open::SCENARIO,
    analytics::SCENARIO,
];

/// How much of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) rounds: usize,
    quick: bool,
}

impl Size {
    pub(crate) fn new(rounds: u16, quick: bool) -> Self {
        Self {
            rounds: if quick { 1 } else { rounds.into() },
            quick,
        }
    }

    /// As many, or a hundredth where it has to be quick.
    pub(crate) fn of(self, count: u64) -> u64 {
        if self.quick {
            count.div_ceil(100)
        } else {
            count
        }
    }

    /// For what takes long.
    pub(crate) fn at_most(self, rounds: usize) -> usize {
        self.rounds.min(rounds)
    }
}
