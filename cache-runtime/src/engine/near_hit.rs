//! A near hit, before anything is set up that only other calls need.

use std::sync::Arc;

use super::Engine;
use super::session::Request;
use super::watching::Watched;
use crate::after_commit::Held;
use crate::key::{Key, digest};
use crate::near;
use crate::observe::Function;
use crate::scope::Mode;
use crate::source::{self, Source};

impl Engine {
    /// Answers a call by what the near cache has, if `take` can use it. A call that anything stands in the way of, or is curious about, is left to its
    /// session, and nothing has happened yet.
    pub(crate) fn near_hit(
        self: &Arc<Self>,
        request: &Request<'_>,
        take: &mut dyn FnMut(&near::Value) -> bool,
    ) -> bool {
        let Request {
            site, key, tags, ..
        } = *request;
        if request.policy.local.is_none() {
            return false;
        }
        let usual = request.mode == Mode::Usual && key.is_usable() && !Held::is_any();
        if !usual || self.outbox.depth() > 0 || self.store.is_away() || Watched::is_wanted() {
            return false;
        }
        let function = self.register.function(site);
        if function.shadowed || !self.switches.covers(function.namespace) {
            return false;
        }
        let (now, hash) = (self.near.now(), digest(key.as_str()));
        let shown = self
            .near
            .show(function.origin, (key, hash), tags, now, &mut |kept| {
                let taken = take(kept.value());
                if taken && source::is_observed() {
                    source::note(site, key, Source::NearHit, kept.freshness(now));
                }
                taken
            });
        if shown {
            if self.near.wants_proof(now) {
                self.store.prove();
            }
            self.count_near_hit(function, (key, hash));
        }
        shown
    }

    /// Counts that the near cache answered a call.
    pub(super) fn count_near_hit(self: &Arc<Self>, function: &Function, (key, hash): (&Key, u64)) {
        function.counters.near_hits.one();
        if let Some(analysis) = &function.analysis {
            let weight = function.weight();
            analysis.hit_hashed((key.as_str(), hash), 0, weight);
            if !weight.is_none() {
                self.remember_now_and_then();
            }
        }
        tracing::debug!(%key, "near cache hit");
    }
}
