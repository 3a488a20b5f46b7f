//! A call, its answer's shape, and the conditions on it, as the expansion gives them.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::{Cache, Errors, Key, Look, Probe, Shape, Site, Tag};
use crate::codec::{Codec, Nearby, Storable};
use crate::engine::{Found, Loaded, Request, Session};
use crate::envelope;
use crate::near;
use crate::policy::Policy;
use crate::scope::{self, Mode};
use crate::shape::SharedError;

/// One call of a cached function: everything about it but its types.
#[derive(Debug)]
pub struct Call<'a> {
    site: &'static Site,
    key: Key,
    cache: Option<&'a Cache>,
    /// The installed one, where no other was given, and once more than a near hit is asked of it.
    installed: OnceLock<Cache>,
    /// The site's, where no time had to be computed.
    own: Option<Box<Policy>>,
    skip_lookup: bool,
    tags: Vec<Tag>,
    /// How it is made, once that was asked.
    mode: Option<Mode>,
}

impl<'a> Call<'a> {
    /// A call under the site's own policy, in the default cache.
    pub fn new(site: &'static Site, key: Key) -> Self {
        Self {
            site,
            key,
            cache: None,
            installed: OnceLock::new(),
            own: None,
            skip_lookup: false,
            tags: Vec::new(),
            mode: None,
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

    /// The cache that it is made of.
    pub(super) fn of_cache(&self) -> &Cache {
        self.cache
            .unwrap_or_else(|| self.installed.get_or_init(Cache::current))
    }

    pub(super) fn policy(&self) -> &Policy {
        self.own.as_deref().unwrap_or(&self.site.policy)
    }

    /// Its policy, to be changed.
    pub(crate) fn own(&mut self) -> &mut Policy {
        self.own.get_or_insert_with(|| Box::new(self.site.policy))
    }

    /// The same call for the background.
    pub(super) fn owned(&self) -> Call<'static> {
        Call {
            site: self.site,
            key: self.key.clone(),
            cache: None,
            installed: OnceLock::from(self.of_cache().clone()),
            own: self.own.clone(),
            skip_lookup: false,
            tags: self.tags.clone(),
            mode: None,
        }
    }

    pub(super) fn key(&self) -> &Key {
        &self.key
    }

    pub(super) fn function(&self) -> &'static str {
        self.site.function
    }

    /// How it is to be made; what was said for the next call is said for this one from then on.
    pub(super) fn mode(&mut self) -> Mode {
        *self
            .mode
            .get_or_insert_with(|| match scope::take(self.site) {
                Mode::Usual if self.skip_lookup => Mode::Refresh,
                mode => mode,
            })
    }

    /// Begins to answer it.
    pub(super) fn session(&self, mode: Mode) -> Session<'_> {
        self.of_cache().engine.call(self.request(mode))
    }

    /// Begins to load for it without a caller who waits.
    pub(super) fn background_session(&self) -> Session<'_> {
        let request = self.request(Mode::Usual);
        self.of_cache().engine.background_session(request)
    }

    pub(super) fn request(&self, mode: Mode) -> Request<'_> {
        Request {
            site: self.site,
            key: &self.key,
            tags: &self.tags,
            mode,
            policy: self.policy(),
        }
    }

    fn near_hit(&mut self, take: &mut dyn FnMut(&near::Value) -> bool) {
        let mode = self.mode();
        let request = self.request(mode);
        match self.cache {
            Some(cache) => cache.engine.near_hit(&request, take),
            None => Cache::with_installed(|engine| engine.near_hit(&request, take)),
        };
    }

    /// What the cache is to make of `answer`.
    pub fn judge<R, S: Shape<R>>(
        &self,
        stored: Stored<R, S>,
        rules: &Rules<'_, R, S::Value>,
        answer: &R,
    ) -> Judged {
        let engine = &self.of_cache().engine;
        let mut entry = envelope::begin();
        let wanted = engine.codec_of::<S::Value>(&self.policy().storage);
        let loaded = match stored.shape.look(answer) {
            Look::Failed => None,
            Look::Absent => Some(Loaded {
                entry,
                codec: wanted,
                fell_back: false,
                absent: true,
                ttl: self.policy().none_ttl,
            }),
            Look::Value(value) => {
                let Some(codec) = (stored.encode)(value, wanted, &mut entry) else {
                    return Judged(Err(Unencodable));
                };
                let keep = rules.cache_if.is_none_or(|cache_if| cache_if(value));
                let ttl = || {
                    let ttl = rules.ttl_with.map(|ttl_with| ttl_with(value));
                    ttl.or(self.policy().ttl).unwrap_or(engine.default_ttl)
                };
                Some(Loaded {
                    entry,
                    codec,
                    fell_back: codec != wanted,
                    absent: false,
                    ttl: keep.then(ttl),
                })
            }
        };
        Judged(Ok(loaded))
    }
}

