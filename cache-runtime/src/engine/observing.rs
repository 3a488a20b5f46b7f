//! What a call tells of itself: counters, and the analysis of its function.

use std::time::Duration;

use super::session::Session;
use super::storing::Loaded;
use crate::envelope;
use crate::scope::Mode;

impl Session<'_> {
    /// A hit, of so many bytes that were read.
    pub(super) fn analyse_hit(&self, bytes: usize) {
        if let Some(analysis) = &self.function.analysis {
            let key = self.request.key.as_str();
            analysis.hit(key, bytes, self.weight);
            if !self.weight.is_none() {
                self.engine.remember_now_and_then();
            }
        }
    }

    pub(super) fn count_miss(&self) {
        if self.request.mode != Mode::Usual {
            return;
        }
        self.function.counters.misses.one();
        tracing::debug!(key = %self.request.key, "cache miss");
        if let Some(analysis) = &self.function.analysis {
            analysis.missed(self.request.key.as_str(), self.weight);
        }
    }

    pub(super) fn count_load(&self) {
        self.function.counters.loads.one();
        if let Some(analysis) = &self.function.analysis {
            analysis.load_begins(self.request.policy);
        }
    }

    pub(super) fn time_lookup(&self, took: Duration) {
        self.function.meters.looked_up(took);
        if let Some(analysis) = &self.function.analysis {
            analysis.looked_up(took, self.weight);
        }
    }

    pub(super) fn time_load(&self, took: Duration) {
        self.function.meters.loaded(took);
        if let Some(analysis) = &self.function.analysis {
            analysis.loaded(took);
        }
    }

    /// What an answer holds, if it is one of those whose fate is followed. Before it is sealed: what is encrypted differs each time.
    pub(super) fn content(&self, loaded: &Loaded) -> Option<u64> {
        let analysis = self.function.analysis.as_ref()?;
        let value = &loaded.entry[envelope::HEADER..];
        analysis.content(self.request.key.as_str(), value)
    }

    pub(super) fn analyse_stored(&self, content: Option<u64>, size: usize, ttl: Duration) {
        // Once: a call loads once.
        let _ = self.stored_for.set(ttl);
        if let Some(analysis) = &self.function.analysis {
            analysis.stored(size, ttl);
            if let Some(content) = content {
                let grace = self.request.policy.grace();
                analysis.follow(self.request.key.as_str(), content, ttl, grace);
            }
        }
    }
}
