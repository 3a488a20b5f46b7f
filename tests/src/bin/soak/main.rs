//! The soak: several processes read and write through annotated functions while everything around them fails, and what they saw is
//! checked against promise P1.
//!
//! ```text
//! cargo run --release -p cache-tests --bin soak -- --seconds 60 --processes 4 --faults all --json
//! cargo run --release -p cache-tests --bin soak -- --seconds 60 --mode cluster
//! cargo run --release -p cache-tests --bin soak -- --seconds 10 --mode naive
//! ```
//!
//! It ends with 0 when the promise was kept, or when it was broken with `--mode naive`; else with 1; with 2 when it could not run.
//!
//! | module | what |
//! |---|---|
//! | `workload` | the functions under test, their rows, and what each names |
//! | `caching`, `naive` | the ways of calling them |
//! | `instance` | one of the processes |
//! | `source`, `history` | the truth, and what was seen |
//! | `fleet`, `faults`, `cluster_faults` | all that runs, and what is done to it |
//! | `check`, `report` | the verdict |

mod caching;
mod check;
mod cluster_faults;
mod faults;
mod fleet;
mod history;
mod instance;
mod naive;
mod report;
mod source;
mod workload;

use std::error::Error;
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand, ValueEnum};
use fastrand::Rng;
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};

use crate::faults::Faults;
use crate::fleet::Fleet;
use crate::history::now;
use crate::report::{Report, Run, Strike};

/// How long a call waits for Redis: shorter than most faults last.
const PATIENCE: Duration = Duration::from_millis(150);

/// How long a near cache may serve what another process has invalidated.
const STALENESS: Duration = Duration::from_millis(300);

/// Violations that are shown with their history.
const SHOWN: usize = 3;

/// Calls cached functions from several processes while Redis fails, and checks that no answer is older than promised.
#[derive(Debug, Parser)]
#[command(name = "soak", args_conflicts_with_subcommands = true)]
struct Options {
    /// How long it runs.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// How many processes call.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    processes: u8,
    /// `all`, `none`, or kinds with commas between. `process` is none of `all`.
    #[arg(long, default_value = "all", value_parser = Faults::parse)]
    faults: Faults,
    /// What stands between the calls and the source.
    #[arg(long, value_enum, default_value_t = Mode::Library)]
    mode: Mode,
    /// Chooses calls and faults; what they do to each other is chance. Another one each time when left out.
    #[arg(long)]
    seed: Option<u64>,
    /// One JSON object in place of a table.
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// One of the processes; the soak starts them itself.
    #[command(hide = true)]
    Instance(instance::Orders),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
enum Mode {
    /// The annotated functions.
    Library,
    /// The annotated functions over a Redis Cluster.
    Cluster,
    /// The same load with get, set and delete by hand, which must be found wrong.
    Naive,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> ExitCode {
    let options = Options::parse();
    let outcome = match options.role {
        Some(Role::Instance(orders)) => instance::run(orders).await.map(|()| true),
        None => soak(&options).await,
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            // The last word; when nobody hears it, the exit code tells.
            let _ = writeln!(io::stderr(), "soak: {error}");
            ExitCode::from(2)
        }
    }
}

/// Whether everything was as it should be.
async fn soak(options: &Options) -> Result<bool, Box<dyn Error>> {
    let seed = options.seed.unwrap_or_else(|| Rng::new().u64(..));
    let processes = usize::from(options.processes);
    let mut fleet = Fleet::start(options.mode, processes, seed).await?;
    let begin = Instant::now();
    let mut strikes = Vec::new();
    let (mut terminated, mut hung_up) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    tokio::select! {
        done = torment(&mut fleet, options, seed, &mut strikes) => done?,
        // Whoever stops it early wants to know what was found so far.
        _ = terminated.recv() => {}
        _ = hung_up.recv() => {}
    }
    let run = Run {
        mode: options.mode,
        seed,
        seconds: begin.elapsed().as_secs_f64(),
        processes,
    };
    let histories = fleet.finish().await?;
    let verdict = check::check(&histories);
    for violation in verdict.violations.iter().take(SHOWN) {
        writeln!(
            io::stderr(),
            "{}",
            report::describe(violation, &histories, &strikes)
        )?;
    }
    let report = Report::new(run, &histories, &strikes, &verdict);
    if options.json {
        writeln!(io::stdout(), "{}", serde_json::to_string(&report)?)?;
    } else {
        writeln!(io::stdout(), "{report}")?;
    }
    Ok(report.is_as_it_should_be())
}

/// Injects one fault after the other, with quiet times between.
async fn torment(
    fleet: &mut Fleet,
    options: &Options,
    seed: u64,
    strikes: &mut Vec<Strike>,
) -> Result<(), Box<dyn Error>> {
    let mut dice = Rng::with_seed(seed);
    let begin = Instant::now();
    let end = begin + Duration::from_secs(options.seconds);
    let mut due = Vec::new();
    loop {
        // It takes up to a second until everybody is connected again, and only who is can get something old.
        let quiet = Duration::from_millis(dice.u64(200..1600));
        tokio::time::sleep(quiet.min(end.saturating_duration_since(Instant::now()))).await;
        if fleet.has_lost_one() {
            return Err("a process ended before its time".into());
        }
        if Instant::now() >= end {
            return Ok(());
        }
        // Each kind once, in another order, and then again.
        if due.is_empty() {
            due.clone_from(&options.faults.0);
            due.retain(|fault| fault.is_for(options.mode == Mode::Cluster));
            dice.shuffle(&mut due);
        }
        let Some(fault) = due.pop() else { continue };
        show_progress(begin, &fault.name())?;
        let begin = now();
        fault.strike(fleet, &mut dice).await;
        let end = now();
        strikes.push(Strike { fault, begin, end });
    }
}

/// One line that is written over again, for people.
fn show_progress(begin: Instant, doing: &str) -> io::Result<()> {
    let mut terminal = io::stderr();
    if terminal.is_terminal() {
        write!(
            terminal,
            "\r{:>4} s  {doing:<16}\r",
            begin.elapsed().as_secs()
        )?;
        terminal.flush()?;
    }
    Ok(())
}
