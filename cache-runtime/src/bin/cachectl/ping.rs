//! `ping` and `health`: whether the server answers, and how fast.

use std::time::Duration;

use cache_runtime::{Cache, HealthStatus};
use clap::Args;
use serde::Serialize;

use crate::failure::{Failure, Verdict};
use crate::output::Output;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How many round trips, one after the other.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    count: u32,
}

/// Times of round trips, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Times {
    pub(crate) count: usize,
    pub(crate) min_ms: f64,
    pub(crate) median_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
}

impl Times {
    /// Of at least one.
    pub(crate) fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let last = times.len().saturating_sub(1);
        let at = |part: f64| times.get((last as f64 * part).round() as usize);
        let at = |part| at(part).copied().unwrap_or_default().as_secs_f64() * 1e3;
        Self {
            count: times.len(),
            min_ms: at(0.0),
            median_ms: at(0.5),
            p99_ms: at(0.99),
            max_ms: at(1.0),
        }
    }
}

pub(crate) async fn run(
    cache: &Cache,
    options: &Options,
    out: &mut Output,
) -> Result<Verdict, Failure> {
    let times = pings(cache, options.count).await?;
    out.either(&times, |times| {
        format!(
            "{} round trips: min {:.3} ms, median {:.3} ms, p99 {:.3} ms, max {:.3} ms",
            times.count, times.min_ms, times.median_ms, times.p99_ms, times.max_ms
        )
    })?;
    Ok(Verdict::Yes)
}

pub(crate) async fn pings(cache: &Cache, count: u32) -> Result<Times, Failure> {
    let mut times = Vec::new();
    for _ in 0..count {
        times.push(cache.try_ping().await?);
    }
    Ok(Times::of(times))
}

pub(crate) async fn health(cache: &Cache, out: &mut Output) -> Result<Verdict, Failure> {
    let health = cache.health().await;
    out.either(&health, ToString::to_string)?;
    Ok(match health.status {
        HealthStatus::Healthy => Verdict::Yes,
        HealthStatus::Unavailable => Verdict::Critical,
        _ => Verdict::No,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_order() {
        let times = Times::of([3, 1, 2].map(Duration::from_millis).to_vec());
        assert_eq!(
            (times.min_ms, times.median_ms, times.max_ms),
            (1.0, 2.0, 3.0)
        );
    }
}
