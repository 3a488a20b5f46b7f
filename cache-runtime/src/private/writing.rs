//! What the expansion of `#[invalidates]` names.

use std::fmt;
use std::future::Future;

use super::{Cache, Look, Probe, Shape, Site, Target};
use crate::engine::Pledge;

/// What a writing function makes old.
#[derive(Debug)]
pub struct Invalidation<'a> {
    site: &'static Site,
    cache: Option<&'a Cache>,
    always: bool,
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
    shape: S,
    targets: Option<FromValue<'a, S::Value>>,
}

/// Names what the value in an answer makes old.
type FromValue<'a, V> = &'a (dyn Fn(&V) -> Vec<Target> + Sync);

/// Nothing yet but its shape; here the closure over the value learns what it takes.
pub fn returned<'a, R, S: Shape<R>>(_: &Probe<R>, shape: S) -> Returned<'a, R, S> {
    Returned {
        shape,
        targets: None,
    }
}

impl<'a, R, S: Shape<R>> Returned<'a, R, S> {
    /// What the value makes old.
    #[must_use]
    pub fn targets(mut self, targets: FromValue<'a, S::Value>) -> Self {
        self.targets = Some(targets);
        self
    }
}

/// Runs `body`, and then makes old what it wrote. Dropped after `body` began, it queues the invalidations: the write may have
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
        mut targets,
        in_doubt,
    } = invalidation;
    let cache = cache.cloned().unwrap_or_else(Cache::current);
    let owed = targets.iter().cloned().chain(in_doubt).collect();
    let pledge = Pledge::new(&cache.engine, site, owed);
    let answer = body.await;
    let written = always || returned.shape.succeeded(&answer);
    if let (true, Some(more), Look::Value(value)) =
        (written, returned.targets, returned.shape.look(&answer))
    {
        targets.extend(more(value));
    }
    // From here on the engine keeps the pledge.
    pledge.release();
    if written {
        // What fails here is logged, counted and queued there.
        let _ = cache.engine.invalidate(site, targets).await;
    }
    answer
}

impl<R, S: Shape<R>> fmt::Debug for Returned<'_, R, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Returned").finish_non_exhaustive()
    }
}