/// The answer that the near cache has for a call, before anything is set up that only others need. Otherwise the call goes its whole way.
#[inline]
pub fn near<R, S: Shape<R>>(call: &mut Call<'_>, stored: Stored<R, S>) -> Option<R> {
    let mut answer = None;
    let take = stored.near?.take;
    call.near_hit(&mut |kept| {
        take(stored.shape, kept, &mut answer);
        answer.is_some()
    });
    answer
}

/// What the cache is to make of an answer.
#[derive(Debug)]
pub struct Judged(Result<Option<Loaded>, Unencodable>);

#[derive(Debug)]
struct Unencodable;

impl Judged {
    /// `None` when it may be neither shared nor stored.
    pub(super) fn loaded(self, tell_unencodable: impl FnOnce()) -> Option<Loaded> {
        self.0.unwrap_or_else(|Unencodable| {
            tell_unencodable();
            None
        })
    }
}

/// How the value in an answer `R` is found, and how it is written and read.
pub struct Stored<R, S: Shape<R>> {
    pub(super) shape: S,
    encode: fn(&S::Value, Codec, &mut Vec<u8>) -> Option<Codec>,
    decode: fn(Codec, &[u8]) -> Option<S::Value>,
    near: Option<NearBy<R, S>>,
    errors: Option<Errors<R>>,
}

/// What the near cache keeps of an answer, and the answer that it has kept: nothing of it is compiled for functions without one.
struct NearBy<R, S> {
    keep: fn(S, &R) -> Option<near::Value>,
    /// Puts it there, so that a large answer is moved as seldom as can be.
    take: fn(S, &near::Value, &mut Option<R>),
}

impl<R, S> Copy for NearBy<R, S> {}

impl<R, S> Clone for NearBy<R, S> {
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
        errors: None,
    }
}

/// The same for a function with a near cache: its values are kept as they are, and cloned.
pub fn stored_near<R, S: Shape<R>>(probe: &Probe<R>, shape: S) -> Stored<R, S>
where
    S::Value: Storable + Nearby,
{
    let near = NearBy::<R, S> {
        keep: |shape, answer| match shape.look(answer) {
            Look::Value(value) => Some(Some(Arc::new(value.clone()))),
            Look::Absent => Some(None),
            Look::Failed => None,
        },
        take: |shape, kept, answer| match kept {
            Some(kept) => {
                if let Some(value) = kept.downcast_ref::<S::Value>() {
                    *answer = Some(shape.found(value.clone()));
                }
            }
            None => *answer = shape.absent(),
        },
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

    /// How an `Err` is given to all that wait for it.
    #[must_use]
    pub fn errors(mut self, errors: Option<Errors<R>>) -> Self {
        self.errors = errors;
        self
    }

    /// The error in `answer`, for all that wait for it.
    pub(super) fn error(&self, answer: &R) -> Option<SharedError> {
        (self.errors?.take)(answer)
    }

    /// The answer with another caller's error.
    pub(super) fn failed(&self, error: &SharedError) -> Option<R> {
        (self.errors?.give)(error)
    }

    /// The answer that `found` stands for.
    pub(super) fn answer(&self, found: &Found) -> Option<R> {
        match found.value() {
            Some((codec, bytes)) => {
                (self.decode)(codec, bytes).map(|value| self.shape.found(value))
            }
            None => self.shape.absent(),
        }
    }

    /// The answer that the near cache has kept.
    pub(super) fn near_answer(&self, kept: &near::Value) -> Option<R> {
        let mut answer = None;
        (self.near?.take)(self.shape, kept, &mut answer);
        answer
    }

    /// What the near cache keeps of an answer.
    pub(super) fn kept(&self, answer: &R) -> Option<near::Value> {
        (self.near?.keep)(self.shape, answer)
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
    pub(super) on_timeout: Option<&'a (dyn Fn() -> R + Sync)>,
}

impl<R, V> Copy for Rules<'_, R, V> {}

impl<R, V> Clone for Rules<'_, R, V> {
    fn clone(&self) -> Self {
        *self
    }
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
