//! What the attribute costs at compile time, compared with plain functions and with a helper
//! written by hand.
//!
//! ```text
//! cargo run --release -p cache-benches --bin compile_time
//! ```
//!
//! Three programs with the same functions are written to a temporary folder: plain, calling a
//! helper that looks in Redis first, and annotated. Their dependencies are built once. Then each
//! program is built again and again (debug, not incremental), in turns so that a slow moment of the
//! machine meets all alike.
//!
//! The aim is at most four times the plain functions' time.
#![expect(clippy::print_stdout, reason = "a program that prints figures")]

mod program;

use std::error::Error;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Instant, SystemTime};

use clap::Parser;
use serde::Serialize;
use tempfile::TempDir;

use crate::program::Variant;

/// The annotated program may take this many times as long as the plain one.
const AIM: f64 = 4.0;

/// Measures what the attribute costs at compile time.
#[derive(Debug, Parser)]
struct Arguments {
    /// Functions in each program
    #[arg(long, default_value_t = 300)]
    functions: usize,
    /// How often each program is built
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let bench = Bench::write(arguments.functions)?;

    eprintln!("building the dependencies …");
    for variant in Variant::ALL {
        bench.build(variant)?;
    }

    let mut times = Variant::ALL.map(|_| Vec::new());
    for round in 1..=arguments.rounds {
        eprintln!("round {round} of {} …", arguments.rounds);
        for (variant, times) in Variant::ALL.into_iter().zip(&mut times) {
            bench.touch(variant)?;
            let begin = Instant::now();
            bench.build(variant)?;
            times.push(begin.elapsed().as_secs_f64());
        }
    }

    let report = Report::new(arguments.functions, times);
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        report.print();
    }
    Ok(())
}

/// The folder with the generated programs: a workspace of its own, so that they share one target
/// folder.
struct Bench {
    folder: TempDir,
}

impl Bench {
    fn write(functions: usize) -> Result<Self, Box<dyn Error>> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("..")
            .canonicalize()?;
        let bench = Self {
            folder: tempfile::tempdir()?,
        };
        let folder = bench.folder.path();

        fs::write(
            folder.join("Cargo.toml"),
            program::workspace_manifest(&root.join("cache-runtime")),
        )?;
        // The same versions as this repository's.
        fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock"))?;
        for variant in Variant::ALL {
            fs::create_dir(folder.join(variant.name()))?;
            fs::write(
                folder.join(variant.name()).join("Cargo.toml"),
                program::manifest(variant),
            )?;
            fs::write(bench.source(variant), program::source(variant, functions))?;
        }
        Ok(bench)
    }

    fn source(&self, variant: Variant) -> PathBuf {
        self.folder.path().join(variant.name()).join("main.rs")
    }

    fn touch(&self, variant: Variant) -> Result<(), Box<dyn Error>> {
        let source = File::options().append(true).open(self.source(variant))?;
        Ok(source.set_modified(SystemTime::now())?)
    }

    fn build(&self, variant: Variant) -> Result<(), Box<dyn Error>> {
        let folder = self.folder.path();
        let status = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--package", variant.name()])
            .current_dir(folder)
            .env("CARGO_TARGET_DIR", folder.join("target"))
            .env("CARGO_INCREMENTAL", "0")
            .env_remove("RUSTFLAGS")
            .status()?;
        if !status.success() {
            return Err(format!("the program {} does not compile", variant.name()).into());
        }
        Ok(())
    }
}

#[derive(Serialize)]
struct Report {
    functions: usize,
    aim: f64,
    variants: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    variant: &'static str,
    /// Sorted.
    times: Vec<f64>,
    seconds: f64,
    ratio: f64,
}

impl Report {
    fn new(functions: usize, times: [Vec<f64>; Variant::ALL.len()]) -> Self {
        let mut variants: Vec<Line> = Vec::new();
        for (variant, mut times) in Variant::ALL.into_iter().zip(times) {
            times.sort_by(f64::total_cmp);
            let seconds = times[times.len() / 2];
            let plain = variants.first().map_or(seconds, |plain| plain.seconds);
            variants.push(Line {
                variant: variant.name(),
                ratio: seconds / plain,
                times,
                seconds,
            });
        }
        Self {
            functions,
            aim: AIM,
            variants,
        }
    }

    fn print(&self) {
        println!(
            "{} functions, debug profile, not incremental; the aim is {AIM:.1} times plain\n",
            self.functions
        );
        println!("variant   median   fastest   slowest   times plain   more a function");
        for Line {
            variant,
            times,
            seconds,
            ratio,
        } in &self.variants
        {
            let (fastest, slowest) = (times[0], times[times.len() - 1]);
            let more = 1e3 * (seconds - self.variants[0].seconds) / self.functions as f64;
            println!(
                "{variant:<7} {seconds:>6.2} s {fastest:>7.2} s {slowest:>7.2} s {ratio:>13.2} {more:>14.1} ms"
            );
        }
    }
}
