//! Figures as text, as lines of JSON, and as the page of the documentation.

use std::fmt::Write as _;
use std::process::Command;

use crate::contest::Line;
use crate::scenarios::Scenario;

const PEERS: [&str; 9] = [
    "cached",
    "fred",
    "hitbox",
    "hitbox-moka",
    "hitbox-redis",
    "moka",
    "multi-tier-cache",
    "quick_cache",
    "redis",
];

#[derive(Debug, Clone, Copy)]
pub(crate) enum Form {
    Text,
    Json,
    Markdown,
}

impl Form {
    /// What stands above everything.
    pub(crate) fn head(self) -> String {
        match self {
            Self::Text | Self::Json => String::new(),
            Self::Markdown => include_str!("performance.md")
                .replace("{machine}", &machine())
                .replace("{versions}", &versions()),
        }
    }

    pub(crate) fn section(self, scenario: &Scenario, lines: &[Line]) -> String {
        let mut text = String::new();
        match self {
            Self::Text => {
                let _ = writeln!(text, "\n{}: {}", scenario.name, scenario.how);
            }
            Self::Json => {}
            Self::Markdown => {
                let Scenario { name, how, .. } = scenario;
                let _ = write!(
                    text,
                    "\n## {name}\n\nMeasured: {how}. `./scripts/bench {name}`\n"
                );
            }
        }
        let mut case = None;
        for line in lines {
            if case != Some(&line.case) {
                case = Some(&line.case);
                text.push_str(&self.case(line));
            }
            text.push_str(&self.line(line));
        }
        text
    }

    fn case(self, line: &Line) -> String {
        let unit = line.unit;
        match self {
            Self::Text => format!("  {}\n", line.case),
            Self::Json => String::new(),
            Self::Markdown => {
                let (count, under) = match line.allocations {
                    Some(_) => (" allocations |", "--:|"),
                    None => ("", ""),
                };
                let Line { case, rounds, .. } = line;
                format!(
                    "\n| {case} | median, {unit} | of {rounds} rounds | ratio |{count}\n|---|--:|--:|--:|{under}\n"
                )
                .replace("median,  |", "median |")
                .replace("of 1 rounds", "of 1 round")
            }
        }
    }

    fn line(self, line: &Line) -> String {
        let Line {
            side,
            unit,
            median,
            min,
            max,
            ..
        } = line;
        let [median, min, max] = [median, min, max].map(|figure| number(*figure));
        let ratio = line
            .ratio
            .map(|ratio| format!("{ratio:.*}", if ratio < 0.1 { 4 } else { 2 }));
        let ratio = ratio.unwrap_or_else(|| "–".to_owned());
        let allocations = line.allocations.map(|count| format!("{count:.0}"));
        match self {
            Self::Text => {
                let allocations = allocations.map(|count| format!("   {count} allocations"));
                format!(
                    "    {side:40} {median:>12} {unit:2}  ({min} to {max})   {ratio} x{}\n",
                    allocations.unwrap_or_default()
                )
            }
            Self::Json => {
                let json = serde_json::to_string(line).expect("plain figures");
                format!("{json}\n")
            }
            Self::Markdown => {
                let allocations = allocations.map(|count| format!(" {count} |"));
                format!(
                    "| {side} | {median} | {min} to {max} | {ratio} |{}\n",
                    allocations.unwrap_or_default()
                )
            }
        }
    }
}

/// Some three digits, and thousands apart.
fn number(figure: f64) -> String {
    let size = figure.abs();
    if !figure.is_finite() {
        return "failed".to_owned();
    }
    if figure.fract() != 0.0 && size < 100.0 {
        let decimals = match size {
            ..0.1 => 4,
            ..10.0 => 2,
            _ => 1,
        };
        return format!("{figure:.decimals$}");
    }
    let digits = format!("{size:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if figure < 0.0 {
        text.insert(0, '-');
    }
    text
}

/// Of the peers, as they were built.
fn versions() -> String {
    let lock = include_str!("../Cargo.lock");
    let version = |name: &&str| {
        let (_, package) = lock.split_once(&format!("name = \"{name}\"\nversion = \""))?;
        let (version, _) = package.split_once('"')?;
        Some(format!("{name} {version}"))
    };
    PEERS
        .iter()
        .filter_map(version)
        .collect::<Vec<_>>()
        .join(", ")
}

/// On what it was measured.
fn machine() -> String {
    let said = |program: &str| {
        let output = Command::new(program).arg("--version").output();
        let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        text.unwrap_or_default()
    };
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find(|line| line.starts_with("model name"));
    let model = model.and_then(|line| line.split(": ").nth(1));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let redis = said("redis-server");
    let version = redis.split_whitespace().find(|word| word.starts_with("v="));
    format!(
        "{cores} cores of {}, Redis {} on the same machine, {}",
        model.unwrap_or("an unknown processor"),
        version.map_or("?", |version| &version[2..]),
        said("rustc").trim()
    )
}
