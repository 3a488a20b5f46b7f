//! What calls of cached functions say about the answer that was made of theirs.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::time::Duration;

use http::header::{AGE, CACHE_CONTROL, HeaderName};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use super::Options;
use super::asked::Manner;
use crate::source::{Observations, Source};

const X_CACHE: HeaderName = HeaderName::from_static("x-cache");
const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
const X_PROCESS_TIME: HeaderName = HeaderName::from_static("x-process-time");
const X_QUERY_COUNT: HeaderName = HeaderName::from_static("x-query-count");
const X_QUERY_TIME: HeaderName = HeaderName::from_static("x-query-time");

/// All calls of a request together.
#[derive(Debug)]
pub(super) struct Told {
    /// How many answers came from where.
    counts: BTreeMap<Source, usize>,
    /// Of the oldest answer that came from the cache.
    age: Option<Duration>,
    /// For how long all of them are fresh yet.
    fresh: Duration,
    reloaded: bool,
}

impl Told {
    pub(super) fn of(seen: &Observations, manner: Manner) -> Self {
        let mut counts = BTreeMap::new();
        for call in &seen.calls {
            *counts.entry(call.source).or_default() += 1;
        }
        let calls = seen.calls.iter();
        let stored = calls.clone().filter(|call| call.source <= Source::Stale);
        // Of more calls than were observed nobody knows.
        let fresh = calls.map(|call| call.fresh).min();
        Self {
            counts,
            age: stored.filter_map(|call| call.age).max(),
            fresh: fresh.filter(|_| seen.more == 0).unwrap_or_default(),
            reloaded: manner == Manner::Reload,
        }
    }

    /// How long the answer may be kept, where the service does not say so itself.
    pub(super) fn caching<B>(&self, options: &Options, response: &mut Response<B>) {
        let status = response.status();
        let headers = response.headers_mut();
        // A service that says one of the two means its own answer, not what that is made of.
        if headers.contains_key(CACHE_CONTROL) {
            return;
        }
        if headers.contains_key(AGE) {
            return or_insert(headers, CACHE_CONTROL, "private, no-cache");
        }
        if let Some(age) = self.age {
            or_insert(headers, AGE, age.as_secs());
        }
        let kept = match status {
            StatusCode::OK => options.max_age.min(self.fresh).as_secs(),
            _ => 0,
        };
        if kept == 0 {
            return or_insert(headers, CACHE_CONTROL, "private, no-cache");
        }
        // A client takes the age off again.
        let max_age = self.age.unwrap_or_default().as_secs() + kept;
        let mut control = format!("private, max-age={max_age}");
        let window = options.stale_while_revalidate.as_secs();
        if window > 0 {
            // Into a string that cannot fail.
            let _ = write!(control, ", stale-while-revalidate={window}");
        }
        or_insert(headers, CACHE_CONTROL, control);
    }

    /// What the cache did.
    pub(super) fn diagnostics(&self, headers: &mut HeaderMap) {
        let Some((&worst, _)) = self.counts.last_key_value() else {
            return;
        };
        let word = match worst {
            Source::NearHit | Source::Hit => "HIT",
            Source::Stale => "STALE",
            Source::Coalesced | Source::Load => "MISS",
            Source::Bypass | Source::Degraded => "BYPASS",
        };
        headers.insert(X_CACHE, HeaderValue::from_static(word));
        // Beside what caches on the way to the source have said.
        headers.append(CACHE_STATUS, value(self.status(worst)));
    }

    /// As RFC 9211 writes it.
    fn status(&self, worst: Source) -> String {
        let mut status = "cache-runtime".to_owned();
        match worst {
            Source::NearHit | Source::Hit => {
                // Into a string that cannot fail.
                let _ = write!(status, "; hit; ttl={}", self.fresh.as_secs());
            }
            Source::Stale => status.push_str("; hit"),
            Source::Coalesced => status.push_str("; fwd=miss; collapsed"),
            Source::Load => {
                status.push_str(if self.reloaded {
                    "; fwd=request"
                } else {
                    "; fwd=miss"
                });
                if !self.fresh.is_zero() {
                    status.push_str("; stored");
                }
            }
            Source::Bypass | Source::Degraded => status.push_str("; fwd=bypass"),
        }
        let counts = self.counts.iter();
        let counts: Vec<_> = counts.map(|(source, n)| format!("{n} {source}")).collect();
        let _ = write!(status, "; detail=\"{}\"", counts.join(", "));
        status
    }

    /// What the request took, and its queries.
    pub(super) fn times(&self, headers: &mut HeaderMap, took: Duration, queries: (u64, Duration)) {
        let (count, time) = queries;
        headers.insert(X_PROCESS_TIME, value(milliseconds(took)));
        headers.insert(X_QUERY_COUNT, value(count));
        headers.insert(X_QUERY_TIME, value(milliseconds(time)));
    }
}

fn or_insert(headers: &mut HeaderMap, name: HeaderName, said: impl Display) {
    headers.entry(name).or_insert_with(|| value(said));
}

fn value(said: impl Display) -> HeaderValue {
    HeaderValue::try_from(said.to_string()).expect("numbers and words of ours")
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1e3)
}
