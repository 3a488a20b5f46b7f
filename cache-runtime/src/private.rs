//! Everything that an expansion may name. Not for use by hand: it changes without notice.

mod owned;
mod writing;

use std::any::Any;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

pub use self::owned::{Lasting, Own, Owned, lasts, lend, own};
pub use self::writing::{Invalidation, Returned, any_event, event, invalidating, returned};

pub use crate::cache::Cache;
use crate::codec::{Nearby, Storable};
use crate::engine::{Found, Loaded, Request, Step};
use crate::envelope;
pub use crate::error::Error;
pub use crate::event::Event;
pub use crate::key::{Key, KeyPart, Pattern, Segment, Tag, Target};
use crate::near;
use crate::policy::Policy;
pub use crate::policy::SingleFlight;
use crate::scope::{self, Mode};
pub use crate::shape::{
    IntoAnswer, Look, Probe, Shape, ViaDeep, ViaNested, ViaPlain, ViaResult, probe, probe_load,
    probe_type,
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

/// The same where the answer that a part is taken from is not known: `*` in its place.
pub fn pattern_in_doubt(template: &'static str, parts: &[Option<&dyn KeyPart>]) -> Pattern {
    Pattern::of(template, parts)
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
    pub(crate) policy: Policy,
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
            policy: site.policy,
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
            local: self.policy.local,
            site: self.site,
            key: &self.key,
            tags: &self.tags,
            mode,
        }
    }

    /// What the cache is to make of `answer`; `None` when it may be neither shared nor stored.
    fn judge<R, S: Shape<R>>(
        &self,
        stored: Stored<R, S>,
        rules: &Rules<'_, R, S::Value>,
        answer: &R,
        default_ttl: Duration,
    ) -> Result<Option<Loaded>, Unencodable> {
        let mut entry = envelope::begin();
        match stored.shape.look(answer) {
            Look::Failed => Ok(None),
            Look::Absent => Ok(Some(Loaded {
                entry,
                absent: true,
                ttl: self.policy.none_ttl,
            })),
            Look::Value(value) => {
                if !(stored.encode)(value, &mut entry) {
                    return Err(Unencodable);
                }
                let keep = rules.cache_if.is_none_or(|cache_if| cache_if(value));
                let ttl = || {
                    let ttl = rules.ttl_with.map(|ttl_with| ttl_with(value));
                    ttl.or(self.policy.ttl).unwrap_or(default_ttl)
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

/// How the value in an answer `R` is found, and how it is written and read.
pub struct Stored<R, S: Shape<R>> {
    shape: S,
    encode: fn(&S::Value, &mut Vec<u8>) -> bool,
    decode: fn(&[u8]) -> Option<S::Value>,
    near: Option<NearBy<S::Value>>,
}

/// How a value is kept in the near cache, and taken from it.
struct NearBy<V> {
    keep: fn(&V) -> Arc<dyn Any + Send + Sync>,
    take: fn(&(dyn Any + Send + Sync)) -> Option<V>,
}

impl<V> Copy for NearBy<V> {}

impl<V> Clone for NearBy<V> {
    fn clone(&self) -> Self {
        *self
    }
}

/// The one place that asks for [`Storable`], so that an answer that is not is reported once.
pub fn stored<R, S: Shape<R>>(_: &Probe<R>, shape: S) -> Stored<R, S>
where
    S::Value: Storable,
{
    Stored {
        shape,
        encode: S::Value::encode,
        decode: S::Value::decode,
        near: None,
    }
}

/// The same for a function with a near cache: its values are kept as they are, and cloned.
pub fn stored_near<R, S: Shape<R>>(probe: &Probe<R>, shape: S) -> Stored<R, S>
where
    S::Value: Storable + Nearby,
{
    let near = NearBy {
        keep: |value: &S::Value| Arc::new(value.clone()),
        take: |kept| kept.downcast_ref::<S::Value>().cloned(),
    };
    Stored {
        near: Some(near),
        ..stored(probe, shape)
    }
}

impl<R, S: Shape<R>> Stored<R, S> {
    /// No conditions yet; here their closures learn what they take.
    pub fn rules<'a>(&self) -> Rules<'a, R, S::Value> {
        Rules {
            cache_if: None,
            ttl_with: None,
            on_timeout: None,
        }
    }

    /// The answer that `found` stands for.
    fn answer(&self, found: &Found) -> Option<R> {
        match found.value() {
            Some(bytes) => (self.decode)(bytes).map(|value| self.shape.found(value)),
            None => self.shape.absent(),
        }
    }

    /// The answer that the near cache has kept.
    fn near_answer(&self, kept: &near::Value) -> Option<R> {
        match kept {
            Some(kept) => (self.near?.take)(&**kept).map(|value| self.shape.found(value)),
            None => self.shape.absent(),
        }
    }

    /// What the near cache keeps of an answer.
    fn kept(&self, answer: &R) -> Option<near::Value> {
        match self.shape.look(answer) {
            Look::Value(value) => Some(Some((self.near?.keep)(value))),
            Look::Absent => Some(None),
            Look::Failed => None,
        }
    }
}

impl<R, S: Shape<R>> Copy for Stored<R, S> {}

impl<R, S: Shape<R>> Clone for Stored<R, S> {
    fn clone(&self) -> Self {
        *self
    }
}

/// Conditions that look at the value, and what is answered in the place of one.
pub struct Rules<'a, R, V> {
    cache_if: Option<&'a (dyn Fn(&V) -> bool + Sync)>,
    ttl_with: Option<&'a (dyn Fn(&V) -> Duration + Sync)>,
    on_timeout: Option<&'a (dyn Fn() -> R + Sync)>,
}

impl<'a, R, V> Rules<'a, R, V> {
    /// Whether the value is stored.
    #[must_use]
    pub fn cache_if(mut self, cache_if: &'a (dyn Fn(&V) -> bool + Sync)) -> Self {
        self.cache_if = Some(cache_if);
        self
    }

    /// Its expiry.
    #[must_use]
    pub fn ttl_with(mut self, ttl_with: &'a (dyn Fn(&V) -> Duration + Sync)) -> Self {
        self.ttl_with = Some(ttl_with);
        self
    }

    /// The answer when the load takes longer than `load_timeout`.
    #[must_use]
    pub fn on_timeout(mut self, on_timeout: &'a (dyn Fn() -> R + Sync)) -> Self {
        self.on_timeout = Some(on_timeout);
        self
    }
}

/// Answers a call from the cache, or by `load`.
pub async fn cached<R, S: Shape<R>, F: Future<Output = R>>(
    call: Call<'_>,
    stored: Stored<R, S>,
    rules: Rules<'_, R, S::Value>,
    load: F,
) -> R {
    let cache = call.cache.cloned().unwrap_or_else(Cache::current);
    let mut session = cache.engine.session(call.request(call.mode()));
    let loading = loop {
        match session.step().await {
            Step::Near(kept) => {
                if let Some(answer) = stored.near_answer(&kept) {
                    session.served_near();
                    return answer;
                }
                // Another instance of the same generic function has it under the same key.
                session.leave_near();
            }
            Step::Found(found) => match stored.answer(&found) {
                Some(answer) => {
                    session.served(&found, || stored.kept(&answer));
                    return answer;
                }
                None => session.distrust(&found),
            },
            Step::Lead(loading) => break Some(loading),
            Step::Alone => break None,
        }
    };
    let answer = load.await;
    if matches!(stored.shape.look(&answer), Look::Failed) {
        session.failed();
    }
    if let Some(loading) = loading {
        let judged = call.judge(stored, &rules, &answer, cache.engine.default_ttl);
        let loaded = judged.unwrap_or_else(|Unencodable| {
            session.not_encodable();
            None
        });
        session
            .settle(loading, loaded, || stored.kept(&answer))
            .await;
    }
    answer
}

/// The same for a load that owns what it needs, so that it can begin, and go on, without its caller.
pub async fn cached_owned<R, S, L, F>(
    call: Call<'_>,
    stored: Stored<R, S>,
    rules: Rules<'static, R, S::Value>,
    load: L,
) -> R
where
    R: Send + 'static,
    S: Shape<R> + Send + 'static,
    L: FnOnce() -> F,
    F: Future<Output = R> + Send + 'static,
{
    cached(call, stored, rules, async move { load().await }).await
}

/// Makes `target` old.
pub async fn invalidate(site: &'static Site, cache: Option<&Cache>, target: Target) {
    let cache = cache.cloned().unwrap_or_else(Cache::current);
    // What fails here is logged, counted and queued there.
    let _ = cache.engine.invalidate(site, vec![target]).await;
}

/// The stored answer, if there is a current one.
pub async fn peek<R, S: Shape<R>>(call: Call<'_>, stored: Stored<R, S>) -> Option<R> {
    let cache = call.cache.cloned().unwrap_or_else(Cache::current);
    let session = cache.engine.session(call.request(Mode::Usual));
    let found = session.peek().await?;
    stored.answer(&found)
}

/// Stores `answer` as though the function had answered it.
pub async fn put<R, S: Shape<R>>(
    call: Call<'_>,
    stored: Stored<R, S>,
    rules: Rules<'_, R, S::Value>,
    answer: R,
) {
    let cache = call.cache.cloned().unwrap_or_else(Cache::current);
    let mut session = cache.engine.session(call.request(Mode::Refresh));
    match call.judge(stored, &rules, &answer, cache.engine.default_ttl) {
        Ok(Some(loaded)) => session.put(loaded, || stored.kept(&answer)).await,
        Ok(None) => {}
        Err(Unencodable) => session.not_encodable(),
    }
}

/// Runs `call` so that it loads and replaces what is stored.
pub fn refreshing<F: Future>(
    site: &'static Site,
    call: F,
) -> impl Future<Output = F::Output> + use<F> {
    scope::within(site, Mode::Refresh, call)
}

/// Runs `call` so that it leaves the cache alone.
pub fn uncached<F: Future>(
    site: &'static Site,
    call: F,
) -> impl Future<Output = F::Output> + use<F> {
    scope::within(site, Mode::Uncached, call)
}

macro_rules! opaque {
    ($($type:ty, $name:literal, [$($generics:tt)*];)*) => {$(
        impl<$($generics)*> std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct($name).finish_non_exhaustive()
            }
        }
    )*};
}

opaque! {
    Stored<R, S>, "Stored", [R, S: Shape<R>];
    Rules<'_, R, V>, "Rules", [R, V];
}
