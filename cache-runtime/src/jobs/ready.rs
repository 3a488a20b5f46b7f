//! Jobs that most caches need.

use super::{Job, JobRun};
use crate::error::Error;
use crate::warm::{SetReport, Warming, WarmingEnd};

impl Job {
    /// `clean`: removes entries that have no expiry, as another program may have stored them, under the cache's prefix; none of this cache's own has none.
    /// It walks through all names, a thousand at a time. Without a prefix it removes nothing, as names that are not the cache's stand among them.
    pub fn clean(expression: &str) -> Self {
        Self::new("clean", expression, clean)
    }

    /// `health`: asks Redis how it is, and says so in one event, at warn when the answer took longer than
    /// [`slow_threshold`](crate::Builder::slow_threshold), with what this process's cache has counted.
    pub fn health(expression: &str) -> Self {
        Self::new("health", expression, health)
    }

    /// `warm`: loads what is not cached. A run fails when its warming ended early, or none of its items succeeded.
    pub fn warm(
        expression: &str,
        warming: impl Fn() -> Warming<'static> + Send + Sync + 'static,
    ) -> Self {
        Self::new("warm", expression, move |run| warm(run, warming()))
    }

    /// `refresh`: loads all of it anew; see [`Warming::reload`].
    pub fn refresh(
        expression: &str,
        warming: impl Fn() -> Warming<'static> + Send + Sync + 'static,
    ) -> Self {
        let refresh = move |run| warm(run, warming().reload());
        Self::new("refresh", expression, refresh)
    }
}

async fn clean(run: JobRun) -> Result<(), Error> {
    let (mut cursor, mut seen, mut removed) = (0, 0, 0);
    loop {
        let store = run.engine.reachable()?;
        let step = store.clean(cursor, run.engine.patience.background).await?;
        seen += step.seen;
        removed += step.removed;
        run.report(format_args!("removed {removed} of {seen}"));
        if step.next == 0 {
            return Ok(());
        }
        cursor = step.next;
    }
}

async fn health(run: JobRun) -> Result<(), String> {
    let health = run.engine.health().await;
    let said = health.to_string();
    run.report(&said);
    if let Some(problem) = health.problem {
        return Err(problem);
    }
    if health.response_time > Some(run.engine.slow) {
        tracing::warn!(health = said, "the cache is slow");
    } else {
        tracing::info!(health = said, "the cache is well");
    }
    Ok(())
}

async fn warm(run: JobRun, warming: Warming<'static>) -> Result<(), String> {
    let report = warming.run().await;
    let sum = |of: fn(&SetReport) -> u64| report.sets.iter().map(of).sum::<u64>();
    let (loaded, fresh) = (sum(|set| set.loaded), sum(|set| set.fresh));
    let (failed, degraded) = (sum(|set| set.failed), sum(|set| set.degraded));
    let left = sum(|set| set.left);
    run.report(format_args!(
        "{loaded} loaded, {fresh} fresh, {failed} failed, {degraded} degraded, {left} left"
    ));
    if report.end != WarmingEnd::Complete {
        return Err(report.end.to_string());
    }
    let mut errors = report.sets.into_iter().flat_map(|set| set.errors);
    match errors.next() {
        Some(error) if loaded + fresh == 0 => Err(error),
        _ => Ok(()),
    }
}
