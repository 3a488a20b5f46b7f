//! Rate limits: how often something may be done in a time, by the whole fleet.

use std::time::Duration;

use crate::cache::Cache;
use crate::counters::LONGEST;
use crate::error::Error;
use crate::key::Key;
use crate::site::Site;

/// How often something may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    limit: u32,
    /// Milliseconds.
    per: u64,
    sliding: bool,
}

impl RateLimit {
    /// At most `limit` in a window of `per`, which begins with the first request. Around the end of a window twice as many may come at once.
    /// `per` is taken as 1 ms at least and ten years at most.
    pub fn fixed(limit: u32, per: Duration) -> Self {
        let per = per.clamp(Duration::from_millis(1), LONGEST);
        Self {
            limit,
            per: u64::try_from(per.as_millis()).unwrap_or(u64::MAX),
            sliding: false,
        }
    }

    /// At most `limit` in any time of `per`, nearly: what was done in the window before counts by the part of it that the last `per` still
    /// covers, as if it had been spread evenly. This is the sliding window counter that Cloudflare describes ("How we built rate limiting
    /// capable of scaling to millions of domains", 2017). It costs two numbers, whatever the limit is.
    ///
    /// The bound: in no time of `per` come as many as `2 * limit`. That worst case has all of a window's requests at its end;
    /// even then the next ones come one by one, `limit` of them in a `per`, never in a burst. Requests that come evenly meet the limit exactly.
    pub fn sliding(limit: u32, per: Duration) -> Self {
        Self {
            sliding: true,
            ..Self::fixed(limit, per)
        }
    }

    pub(crate) fn limit(&self) -> u32 {
        self.limit
    }

    pub(crate) fn per(&self) -> u64 {
        self.per
    }

    pub(crate) fn is_sliding(&self) -> bool {
        self.sliding
    }

    /// Of its window. Limits of other kinds or times count for themselves; a limit that is raised goes on counting.
    pub(crate) fn name(&self) -> String {
        let kind = if self.sliding { "sliding" } else { "fixed" };
        format!("{kind}{}", self.per)
    }
}

/// What a rate limit said. The header fields `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset` (IETF draft
/// "RateLimit header fields for HTTP") are `limit`, `remaining` and `resets_after` in seconds; `Retry-After` (RFC 9110, section 10.2.3), with
/// status 429, is `retry_after` in seconds, rounded up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Allowance {
    /// Whether it may be done.
    pub allowed: bool,
    /// The most that may be done in a window.
    pub limit: u32,
    /// How many more may be done now.
    pub remaining: u32,
    /// When to ask again, where nobody else asks meanwhile. `None` when it was allowed, and when more than the limit was asked for.
    pub retry_after: Option<Duration>,
    /// After so long without requests all of the limit is free.
    pub resets_after: Duration,
}

impl Cache {
    /// Asks whether one more may be done under `limit`, and counts it when it may; a refused request does not count. Limits of one key that differ in kind or
    /// time stand side by side. One round trip; the server's clock decides, so that instances whose clocks differ agree.
    ///
    /// While Redis is away everything is allowed, and counted as `degraded`; ask with [`try_allow`](Self::try_allow) to decide otherwise. Invalidations
    /// do not reach a limit, and it holds also while the cache is switched off.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use cache_runtime::{Cache, Key, RateLimit};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # let cache = Cache::builder().build().unwrap();
    /// let (key, limit) = (Key::new("api", [&7 as _]), RateLimit::sliding(1, Duration::from_secs(60)));
    /// assert!(cache.allow(&key, &limit).await.allowed);
    /// assert!(!cache.allow(&key, &limit).await.allowed);
    /// # }
    /// ```
    pub async fn allow(&self, key: &Key, limit: &RateLimit) -> Allowance {
        self.allow_n(key, limit, 1).await
    }

    /// The same for `n` at once: all of them, or none.
    pub async fn allow_n(&self, key: &Key, limit: &RateLimit, n: u32) -> Allowance {
        let answer = self.try_allow_n(key, limit, n).await;
        answer.unwrap_or(Allowance {
            allowed: true,
            limit: limit.limit,
            remaining: limit.limit,
            retry_after: None,
            resets_after: Duration::ZERO,
        })
    }

    /// Like [`allow`](Self::allow), and tells when it could not be asked.
    ///
    /// # Errors
    /// The key could not be made; or Redis could not be reached, did not answer in time, or refused. After a time-out it may have been counted.
    pub async fn try_allow(&self, key: &Key, limit: &RateLimit) -> Result<Allowance, Error> {
        self.try_allow_n(key, limit, 1).await
    }

    /// Like [`allow_n`](Self::allow_n), and tells when it could not be asked.
    ///
    /// # Errors
    /// As [`try_allow`](Self::try_allow).
    pub async fn try_allow_n(
        &self,
        key: &Key,
        limit: &RateLimit,
        n: u32,
    ) -> Result<Allowance, Error> {
        static SITE: Site = Site::new("Cache::allow", "");
        let engine = &self.engine;
        let allow = async |patience| engine.store.allow(key, limit, n, patience).await;
        engine.by_hand(&SITE, key, allow).await
    }
}

