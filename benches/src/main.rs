//! This project against its peers, side by side in one run. `./scripts/bench` builds and runs it.

mod contest;
mod report;
mod row;
mod scenarios;
mod sides;
mod source;

use std::process::{Command, ExitCode};

use clap::Parser;

use self::report::Form;
use self::scenarios::{SCENARIOS, Scenario, Size, stampede};

/// Compares this cache with its peers, side by side in one run.
#[derive(Parser)]
#[command(name = "./scripts/bench")]
struct Options {
    /// What to measure; all where nothing is named.
    scenarios: Vec<String>,
    /// Rounds, of which each side's median counts. What takes long has fewer.
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// A line of JSON for each figure, in place of tables.
    #[arg(long)]
    json: bool,
    /// What stands in docs/performance.md.
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
    /// Little of everything: its figures say nothing, but that it runs.
    #[arg(long)]
    quick: bool,
    /// Says what is measured, and how.
    #[arg(long)]
    list: bool,
    /// Runs the scenario in this process.
    #[arg(long, hide = true)]
    part: bool,
    /// Is one of the processes of a stampede.
    #[arg(long, hide = true, num_args = 2)]
    caller: Option<Vec<String>>,
}

#[expect(clippy::print_stdout, reason = "a report for people and scripts")]
#[expect(clippy::print_stderr, reason = "a mistake on the command line")]
fn main() -> ExitCode {
    let options = Options::parse();
    if let Some([side, url]) = options.caller.as_deref() {
        stampede::answer(side, url);
        return ExitCode::SUCCESS;
    }
    if options.list {
        for scenario in SCENARIOS {
            println!("{:20} {}", scenario.name, scenario.how);
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
    let form = match (options.json, options.markdown) {
        (true, _) => Form::Json,
        (_, true) => Form::Markdown,
        _ => Form::Text,
    };
    if !options.part {
        print!("{}", form.head());
    }
    let mut failed = false;
    for scenario in SCENARIOS.iter().filter(wanted) {
        if options.part {
            let size = Size::new(options.rounds, options.quick);
            print!("{}", form.section(scenario, &(scenario.run)(size)));
        } else {
            failed |= !by_itself(scenario, &options);
        }
    }
    ExitCode::from(u8::from(failed))
}

/// In a process of its own: caches are in statics, and what one scenario leaves behind must not slow down the next.
fn by_itself(scenario: &Scenario, options: &Options) -> bool {
    let mut part = Command::new(std::env::current_exe().expect("it runs"));
    part.args([scenario.name, "--part"]);
    part.args(["--rounds", &options.rounds.to_string()]);
    for (flag, is_set) in [
        ("--json", options.json),
        ("--markdown", options.markdown),
        ("--quick", options.quick),
    ] {
        part.args(is_set.then_some(flag));
    }
    part.status().is_ok_and(|status| status.success())
}
