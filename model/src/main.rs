//! Searches the protocol deeper than the tests do.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use cache_model::{Config, Outcome, Safeguard, Variant, counterexample, prove};
use clap::{Parser, ValueEnum};

/// Searches the freshness protocol for a way to break it.
///
/// Ends with failure when there is one.
#[derive(Debug, Parser)]
struct Options {
    /// How many faults may happen.
    #[arg(long, default_value_t = 1)]
    faults: u8,
    /// What to search; every variant, unless it is told.
    #[arg(long)]
    variant: Option<Variant>,
    /// What to leave out.
    #[arg(long)]
    without: Option<Safeguard>,
    /// The process of each caller, such as `0,0,1`.
    #[arg(long, value_delimiter = ',')]
    callers: Option<Vec<u8>>,
    /// Prints one JSON object a search.
    #[arg(long)]
    json: bool,
}

fn main() -> io::Result<ExitCode> {
    let options = Options::parse();
    let told = options.variant.or(options.without.map(Safeguard::variant));
    let variants = match &told {
        Some(variant) => std::slice::from_ref(variant),
        None => Variant::value_variants(),
    };
    let mut broken = false;
    for variant in variants {
        let outcome = options.search(*variant);
        broken |= outcome.trace.is_some();
        let text = if options.json {
            options.json(*variant, &outcome)
        } else {
            options.text(*variant, &outcome)
        };
        io::stdout().write_all(text.as_bytes())?;
    }
    Ok(if broken {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

impl Options {
    fn search(&self, variant: Variant) -> Outcome {
        let mut config = Config::new(variant).faults(self.faults);
        config.without = self.without;
        if let Some(callers) = &self.callers {
            config.callers.clone_from(callers);
        }
        let progress = |states: usize, took: Duration| {
            let line = format!(
                "{}: {states} states, {} s\n",
                name(&variant),
                took.as_secs()
            );
            // Nobody to tell is no reason to end.
            let _ = io::stderr().write_all(line.as_bytes());
        };
        if self.without.is_some() {
            counterexample(config, progress)
        } else {
            prove(config, progress)
        }
    }

    fn text(&self, variant: Variant, outcome: &Outcome) -> String {
        let mut text = format!(
            "{}: {} in {} states, {} steps deep, {:.1} s",
            name(&variant),
            match outcome.trace {
                Some(_) => "BROKEN",
                None => "no violation",
            },
            outcome.states,
            outcome.depth,
            outcome.took.as_secs_f64()
        );
        if let Some(without) = &self.without {
            let _ = write!(text, "; without {}", name(without));
        }
        text.push('\n');
        for (at, action) in (1..).zip(outcome.trace.iter().flatten()) {
            let _ = writeln!(text, "{at:4}  {action}");
        }
        text
    }

    fn json(&self, variant: Variant, outcome: &Outcome) -> String {
        let trace = outcome.trace.as_ref().map(|trace| {
            let lines = trace.iter().map(ToString::to_string);
            lines.collect::<Vec<_>>()
        });
        let object = serde_json::json!({
            "variant": name(&variant),
            "without": self.without.as_ref().map(name),
            "faults": self.faults,
            "states": outcome.states,
            "depth": outcome.depth,
            "seconds": outcome.took.as_secs_f64(),
            "trace": trace,
        });
        format!("{object}\n")
    }
}

fn name(value: &impl ValueEnum) -> String {
    value
        .to_possible_value()
        .map(|value| value.get_name().to_owned())
        .unwrap_or_default()
}
