//! Runs of scheduled jobs: one hash for who runs, one stream for what became of the runs.

use std::collections::HashMap;
use std::time::Duration;

use redis::{Cmd, RedisError, Value};

use super::script::{Call, Script};
use super::{Redis, milliseconds, unexpected};
use crate::jobs::history::{JobOutcome, JobRecord, KEPT, time};
use crate::store::StoreError;
use crate::store::jobs::{Claim, Cleaned, KEPT_FOR, Run, Said, Told, Wish};

static CLAIM: Script = Script::new(include_str!("claim.lua"));
static RUN: Script = Script::new(include_str!("run.lua"));
static RUNS: Script = Script::new(include_str!("runs.lua"));

/// What `PTTL` says of a name without an expiry.
const LASTING: i64 = -1;

/// Fields and values of a record.
type Fields = HashMap<String, String>;

impl Redis {
    pub(crate) async fn claim(
        &self,
        claim: &Claim<'_>,
        patience: Duration,
    ) -> Result<Told, StoreError> {
        let (what, at) = match claim.wish {
            Wish::Look => ("look", 0),
            Wish::Run(at) => ("run", at),
            Wish::Miss(at) => ("miss", at),
            Wish::Hand => ("hand", 0),
        };
        let mut script = self.about(&CLAIM, claim.job);
        script
            .arg(what)
            .arg(at)
            .arg(claim.token)
            .arg(milliseconds(claim.lease))
            .arg(claim.by)
            .arg(KEPT)
            .arg(milliseconds(KEPT_FOR))
            .arg(u8::from(claim.known));
        self.run(&script, patience, |answer| {
            let (now, last, said): (u64, u64, String) = redis::from_redis_value(answer)?;
            let said = match said.as_str() {
                "yours" => Said::Yours,
                "busy" => Said::Busy,
                "no" => Said::No,
                _ => return Err(unexpected(&Value::BulkString(said.into_bytes()))),
            };
            Ok(Told { now, last, said })
        })
        .await
    }

    pub(crate) async fn prolong_run(
        &self,
        run: &Run,
        lease: Duration,
        patience: Duration,
    ) -> Result<bool, StoreError> {
        let script = self.change_run(run, lease);
        self.run(&script, patience, |answer| Ok(answer == Value::Int(1)))
            .await
    }

    pub(crate) async fn end_run(
        &self,
        run: &Run,
        record: &JobRecord,
        patience: Duration,
    ) -> Result<(), StoreError> {
        let mut script = self.change_run(run, Duration::ZERO);
        let took = record.took.map(|took| milliseconds(took).to_string());
        script
            .arg(record.outcome.name())
            .arg(took.unwrap_or_default())
            .arg(record.outcome.error())
            .arg(&record.figures);
        self.run(&script, patience, |_| Ok(())).await
    }

    pub(crate) async fn runs(
        &self,
        job: &str,
        patience: Duration,
    ) -> Result<Vec<JobRecord>, StoreError> {
        let mut script = self.about(&RUNS, job);
        script.arg(KEPT);
        self.run(&script, patience, |answer| {
            let (open, ended): (Fields, Vec<(String, Fields)>) = redis::from_redis_value(answer)?;
            let ended = ended.into_iter().map(|(_, fields)| fields);
            let all = std::iter::once(open).chain(ended);
            Ok::<_, RedisError>(all.filter_map(record).collect())
        })
        .await
    }

    /// Removes entries that have no expiry, one step through all names under the prefix.
    pub(crate) async fn clean(
        &self,
        cursor: u64,
        patience: Duration,
    ) -> Result<Cleaned, StoreError> {
        let (next, mut names) = self.entries(cursor, patience).await?;
        let seen = names.len();
        let commands = names.iter().map(|name| self.command(name, Cmd::pttl(name)));
        let replies = self.send(commands.collect(), patience, self.retries).await;
        let lives: Result<Vec<Value>, StoreError> =
            replies.into_iter().map(|reply| reply?.value()).collect();
        let mut lives = lives?.into_iter();
        names.retain(|_| lives.next() == Some(Value::Int(LASTING)));
        if !names.is_empty() {
            // One that was stored with an expiry meanwhile costs a miss.
            self.unlink(&names, patience).await?;
        }
        let removed = names.len();
        Ok(Cleaned {
            next,
            seen,
            removed,
        })
    }

    fn change_run(&self, run: &Run, lease: Duration) -> Call {
        let mut script = self.about(&RUN, &run.job);
        script
            .arg(run.token)
            .arg(milliseconds(lease))
            .arg(run.scheduled)
            .arg(run.began)
            .arg(&run.by)
            .arg(KEPT)
            .arg(milliseconds(KEPT_FOR));
        script
    }

    /// `script`, of one job.
    fn about(&self, script: &'static Script, job: &str) -> Call {
        let name = format!("{0}%job:{{{0}{job}}}", self.prefix);
        let mut script = script.call();
        script.key(&name).key(format!("{name}:history"));
        script
    }
}

/// `None` for what is no record, or one of a later version.
fn record(mut fields: Fields) -> Option<JobRecord> {
    let mut field = |name: &str| fields.remove(name);
    let number = |text: String| text.parse::<u64>().ok();
    let error = field("error").unwrap_or_default();
    let took = field("took").and_then(number);
    Some(JobRecord {
        scheduled: time(field("scheduled").and_then(number)?),
        began: time(field("began").and_then(number)?),
        took: took.map(Duration::from_millis),
        by: field("by")?,
        outcome: JobOutcome::named(&field("outcome")?, error)?,
        figures: field("figures").unwrap_or_default(),
    })
}
