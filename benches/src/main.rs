//! This project against its peers, side by side in one run. `./scripts/bench` builds and runs it.

mod contest;
mod scenarios;

use std::process::ExitCode;

use clap::Parser;

use self::contest::Row;
use self::scenarios::{SCENARIOS, Scenario};

/// Compares this cache with its peers, side by side in one run.
#[derive(Parser)]
#[command(name = "./scripts/bench")]
struct Options {
    /// What to measure; all where nothing is named.
    scenarios: Vec<String>,
    /// Rounds, of which each contestant's median counts.
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Lines of JSON in place of tables.
    #[arg(long)]
    json: bool,
    /// Says what is measured, and how.
    #[arg(long)]
    list: bool,
}

#[expect(clippy::print_stdout, reason = "a report for people and scripts")]
#[expect(clippy::print_stderr, reason = "a mistake on the command line")]
fn main() -> ExitCode {
    let options = Options::parse();
    if options.list {
        for scenario in SCENARIOS {
            println!("{:16} {}", scenario.name, scenario.how);
        }
        return ExitCode::SUCCESS;
    }
    let known = |name: &&String| SCENARIOS.iter().any(|scenario| scenario.name == **name);
    if let Some(unknown) = options.scenarios.iter().find(|name| !known(name)) {
        eprintln!("there is no scenario `{unknown}`: --list names them");
        return ExitCode::from(2);
    }
    let wanted = |scenario: &&Scenario| {
        let named = |name: &String| name == scenario.name;
        options.scenarios.is_empty() || options.scenarios.iter().any(named)
    };
    for scenario in SCENARIOS.iter().filter(wanted) {
        if !options.json {
            println!("\n{}: {}", scenario.name, scenario.how);
        }
        let mut case = String::new();
        for row in (scenario.run)(options.rounds.into()) {
            if options.json {
                println!("{}", serde_json::to_string(&row).expect("plain figures"));
                continue;
            }
            if row.case != case {
                case.clone_from(&row.case);
                println!("  {case}");
            }
            println!("{}", line(&row));
        }
    }
    ExitCode::SUCCESS
}

fn line(row: &Row) -> String {
    let allocations = row
        .allocations
        .map(|count| format!("   {count:.0} allocations"));
    format!(
        "    {:44} {:>12.0} {:2}  ({:.0} to {:.0})   {:.2} x{}",
        row.what,
        row.median,
        row.unit,
        row.least,
        row.most,
        row.ratio,
        allocations.unwrap_or_default(),
    )
}
