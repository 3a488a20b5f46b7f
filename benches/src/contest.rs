//! Contestants that take turns, so that what slows the machine down slows all of them: medians of several rounds, and of the ratios in each.

use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::runtime::Runtime;

/// What is measured, of everybody in the same way.
pub(crate) struct Contest<'a> {
    scenario: &'static str,
    case: String,
    unit: Unit,
    contestants: Vec<Contestant<'a>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Nanoseconds a call: less is better.
    Nanoseconds,
    /// Calls in a second: more is better.
    PerSecond,
}

/// What one round measured.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Figure {
    pub(crate) value: f64,
    /// Of memory, for each call.
    pub(crate) allocations: Option<f64>,
}

type Round<'a> = Box<dyn FnMut() -> Figure + 'a>;

struct Contestant<'a> {
    name: String,
    round: Round<'a>,
    figures: Vec<Figure>,
}

/// What became of a contestant.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) scenario: &'static str,
    pub(crate) case: String,
    pub(crate) what: String,
    pub(crate) unit: &'static str,
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
    /// To the first contestant, in the same round.
    pub(crate) ratio: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) allocations: Option<f64>,
}

impl<'a> Contest<'a> {
    pub(crate) fn new(scenario: &'static str, case: impl Into<String>, unit: Unit) -> Self {
        Self {
            scenario,
            case: case.into(),
            unit,
            contestants: Vec::new(),
        }
    }

    /// Adds one; the first is what the others are compared with.
    pub(crate) fn add(&mut self, name: impl Into<String>, round: impl FnMut() -> Figure + 'a) {
        self.contestants.push(Contestant {
            name: name.into(),
            round: Box::new(round),
            figures: Vec::new(),
        });
    }

    /// Lets all take turns; whoever began comes last in the next round. One round before them counts for nobody.
    pub(crate) fn run(mut self, rounds: usize) -> Vec<Row> {
        for round in 0..=rounds {
            for turn in 0..self.contestants.len() {
                let at = (turn + round) % self.contestants.len();
                let contestant = &mut self.contestants[at];
                let figure = (contestant.round)();
                if round > 0 {
                    contestant.figures.push(figure);
                }
            }
        }
        let first: Vec<f64> = values(&self.contestants[0].figures).collect();
        self.contestants
            .iter()
            .map(|contestant| self.row(contestant, &first))
            .collect()
    }

    fn row(&self, contestant: &Contestant<'_>, first: &[f64]) -> Row {
        let figures = &contestant.figures;
        let ratios = values(figures).zip(first).map(|(mine, first)| mine / first);
        let allocations = figures.iter().map(|figure| figure.allocations);
        Row {
            scenario: self.scenario,
            case: self.case.clone(),
            what: contestant.name.clone(),
            unit: match self.unit {
                Unit::Nanoseconds => "ns",
                Unit::PerSecond => "/s",
            },
            median: median(values(figures)),
            least: values(figures).fold(f64::INFINITY, f64::min),
            most: values(figures).fold(0.0, f64::max),
            ratio: median(ratios),
            allocations: allocations
                .collect::<Option<Vec<_>>>()
                .map(|counts| median(counts.into_iter())),
        }
    }
}

/// Calls of one task, one after the other, with what they allocate.
pub(crate) fn in_turn<F: Future>(runtime: &Runtime, calls: u64, call: impl Fn(u64) -> F) -> Figure {
    let mut took = Duration::ZERO;
    let counted = allocation_counter::measure(|| {
        runtime.block_on(async {
            let began = Instant::now();
            for number in 0..calls {
                std::hint::black_box(call(number).await);
            }
            took = began.elapsed();
        });
    });
    Figure {
        value: took.as_nanos() as f64 / calls as f64,
        // What goes on beside, such as a heartbeat, falls below one.
        allocations: Some((counted.count_total / calls) as f64),
    }
}

/// Calls of `tasks` tasks at a time, each one after the other.
pub(crate) fn at_once<F>(
    runtime: &Runtime,
    tasks: u64,
    calls: u64,
    call: impl Fn(u64) -> F + Clone + Send + 'static,
) -> Figure
where
    F: Future<Output: Send> + Send,
{
    let each = calls / tasks;
    let took = runtime.block_on(async {
        let began = Instant::now();
        let all = (0..tasks).map(|task| {
            let call = call.clone();
            tokio::spawn(async move {
                for number in 0..each {
                    std::hint::black_box(call(task * each + number).await);
                }
            })
        });
        for task in all.collect::<Vec<_>>() {
            task.await.expect("no call panics");
        }
        began.elapsed()
    });
    Figure {
        value: (tasks * each) as f64 / took.as_secs_f64(),
        allocations: None,
    }
}

fn values(figures: &[Figure]) -> impl Iterator<Item = f64> {
    figures.iter().map(|figure| figure.value)
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
