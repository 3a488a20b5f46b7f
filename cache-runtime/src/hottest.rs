//! The hottest keys of a function, as its arguments.

use std::fmt;
use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use crate::cache::Cache;
use crate::key;
use crate::site::Site;

/// The hottest keys of a function, for [`Warming::hottest`](crate::Warming::hottest): made by `agent::hottest(100)` beside a cached function or a
/// declaration of [`cache_keys!`](crate::cache_keys), and by `goal_hottest(100)` beside a method.
///
/// `T` is what stands in a key: one value, a tuple of several in the order of the key, or `()`. Where the key is made of parameters as they are, it is
/// their types; else (`key = user.id`) it is what the warming's closure says.
#[must_use = "it does nothing by itself"]
pub struct Hottest<T> {
    site: &'static Site,
    most: usize,
    cache: Option<Cache>,
    arguments: PhantomData<fn() -> T>,
}

impl<T> Hottest<T> {
    pub(crate) fn new(site: &'static Site, most: usize) -> Self {
        Self {
            site,
            most,
            cache: None,
            arguments: PhantomData,
        }
    }

    /// Those that this cache remembers; for a function with `cache = expr`. Default: [`Cache::current`].
    pub fn of(mut self, cache: &Cache) -> Self {
        self.cache = Some(cache.clone());
        self
    }

    /// The arguments of each; `None` for a key that cannot be read back.
    pub(crate) async fn recall(self) -> Vec<Option<T>>
    where
        T: DeserializeOwned,
    {
        let cache = self.cache.unwrap_or_else(Cache::current);
        let template = self.site.template;
        let keys = cache.engine.hottest(template, self.most).await;
        keys.iter().map(|key| key::values(template, key)).collect()
    }
}

impl<T> fmt::Debug for Hottest<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hottest")
            .field("keys", &self.site.template)
            .field("most", &self.most)
            .finish_non_exhaustive()
    }
}
