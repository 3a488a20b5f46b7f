//! What was measured, as a table and as JSON.

use std::fmt;

use serde::Serialize;

use crate::output::table;
use crate::ping::Times;

#[derive(Debug, Serialize)]
pub(super) struct Figures {
    /// From nothing to the first answer.
    pub(super) connection: Times,
    /// `PING`.
    pub(super) round_trip: Times,
    pub(super) miss: Times,
    pub(super) store: Times,
    pub(super) hit: Times,
    pub(super) concurrency: Concurrency,
    /// Of one cold key that `callers` asked for at one time.
    pub(super) loads: u64,
    pub(super) callers: u32,
    pub(super) invalidation: Invalidation,
}

/// Hits of many callers.
#[derive(Debug, Serialize)]
pub(super) struct Concurrency {
    pub(super) per_second: f64,
    #[serde(flatten)]
    pub(super) times: Times,
}

/// One pattern over many keys.
#[derive(Debug, Serialize)]
pub(super) struct Invalidation {
    pub(super) keys: usize,
    pub(super) ms: f64,
    /// None, as long as the library keeps its word.
    pub(super) served_afterwards: usize,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows = vec![["ms", "count", "min", "median", "p99", "max"].map(str::to_owned)];
        for (name, times) in [
            ("connection", &self.connection),
            ("round trip", &self.round_trip),
            ("miss", &self.miss),
            ("store", &self.store),
            ("hit", &self.hit),
            ("concurrent hit", &self.concurrency.times),
        ] {
            let ms = |time: f64| format!("{time:.3}");
            rows.push([
                name.to_owned(),
                times.count.to_string(),
                ms(times.min_ms),
                ms(times.median_ms),
                ms(times.p99_ms),
                ms(times.max_ms),
            ]);
        }
        let Invalidation {
            keys,
            ms,
            served_afterwards,
        } = self.invalidation;
        writeln!(f, "{}\n", table(&rows))?;
        writeln!(
            f,
            "{:.0} hits a second by {} callers",
            self.concurrency.per_second, self.callers
        )?;
        writeln!(
            f,
            "{} load of a cold key by {} callers at one time",
            self.loads, self.callers
        )?;
        write!(
            f,
            "{keys} keys invalidated by one pattern in {ms:.3} ms; {served_afterwards} served afterwards"
        )
    }
}
