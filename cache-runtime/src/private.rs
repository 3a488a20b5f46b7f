//! Everything that an expansion may name. Not for use by hand: it changes without notice.

use std::future::Future;
use std::time::Duration;

pub use crate::cache::Cache;
use crate::codec::Storable;
use crate::engine::{Loaded, Request, Step};
use crate::envelope;
pub use crate::key::{Key, KeyPart, Pattern, Segment, Tag, Target};
use crate::scope::{self, Mode};
pub use crate::shape::{
    IntoAnswer, Look, Shape, ViaJson, ViaNested, ViaPlain, ViaResult, probe, probe_type,
};
pub use crate::site::Site;

/// A key part, as the builders of keys take it.
pub fn part<T: KeyPart>(value: &T) -> &dyn KeyPart {
    value
}

/// The key of a call.
pub fn key(site: &'static Site, parts: &[&dyn KeyPart]) -> Key {
    Key::of(site.template, parts)
}

/// All keys of a function that agree with the parts that are given.
pub fn pattern(site: &'static Site, parts: &[Option<&dyn KeyPart>]) -> Pattern {
    Pattern::of(site.template, parts)
}

/// A pattern string; the expansion has checked it.
pub fn pattern_of(template: &'static str, parts: &[&dyn KeyPart]) -> Pattern {
    let parts: Vec<_> = parts.iter().copied().map(Some).collect();
    Pattern::of(template, &parts)
}

/// A tag string; the expansion has checked it.
pub fn tag(template: &'static str, parts: &[&dyn KeyPart]) -> Tag {
    Tag::of(template, parts)
}

/// Encodes a value that the body will move away.
pub fn segment(value: &dyn KeyPart) -> Segment {
    Segment::of(value)
}

/// One call of a cached function: everything about it but its types.
#[derive(Debug)]
pub struct Call<'a> {
    site: &'static Site,
    key: Key,
    cache: Option<&'a Cache>,
    ttl: Option<Duration>,
    none_ttl: Option<Duration>,
    skip_lookup: bool,
    tags: Vec<Tag>,
}

impl<'a> Call<'a> {
    /// A call under the site's own policy, in the default cache.
    pub fn new(site: &'static Site, key: Key) -> Self {
        Self {
            site,
            key,
            cache: None,
            ttl: site.ttl,
            none_ttl: site.none_ttl,
            skip_lookup: false,
            tags: Vec::new(),
        }
    }

    /// Another cache than the installed one.
    #[must_use]
    pub fn cache(mut self, cache: &'a Cache) -> Self {
        self.cache = Some(cache);
        self
    }

    /// Expiry that is not a literal.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Expiry of `None` that is not a literal.
    #[must_use]
    pub fn none_ttl(mut self, ttl: Duration) -> Self {
        self.none_ttl = Some(ttl);
        self
    }

    /// Does not look, and stores the fresh answer.
    #[must_use]
    pub fn skip_lookup(mut self, skip: bool) -> Self {
        self.skip_lookup = skip;
        self
    }

    /// The groups that the answer belongs to.
    #[must_use]
    pub fn tags(mut self, tags: Vec<Tag>) -> Self {
        self.tags = tags;
        self
    }

    fn mode(&self) -> Mode {
        match scope::take(self.site) {
            Mode::Usual if self.skip_lookup => Mode::Refresh,
            mode => mode,
        }
    }

    fn request(&self, mode: Mode) -> Request<'_> {
        Request {
            site: self.site,
            key: &self.key,
            tags: &self.tags,
            mode,
        }
    }

    /// What the cache is to make of `answer`; `None` when it may be neither shared nor stored.
    fn judge<R, S: Shape<R>>(
        &self,
        shape: S,
        rules: &Rules<'_, S::Value>,
        answer: &R,
        default_ttl: Duration,
    ) -> Result<Option<Loaded>, Unencodable>
    where
        S::Value: Storable,
    {
        let mut entry = envelope::begin();
        match shape.look(answer) {
            Look::Failed => Ok(None),
            Look::Absent => Ok(Some(Loaded {
                entry,
                absent: true,
                ttl: self.none_ttl,
            })),
            Look::Value(value) => {
                if !value.encode(&mut entry) {
                    return Err(Unencodable);
                }
                let keep = rules.cache_if.is_none_or(|cache_if| cache_if(value));
                let ttl = || {
                    rules
                        .ttl_with
                        .map(|ttl_with| ttl_with(value))
                        .or(self.ttl)
                        .unwrap_or(default_ttl)
                };
                Ok(Some(Loaded {
                    entry,
                    absent: false,
                    ttl: keep.then(ttl),
                }))
            }
        }
    }
}

struct Unencodable;

/// Conditions that look at the value.
pub struct Rules<'a, V> {
    /// Whether it is stored.
    pub cache_if: Option<&'a (dyn Fn(&V) -> bool + Sync)>,
    /// Its expiry.
    pub ttl_with: Option<&'a (dyn Fn(&V) -> Duration + Sync)>,
}