/// What is known of the requests of one key. Times are milliseconds of the store's clock. `limit.lua` does the same in Redis.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    from: u64,
    count: u32,
    /// In the window before.
    before: u32,
}

impl Window {
    pub(crate) fn new(now: u64) -> Self {
        Self {
            from: now,
            count: 0,
            before: 0,
        }
    }

    pub(crate) fn ask(&mut self, limit: &RateLimit, n: u32, now: u64) -> Allowance {
        self.advance(limit, now);
        let [per, gone] = [limit.per, now - self.from].map(|time| time as f64);
        let [most, count, before, n] = [limit.limit, self.count, self.before, n].map(f64::from);
        let mut used = count + before * (per - gone) / per;
        let allowed = used + n <= most;
        let mut retry = None;
        if allowed {
            used += n;
            self.count += n as u32;
        } else if n <= most {
            let wait = if !limit.sliding {
                per - gone
            } else if count + n <= most {
                // Until so much of the window before has passed out of sight.
                (per * (1.0 - (most - count - n) / before)).ceil() - gone
            } else {
                // Until the next window, where what this one counts passes out of sight.
                per - gone + (per * (1.0 - (most - n) / count)).ceil().max(0.0)
            };
            retry = Some(Duration::from_millis(wait.max(1.0) as u64));
        }
        Allowance {
            allowed,
            limit: limit.limit,
            remaining: (most - used).floor().max(0.0) as u32,
            retry_after: retry,
            resets_after: Duration::from_millis(if self.count > 0 {
                self.life(limit, now)
            } else if self.before > 0 {
                limit.per - (now - self.from)
            } else {
                0
            }),
        }
    }

    /// How long it has to be kept.
    pub(crate) fn life(&self, limit: &RateLimit, now: u64) -> u64 {
        let windows = if limit.sliding { 2 } else { 1 };
        windows * limit.per - (now - self.from)
    }

    fn advance(&mut self, limit: &RateLimit, now: u64) {
        self.from = self.from.min(now);
        let gone = now - self.from;
        if limit.sliding && (limit.per..2 * limit.per).contains(&gone) {
            *self = Self {
                from: self.from + limit.per,
                count: 0,
                before: self.count,
            };
        } else if gone >= limit.per {
            *self = Self::new(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PER: u64 = 1000;

    /// When requests were allowed, of those that came with these pauses.
    fn allowed(limit: &RateLimit, pauses: &[u64]) -> Vec<u64> {
        let (mut window, mut now, mut times) = (Window::new(0), 0, Vec::new());
        for pause in pauses {
            now += pause;
            let before = window;
            let said = window.ask(limit, 1, now);
            if said.allowed {
                times.push(now);
            } else {
                let wait = said.retry_after.expect("one is not more than the limit");
                let later = now + wait.as_millis() as u64;
                let mut again = before;
                assert!(again.ask(limit, 1, later).allowed, "after {wait:?}");
            }
            assert!(window.life(limit, now) > 0);
        }
        times
    }

    fn most_within(times: &[u64], per: u64) -> usize {
        let within = |from: u64| times.iter().filter(move |t| (from..from + per).contains(t));
        times
            .iter()
            .map(|from| within(*from).count())
            .max()
            .unwrap_or(0)
    }

    proptest! {
        /// E10: a fixed window is a count from its first request on.
        #[test]
        fn a_fixed_window_is_what_the_model_says(limit in 1_u32..8, pauses in prop::collection::vec(0_u64..700, 1..200)) {
            let (mut now, mut from, mut count, mut expected) = (0, 0, 0, Vec::new());
            for pause in &pauses {
                now += pause;
                if now - from >= PER {
                    (from, count) = (now, 0);
                }
                if count < limit {
                    count += 1;
                    expected.push(now);
                }
            }
            let limit = RateLimit::fixed(limit, Duration::from_millis(PER));
            prop_assert_eq!(allowed(&limit, &pauses), expected);
        }

        /// E10: the bound of a sliding window, and that asking again after `retry_after` succeeds.
        #[test]
        fn no_time_has_twice_the_limit(limit in 1_u32..8, pauses in prop::collection::vec(0_u64..700, 1..200)) {
            let sliding = RateLimit::sliding(limit, Duration::from_millis(PER));
            let times = allowed(&sliding, &pauses);
            prop_assert!(most_within(&times, PER) < 2 * limit as usize);
        }
    }

    #[test]
    fn a_burst_at_the_end_of_a_window_is_followed_by_none() {
        let mut window = Window::new(0);
        let limit = RateLimit::sliding(10, Duration::from_millis(PER));
        assert!(window.ask(&limit, 0, 0).allowed);
        assert!(window.ask(&limit, 10, 999).allowed);
        assert!(!window.ask(&limit, 1, 1000).allowed);
        assert!(window.ask(&limit, 5, 1500).allowed);
        assert_eq!(window.ask(&limit, 11, 5000).retry_after, None);
    }
}
