//! What is measured.

mod near_hit;
mod redis_hit;
mod servers;
mod throughput;
mod values;

use crate::contest::Row;

pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// What is measured, and how.
    pub(crate) how: &'static str,
    pub(crate) run: fn(rounds: usize) -> Vec<Row>,
}

pub(crate) const SCENARIOS: &[Scenario] = &[
    near_hit::SCENARIO,
    redis_hit::SCENARIO,
    throughput::SCENARIO,
];