impl<V> std::fmt::Debug for Rules<'_, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rules")
            .field("cache_if", &self.cache_if.is_some())
            .field("ttl_with", &self.ttl_with.is_some())
            .finish()
    }
}

/// Answers a call from the cache, or by `load`.
pub async fn cached<R, S: Shape<R>, F: Future<Output = R>>(
    call: Call<'_>,
    shape: S,
    rules: Rules<'_, S::Value>,
    load: F,
) -> R
where
    S::Value: Storable,
{
    let cache = call.cache.cloned().unwrap_or_else(Cache::current);
    let mut session = cache.engine.session(call.request(call.mode()));
    loop {
        match session.step().await {
            Step::Found(found) => match decode(shape, found.value()) {
                Some(answer) => {
                    session.served(&found);
                    return answer;
                }
                None => session.distrust(&found),
            },
            Step::Alone => {
                let answer = load.await;
                session.count_failure(shape.look(&answer));
                return answer;
            }
            Step::Lead(loading) => {
                let answer = load.await;
                session.count_failure(shape.look(&answer));
                let judged = call.judge(shape, &rules, &answer, cache.engine.default_ttl);
                let loaded = judged.unwrap_or_else(|Unencodable| {
                    session.not_encodable();
                    None
                });
                session.settle(loading, loaded).await;
                return answer;
            }
        }
    }
}

fn decode<R, S: Shape<R>>(shape: S, value: Option<&[u8]>) -> Option<R>
where
    S::Value: Storable,
{
    match value {
        Some(bytes) => S::Value::decode(bytes).map(|value| shape.found(value)),
        None => shape.absent(),
    }
}

/// Makes `target` old.
pub async fn invalidate(site: &'static Site, cache: Option<&Cache>, target: Target) {
    let cache = cache.cloned().unwrap_or_else(Cache::current);
    // Logged and counted where it happened.
    let _ = cache.engine.invalidate(site, &[target]).await;
}

/// The stored answer, if there is a current one.
pub async fn peek<R, S: Shape<R>>(call: Call<'_>, shape: S) -> Option<R>
where
    S::Value: Storable,
{
    let cache = call.cache.cloned().unwrap_or_else(Cache::current);
    let session = cache.engine.session(call.request(Mode::Usual));
    let found = session.peek().await?;
    decode(shape, found.value())
}

/// Stores `answer` as though the function had answered it.
pub async fn put<R, S: Shape<R>>(call: Call<'_>, shape: S, rules: Rules<'_, S::Value>, answer: R)
where
    S::Value: Storable,
{
    let cache = call.cache.cloned().unwrap_or_else(Cache::current);
    let session = cache.engine.session(call.request(Mode::Refresh));
    match call.judge(shape, &rules, &answer, cache.engine.default_ttl) {
        Ok(Some(loaded)) => session.put(loaded).await,
        Ok(None) => {}
        Err(Unencodable) => session.not_encodable(),
    }
}

/// Runs `call` so that it loads and replaces what is stored.
pub async fn refreshing<F: Future>(site: &'static Site, call: F) -> F::Output {
    scope::within(site, Mode::Refresh, call).await
}

/// Runs `call` so that it leaves the cache alone.
pub async fn uncached<F: Future>(site: &'static Site, call: F) -> F::Output {
    scope::within(site, Mode::Uncached, call).await
}

/// What a writing function makes old.
#[derive(Debug)]
pub struct Invalidation<'a> {
    site: &'static Site,
    cache: Option<&'a Cache>,
    always: bool,
    targets: Vec<Target>,
}

impl<'a> Invalidation<'a> {
    /// Nothing yet, after success.
    pub fn new(site: &'static Site) -> Self {
        Self {
            site,
            cache: None,
            always: false,
            targets: Vec::new(),
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
}

/// What the answer of a writing function makes old.
pub type FromResult<'a, V> = &'a (dyn Fn(&V) -> Vec<Target> + Sync);

/// Runs `body`, and then makes old what it wrote.
pub async fn invalidating<R, S: Shape<R>, F: Future<Output = R>>(
    invalidation: Invalidation<'_>,
    shape: S,
    from_result: Option<FromResult<'_, S::Value>>,
    body: F,
) -> R {
    let answer = body.await;
    if invalidation.always || shape.succeeded(&answer) {
        let mut targets = invalidation.targets;
        if let (Some(from_result), Look::Value(value)) = (from_result, shape.look(&answer)) {
            targets.extend(from_result(value));
        }
        let cache = invalidation.cache.cloned().unwrap_or_else(Cache::current);
        // Logged and counted where it happened.
        let _ = cache.engine.invalidate(invalidation.site, &targets).await;
    }
    answer
}
