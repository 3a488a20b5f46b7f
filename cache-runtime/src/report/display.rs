//! The report as text.

use std::fmt;
use std::time::Duration;

use super::figures::{bytes, number, percent, time};
use super::{Recommendation, Report, Severity, Usage};

const COLUMNS: [&str; 11] = [
    "calls",
    "hit rate",
    "loads",
    "load",
    "look-up",
    "saved",
    "keys",
    "stored",
    "read",
    "unused",
    "unchanged",
];

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} store, {} old", self.store, time(self.age))?;
        let names = self
            .functions
            .iter()
            .map(|function| function.function.len());
        let width = names.max().unwrap_or(0).max("function".len());
        row(f, width, "function", COLUMNS.map(str::to_owned))?;
        for function in &self.functions {
            row(f, width, function.function, cells(&function.usage))?;
        }
        row(f, width, "total", cells(&self.total))?;
        for function in &self.functions {
            if function.hottest.is_empty() {
                continue;
            }
            writeln!(f, "\nhottest keys of `{}`", function.function)?;
            for hot in &function.hottest {
                writeln!(f, "{:>12}  {}", number(hot.calls), hot.key)?;
            }
        }
        if !self.recommendations.is_empty() {
            writeln!(f, "\nrecommended")?;
        }
        for recommendation in &self.recommendations {
            writeln!(f, "{:>8}  {recommendation}", recommendation.severity)?;
        }
        Ok(())
    }
}

fn row(f: &mut fmt::Formatter<'_>, width: usize, name: &str, cells: [String; 11]) -> fmt::Result {
    write!(f, "{name:width$}")?;
    for cell in cells {
        write!(f, " {cell:>9}")?;
    }
    writeln!(f)
}

fn cells(usage: &Usage) -> [String; 11] {
    let share = |share: Option<f64>| share.map_or_else(unknown, percent);
    let duration = |duration: Option<Duration>| duration.map_or_else(unknown, time);
    [
        number(usage.calls),
        share(usage.hit_rate),
        number(usage.loads),
        duration(usage.mean_load),
        duration(usage.mean_lookup),
        duration(usage.saved),
        usage.keys.map_or_else(unknown, number),
        usage.stored_bytes.map_or_else(unknown, bytes),
        usage.read_bytes.map_or_else(unknown, bytes),
        share(usage.unused),
        share(usage.unchanged),
    ]
}

fn unknown() -> String {
    "-".to_owned()
}

impl fmt::Display for Recommendation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(function) = self.function {
            write!(f, "`{function}`: ")?;
        }
        f.write_str(&self.text)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        })
    }
}
