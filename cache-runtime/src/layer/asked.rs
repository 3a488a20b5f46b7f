//! What a request asks of caches.

use http::header::{CACHE_CONTROL, HeaderName, IF_NONE_MATCH, PRAGMA};
use http::request::Parts;
use http::{HeaderValue, Method};

use super::Options;

/// What matters about a request, once the service has it.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) method: Method,
    /// As often as it stands there.
    pub(super) if_none_match: Vec<HeaderValue>,
    pub(super) manner: Manner,
}

/// How the calls that are made for it treat the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    Usual,
    /// Load, and replace what is stored.
    Reload,
    /// Load, and leave the cache alone.
    Bypass,
}

impl Asked {
    pub(super) fn of(request: &Parts, options: &Options) -> Self {
        let manner = Manner::of(request);
        let lists = request.headers.get_all(IF_NONE_MATCH);
        Self {
            method: request.method.clone(),
            if_none_match: lists.iter().cloned().collect(),
            manner: match manner != Manner::Usual && options.may_reload(request) {
                true => manner,
                false => Manner::Usual,
            },
        }
    }

    /// Whether its answer may be kept by clients.
    pub(super) fn is_read(&self) -> bool {
        matches!(self.method, Method::GET | Method::HEAD)
    }
}

impl Manner {
    fn of(request: &Parts) -> Self {
        let says = |header: HeaderName, word| {
            let values = request.headers.get_all(header);
            let mut words = values
                .iter()
                .filter_map(|value| value.to_str().ok())
                .flat_map(|value| value.split(','));
            words.any(|said| said.trim().eq_ignore_ascii_case(word))
        };
        if says(CACHE_CONTROL, "no-store") {
            Self::Bypass
        } else if says(CACHE_CONTROL, "no-cache")
            // Older than the other, and ignored beside it (RFC 9111, 5.4).
            || !request.headers.contains_key(CACHE_CONTROL) && says(PRAGMA, "no-cache")
        {
            Self::Reload
        } else {
            Self::Usual
        }
    }
}
