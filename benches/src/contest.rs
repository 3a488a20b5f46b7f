//! Contestants that take turns, so that what slows the machine down slows all of them: medians of several rounds, and of the ratios in each.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use tokio::runtime::Runtime;

/// What is measured, of everybody in the same way.
pub(crate) struct Contest<'a> {
    scenario: &'static str,
    measures: Vec<(String, Unit)>,
    warm_up: usize,
    contestants: Vec<Contestant<'a>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Nanoseconds,
    Microseconds,
    Milliseconds,
    Seconds,
    /// Calls in a second: the only one of which more is better.
    PerSecond,
    Bytes,
    Megabytes,
    Count,
}

/// What one round measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figure {
    /// Not a number where the contestant failed.
    pub(crate) value: f64,
    /// Of memory, for each call.
    pub(crate) allocations: Option<f64>,
}

impl From<f64> for Figure {
    fn from(value: f64) -> Self {
        Self {
            value,
            allocations: None,
        }
    }
}

type Round<'a> = Box<dyn FnMut() -> Vec<Figure> + 'a>;

struct Contestant<'a> {
    name: String,
    round: Round<'a>,
    /// Of each round, a figure for each measure.
    rounds: Vec<Vec<Figure>>,
}

/// What became of a contestant.
#[derive(Debug, Serialize)]
pub(crate) struct Line {
    pub(crate) scenario: &'static str,
    pub(crate) case: String,
    pub(crate) side: String,
    pub(crate) unit: &'static str,
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
    /// To the first contestant, in the same round; none where that one measured nothing.
    pub(crate) ratio: Option<f64>,
    pub(crate) rounds: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) allocations: Option<f64>,
}

impl<'a> Contest<'a> {
    pub(crate) fn new(scenario: &'static str, case: impl Into<String>, unit: Unit) -> Self {
        Self::of_several(scenario, [(case.into(), unit)])
    }

    /// One in which each round has several figures.
    pub(crate) fn of_several(
        scenario: &'static str,
        measures: impl IntoIterator<Item = (String, Unit)>,
    ) -> Self {
        Self {
            scenario,
            measures: measures.into_iter().collect(),
            warm_up: 1,
            contestants: Vec::new(),
        }
    }

    /// Without the round that counts for nobody: for what is cold in each round, or takes long.
    pub(crate) fn cold(mut self) -> Self {
        self.warm_up = 0;
        self
    }

    /// Adds one; the first is what the others are compared with.
    pub(crate) fn add(&mut self, name: impl Into<String>, mut round: impl FnMut() -> Figure + 'a) {
        self.add_several(name, move || vec![round()]);
    }

    /// The same, with a figure for each measure.
    pub(crate) fn add_several(
        &mut self,
        name: impl Into<String>,
        round: impl FnMut() -> Vec<Figure> + 'a,
    ) {
        self.contestants.push(Contestant {
            name: name.into(),
            round: Box::new(round),
            rounds: Vec::new(),
        });
    }

    /// Lets all take turns; whoever began comes last in the next round. One round before them counts for nobody.
    pub(crate) fn run(mut self, rounds: usize) -> Vec<Line> {
        let all = self.contestants.len();
        let bar = self.progress((rounds + self.warm_up) * all);
        for round in 0..rounds + self.warm_up {
            for turn in 0..all {
                let contestant = &mut self.contestants[(turn + round) % all];
                bar.set_message(contestant.name.clone());
                let figures = (contestant.round)();
                if round >= self.warm_up {
                    contestant.rounds.push(figures);
                }
                bar.inc(1);
            }
        }
        bar.finish_and_clear();
        let measures = 0..self.measures.len();
        measures
            .flat_map(|measure| {
                let contestants = self.contestants.iter();
                contestants.map(move |contestant| (measure, contestant))
            })
            .map(|(measure, contestant)| self.line(measure, contestant))
            .collect()
    }

    fn line(&self, measure: usize, contestant: &Contestant<'_>) -> Line {
        let (case, unit) = &self.measures[measure];
        let first = &self.contestants[0];
        let values = || contestant.of(measure).map(|figure| figure.value);
        let ratios = values().zip(first.of(measure));
        let ratios = ratios.map(|(mine, first)| mine / first.value);
        let allocations = contestant.of(measure).map(|figure| figure.allocations);
        Line {
            scenario: self.scenario,
            case: case.clone(),
            side: contestant.name.clone(),
            unit: unit.symbol(),
            median: median(values()),
            min: values().fold(f64::INFINITY, f64::min),
            max: values().fold(f64::NEG_INFINITY, f64::max),
            ratio: Some(median(ratios)).filter(|ratio| ratio.is_finite()),
            rounds: contestant.rounds.len(),
            allocations: allocations
                .collect::<Option<Vec<_>>>()
                .map(|counts| median(counts.into_iter())),
        }
    }

    /// Shown on a terminal alone.
    fn progress(&self, turns: usize) -> ProgressBar {
        let style = ProgressStyle::with_template("{prefix} {bar:24} {pos}/{len} {elapsed}  {msg}");
        let bar = ProgressBar::new(turns as u64);
        bar.set_style(style.expect("a template"));
        bar.set_prefix(format!("{}: {}", self.scenario, self.measures[0].0));
        bar
    }
}

impl Contestant<'_> {
    /// Its figures of one measure.
    fn of(&self, measure: usize) -> impl Iterator<Item = Figure> {
        self.rounds.iter().map(move |figures| figures[measure])
    }
}

impl Unit {
    fn symbol(self) -> &'static str {
        match self {
            Self::Nanoseconds => "ns",
            Self::Microseconds => "µs",
            Self::Milliseconds => "ms",
            Self::Seconds => "s",
            Self::PerSecond => "/s",
            Self::Bytes => "B",
            Self::Megabytes => "MB",
            Self::Count => "",
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
    Figure::from((tasks * each) as f64 / took.as_secs_f64())
}

pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
