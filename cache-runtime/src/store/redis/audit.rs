//! The log of what was done by hand: one stream.

use std::collections::HashMap;
use std::time::{Duration, UNIX_EPOCH};

use redis::{Cmd, Pipeline};

use super::{Redis, milliseconds};
use crate::audit::{AuditAction, AuditActor, AuditOutcome, AuditRecord};
use crate::store::StoreError;

impl Redis {
    pub(crate) async fn append_audit(
        &self,
        records: &[AuditRecord],
        most: usize,
        patience: Duration,
    ) -> Result<(), StoreError> {
        let mut commands = Pipeline::with_capacity(records.len());
        for record in records {
            let at = record.at.duration_since(UNIX_EPOCH).unwrap_or_default();
            let by = match &record.by {
                AuditActor::Named(name) => ("name", name),
                AuditActor::Function(path) => ("function", path),
            };
            commands
                .cmd("XADD")
                .arg(self.audit())
                .arg("MAXLEN")
                .arg("~")
                .arg(most)
                .arg("*")
                .arg("at")
                .arg(milliseconds(at))
                .arg(by)
                .arg(("action", record.action.as_str()))
                .arg(("target", &record.target))
                .arg(("outcome", record.outcome.as_str()))
                .ignore();
        }
        let told = self.send_about(&self.audit(), &commands, patience).await;
        told.map(drop)
    }

    pub(crate) async fn audit_log(
        &self,
        records: usize,
        patience: Duration,
    ) -> Result<Vec<AuditRecord>, StoreError> {
        let mut read = Cmd::new();
        read.arg("XREVRANGE")
            .arg(self.audit())
            .arg(("+", "-"))
            .arg(("COUNT", records));
        let read = &read;
        let found: Vec<(String, HashMap<String, String>)> = self
            .attempt(
                self.place(&self.audit()),
                patience,
                move |live| async move { read.query_async(&mut live.connection()).await },
            )
            .await?;
        Ok(found
            .into_iter()
            .filter_map(|(_, fields)| record(fields))
            .collect())
    }

    fn audit(&self) -> String {
        format!("{}%audit", self.prefix)
    }
}

/// `None` for what is no record, or one of a later version.
fn record(mut fields: HashMap<String, String>) -> Option<AuditRecord> {
    let mut field = |name| fields.remove(name);
    let at = Duration::from_millis(field("at")?.parse().ok()?);
    let named = field("name").map(AuditActor::Named);
    Some(AuditRecord {
        at: UNIX_EPOCH + at,
        by: named.or_else(|| field("function").map(AuditActor::Function))?,
        action: AuditAction::read(&field("action")?)?,
        target: field("target")?,
        outcome: AuditOutcome::read(&field("outcome")?)?,
    })
}
