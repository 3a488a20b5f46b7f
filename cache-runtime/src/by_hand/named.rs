//! Handles with a name: what is done through them is recorded and counted in it, and may be limited.

use std::fmt;
use std::time::Duration;

use super::Cache;
use crate::audit::{AuditAction, AuditActor, AuditOutcome};
use crate::engine::Pledge;
use crate::error::{Error, ErrorKind};
use crate::key::{Key, Target};
use crate::site::Site;
use crate::store::Mark;

impl Cache {
    /// A handle of the same cache for whoever is called `name`: a user, a token, a job. The first 100 characters count.
    ///
    /// What is done by hand through it is [recorded](crate::Audit) in this name, where the cache keeps records, and its invalidations are
    /// [counted](crate::Stats::callers). Its `try_` forms of `invalidate`, `emit`, `delete` and `clear` are bound to the
    /// [limit](crate::Builder::invalidation_limit). Everything else is the same, and cached functions do not see the name.
    #[must_use]
    pub fn by(&self, name: &str) -> Self {
        Self {
            engine: self.engine.clone(),
            caller: Some(self.engine.callers.caller(name)),
        }
    }

    /// Makes `targets` old in the name of the handle.
    pub(crate) async fn make_old(
        &self,
        site: &'static Site,
        action: AuditAction,
        targets: Vec<Target>,
    ) -> Result<(), Error> {
        let pledge = Pledge::new(&self.engine, site, targets, Duration::ZERO);
        let pledge = pledge.by_hand(self.caller.clone(), action);
        pledge.redeem(Mark::Untouched).await
    }

    /// Asks the limit of the handle's name for one more operation on `targets`. Where it cannot be asked, it is allowed.
    pub(crate) async fn within_limit(
        &self,
        action: AuditAction,
        targets: &[Target],
    ) -> Result<(), Error> {
        static SITE: Site = Site::new("Cache::by", "%by:{}");
        let engine = &self.engine;
        let Some((caller, limit)) = self.caller.as_ref().zip(engine.invalidation_limit) else {
            return Ok(());
        };
        let key = Key::of(&SITE, &[&&*caller.name]);
        let allow = async |patience| engine.store.allow(&key, &limit, 1, patience).await;
        // Counted as degraded where it fails.
        let Ok(allowance) = engine.by_hand(&SITE, &key, allow).await else {
            return Ok(());
        };
        if allowance.allowed {
            return Ok(());
        }
        caller.counts.limited.one();
        for target in targets {
            self.note(action, target, AuditOutcome::Limited);
        }
        let again = allowance.retry_after.unwrap_or_default();
        let message = format!("too many invalidations by this caller; again in {again:?}");
        Err(Error::new(ErrorKind::Limited, message))
    }

    /// Records what a handle with a name has done; nothing for one without.
    pub(crate) fn note(
        &self,
        action: AuditAction,
        target: &impl fmt::Display,
        outcome: AuditOutcome,
    ) {
        if let Some(caller) = &self.caller {
            let engine = &self.engine;
            let by = || AuditActor::Named(caller.name.to_string());
            engine.audited(by, action, target, outcome);
        }
    }
}
