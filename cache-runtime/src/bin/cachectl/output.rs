//! What a command writes: text for people or JSON for programs, to a reader that may go away at any moment.

use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal as _, Stdout, Write as _};

use anstream::AutoStream;
use serde::Serialize;
use serde_json::json;

/// Standard output. Colours reach a terminal alone, and none with `NO_COLOR`.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) is_json: bool,
    /// Whether somebody looks on.
    pub(crate) is_terminal: bool,
    to: BufWriter<AutoStream<Stdout>>,
}

impl Output {
    pub(crate) fn new(is_json: bool) -> Self {
        Self {
            is_json,
            is_terminal: io::stdout().is_terminal(),
            to: BufWriter::new(AutoStream::auto(io::stdout())),
        }
    }

    /// One line, or several.
    pub(crate) fn text(&mut self, text: impl Display) -> io::Result<()> {
        writeln!(self.to, "{text}")?;
        if self.is_terminal {
            self.to.flush()
        } else {
            Ok(())
        }
    }

    /// One value, in one line.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> io::Result<()> {
        self.text(serde_json::to_string(value)?)
    }

    /// `value` as JSON where that is wanted, and else as text.
    pub(crate) fn either<V: Serialize>(
        &mut self,
        value: &V,
        text: impl FnOnce(&V) -> String,
    ) -> io::Result<()> {
        if self.is_json {
            self.json(value)
        } else {
            self.text(text(value))
        }
    }

    /// Whoever follows gets what there is so far.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        self.to.flush()
    }

    /// Says what went wrong: to people on standard error, to programs where they read.
    pub(crate) fn error(&mut self, message: &str) {
        if self.is_json {
            // Nobody is left to be told of a pipe that is closed.
            let _ = self.json(&json!({ "error": message }));
            let _ = self.finish();
        } else {
            let _ = self.finish();
            say(&format!("\x1b[1;31merror:\x1b[0m {message}\n"));
        }
    }
}

/// To people, beside the output.
pub(crate) fn say(text: &str) {
    let _ = write!(anstream::stderr(), "{text}");
}

/// `name` as a heading.
pub(crate) fn bold(text: &str) -> String {
    format!("\x1b[1m{text}\x1b[0m")
}

/// Columns, the first to the left and the others to the right; the first row is their names.
pub(crate) fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        let widths = rows.iter().map(|row| row[column].chars().count());
        widths.max().unwrap_or_default()
    };
    let widths: Vec<_> = (0..N).map(width).collect();
    let line = |(at, row): (usize, &[String; N])| {
        let cells = row.iter().zip(&widths).enumerate();
        let cells: Vec<_> = cells
            .map(|(column, (cell, width))| match column {
                0 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            })
            .collect();
        let line = cells.join("  ").trim_end().to_owned();
        if at == 0 { bold(&line) } else { line }
    };
    let lines: Vec<_> = rows.iter().enumerate().map(line).collect();
    lines.join("\n")
}

/// Bytes as people read them.
pub(crate) fn bytes(bytes: u64) -> String {
    indicatif::HumanBytes(bytes).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_each_other() {
        let rows = [["name", "n"], ["a", "100"]].map(|row| row.map(str::to_owned));
        assert_eq!(table(&rows), "\x1b[1mname    n\x1b[0m\na     100");
    }
}
