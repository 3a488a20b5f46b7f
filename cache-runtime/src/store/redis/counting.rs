//! Counters and rate limits. A request is never sent twice: it would count twice.

use std::time::Duration;

use redis::Cmd;

use super::script::Script;
use super::{Redis, milliseconds};
use crate::key::Key;
use crate::rate_limit::{Allowance, RateLimit};
use crate::store::{Counting, StoreError};

static COUNT: Script = Script::new(include_str!("count.lua"));
static LIMIT: Script = Script::new(include_str!("limit.lua"));

impl Redis {
    pub(crate) async fn count(
        &self,
        key: &Key,
        counting: Counting,
        patience: Duration,
    ) -> Result<i64, StoreError> {
        let mut script = COUNT.call();
        script
            .key(self.counter_of(key))
            .arg(counting.by)
            .arg(milliseconds(counting.life))
            .arg(u8::from(counting.prolongs));
        let script = &script;
        let place = self.place_of(script);
        self.attempt_once(place, patience, move |live| async move {
            script.invoke(&live).await
        })
        .await
    }

    pub(crate) async fn counter(
        &self,
        key: &Key,
        patience: Duration,
    ) -> Result<Option<i64>, StoreError> {
        let name = self.counter_of(key);
        let get = &Cmd::get(&name);
        self.attempt(self.place(&name), patience, move |live| async move {
            get.query_async(&mut live.connection()).await
        })
        .await
    }

    pub(crate) async fn reset_counter(
        &self,
        key: &Key,
        patience: Duration,
    ) -> Result<(), StoreError> {
        self.unlink(&[self.counter_of(key)], patience).await
    }

    pub(crate) async fn allow(
        &self,
        key: &Key,
        limit: &RateLimit,
        n: u32,
        patience: Duration,
    ) -> Result<Allowance, StoreError> {
        let name = format!("{0}%limit:{{{0}{key}}}:{1}", self.prefix, limit.name());
        let mut script = LIMIT.call();
        script
            .key(name)
            .arg(limit.limit())
            .arg(limit.per())
            .arg(n)
            .arg(u8::from(limit.is_sliding()));
        let script = &script;
        let place = self.place_of(script);
        self.attempt_once(place, patience, move |live| async move {
            let (allowed, remaining, retry, reset): (bool, u32, i64, u64) =
                script.invoke(&live).await?;
            Ok(Allowance {
                allowed,
                limit: limit.limit(),
                remaining,
                retry_after: u64::try_from(retry).ok().map(Duration::from_millis),
                resets_after: Duration::from_millis(reset),
            })
        })
        .await
    }

    fn counter_of(&self, key: &Key) -> String {
        format!("{0}%count:{{{0}{key}}}", self.prefix)
    }
}
