//! Tells what was done to all that keep it.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::log::{self, Log};
use super::{Audit, AuditAction, AuditActor, AuditOutcome, AuditRecord};
use crate::engine::Engine;
use crate::sync::atomic::{AtomicBool, Ordering};

/// Whoever keeps records.
#[derive(Debug)]
pub(crate) struct Auditor {
    audit: Audit,
    pub(super) log: Option<Log>,
    /// Whether the sink has panicked before.
    panicked: AtomicBool,
}

impl Auditor {
    /// `None`: nobody keeps any.
    pub(crate) fn new(audit: Audit) -> Option<Self> {
        let log = audit.log.map(Log::new);
        (audit.events || log.is_some() || audit.sink.is_some()).then(|| Self {
            audit,
            log,
            panicked: AtomicBool::new(false),
        })
    }

    /// Records that were not kept.
    pub(crate) fn dropped(&self) -> u64 {
        self.log.as_ref().map_or(0, Log::dropped)
    }

    fn keep(&self, engine: &Arc<Engine>, record: AuditRecord) {
        if self.audit.events {
            tracing::info!(
                target: "cache::audit",
                by = record.by.as_str(),
                action = %record.action,
                on = record.target,
                outcome = %record.outcome,
                "audit"
            );
        }
        if let Some(sink) = &self.audit.sink
            && catch_unwind(AssertUnwindSafe(|| sink(&record))).is_err()
            && !self.panicked.swap(true, Ordering::Relaxed)
        {
            tracing::error!("the audit's sink panicked");
        }
        if let Some(log) = &self.log {
            log.put(record);
            log::see_to_writing(engine, log);
        }
    }
}

impl Engine {
    /// Records that `by` has done `action` to `target`, if anybody keeps that.
    pub(crate) fn audited(
        self: &Arc<Self>,
        by: impl FnOnce() -> AuditActor,
        action: AuditAction,
        target: &impl fmt::Display,
        outcome: AuditOutcome,
    ) {
        let Some(auditor) = &self.audit else {
            return;
        };
        let now = UNIX_EPOCH.elapsed().unwrap_or_default();
        let now = Duration::from_millis(u64::try_from(now.as_millis()).unwrap_or_default());
        auditor.keep(
            self,
            AuditRecord {
                at: SystemTime::UNIX_EPOCH + now,
                by: by(),
                action,
                target: auditor.audit.keys.tell(target.to_string()),
                outcome,
            },
        );
    }
}
