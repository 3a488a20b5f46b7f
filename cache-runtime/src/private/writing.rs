//! What the expansion of `#[invalidates]` names.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use super::updating::OfValue;
use super::{Cache, Error, Event, Look, Probe, Shape, Site, Target};
use crate::engine::Pledge;
use crate::store::Mark;

/// What a writing function makes old.
#[derive(Debug)]
pub struct Invalidation<'a> {
    site: &'static Site,
    cache: Option<&'a Cache>,
    always: bool,
    crash_safe: Option<Duration>,
    hold_off: Option<Duration>,
    targets: Vec<Target>,
    in_doubt: Vec<Target>,
}

impl<'a> Invalidation<'a> {
    /// Nothing yet, after success.
    pub fn new(site: &'static Site) -> Self {
        Self {
            site,
            cache: None,
            always: false,
            crash_safe: None,
            hold_off: None,
            targets: Vec::new(),
            in_doubt: Vec::new(),
        }
    }

    /// Another cache than the installed one.
    #[must_use]
    pub fn cache(mut self, cache: &'a Cache) -> Self {
        self.cache = Some(cache);
        self
    }

    /// After failure too.
    #[must_use]
    pub fn always(mut self) -> Self {
        self.always = true;
        self
    }

    /// Announces the write before the body runs, for so long at most.
    #[must_use]
    pub fn crash_safe(mut self, lease: Duration) -> Self {
        self.crash_safe = Some(lease);
        self
    }

    /// For so long after the invalidation what is loaded is not stored.
    #[must_use]
    pub fn hold_off(mut self, time: Duration) -> Self {
        self.hold_off = Some(time);
        self
    }

    /// What is known before the body runs.
    #[must_use]
    pub fn targets(mut self, targets: Vec<Target>) -> Self {
        self.targets = targets;
        self
    }

    /// What stands for the targets that only the answer names, when there is no answer: the writer was dropped or has panicked.
    #[must_use]
    pub fn in_doubt(mut self, targets: Vec<Target>) -> Self {
        self.in_doubt = targets;
        self
    }
}

/// What is known of the answer of a writing function.
pub struct Returned<'a, R, S: Shape<R>> {
    pub(super) shape: S,
    targets: Option<FromValue<'a, S::Value>>,
    pub(super) updates: Vec<OfValue<'a, S::Value>>,
    pub(super) refuse: Option<Refusal<'a, R>>,
}

/// Turns the cache's error into the answer of a writer that is not let run.
pub(super) type Refusal<'a, R> = &'a (dyn Fn(Error) -> R + Sync);

/// Names what the value in an answer makes old.
type FromValue<'a, V> = &'a (dyn Fn(&V) -> Vec<Target> + Sync);

/// Nothing yet but its shape; here the closure over the value learns what it takes.
pub fn returned<'a, R, S: Shape<R>>(_: &Probe<R>, shape: S) -> Returned<'a, R, S> {
    Returned {
        shape,
        targets: None,
        updates: Vec::new(),
        refuse: None,
    }
}

impl<'a, R, S: Shape<R>> Returned<'a, R, S> {
    /// What the value makes old.
    #[must_use]
    pub fn targets(mut self, targets: FromValue<'a, S::Value>) -> Self {
        self.targets = Some(targets);
        self
    }

    /// `on_unreachable = fail`: what is answered, in place of running the body, when the store cannot be reached.
    #[must_use]
    pub fn refuse(mut self, refuse: Refusal<'a, R>) -> Self {
        self.refuse = Some(refuse);
        self
    }
}

/// What `event` makes old.
pub fn event<E: Event>(event: &E) -> Vec<Target> {
    event.targets()
}

/// What any event of this type may make old.
pub fn any_event<E: Event>() -> Vec<Target> {
    E::all_targets()
}

/// Runs `body`, and then makes old what it wrote; announced before, where that was asked for. Dropped after `body` began, it queues the invalidations: the write may have
/// been done.
pub async fn invalidating<R, S: Shape<R>, F: Future<Output = R>>(
    invalidation: Invalidation<'_>,
    returned: Returned<'_, R, S>,
    body: F,
) -> R {
    let Invalidation {
        site,
        cache,
        always,
        crash_safe,
        hold_off,
        mut targets,
        in_doubt,
    } = invalidation;
    let cache = cache.cloned().unwrap_or_else(Cache::current);
    let owed: Vec<_> = targets.iter().cloned().chain(in_doubt).collect();
    // Also one that timed out is taken down in the end: it may be up.
    let mark = crash_safe.map_or(Mark::Untouched, Mark::announced);
    if crash_safe.is_some() || returned.refuse.is_some() {
        match (cache.engine.announce(&owed, mark).await, returned.refuse) {
            (Ok(()), _) => {}
            (Err(error), Some(refuse)) => {
                cache.engine.refused(site, &error);
                return refuse(error);
            }
            (Err(error), None) => {
                tracing::error!(by = site.function, %error, "a write could not be announced: it is not safe against a crash");
            }
        }
    }
    let mut pledge = Pledge::new(&cache.engine, site, owed, hold_off.unwrap_or_default());
    pledge.hold_early(&targets);
    let answer = body.await;
    let written = always || returned.shape.succeeded(&answer);
    if mark != Mark::Untouched {
        // Whatever was marked has to be unmarked, and is made old with it.
        targets = pledge.targets().to_vec();
    }
    if let (true, Some(more), Look::Value(value)) =
        (written, returned.targets, returned.shape.look(&answer))
    {
        targets.extend(more(value));
    }
    if written || mark != Mark::Untouched {
        pledge.change(targets);
        // What fails here is logged, counted and queued there.
        let _ = pledge.redeem(mark).await;
    } else {
        pledge.release();
    }
    answer
}

impl<R, S: Shape<R>> fmt::Debug for Returned<'_, R, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Returned").finish_non_exhaustive()
    }
}
