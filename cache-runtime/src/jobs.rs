//! Scheduled jobs: each run is done by one instance of the fleet.

pub(crate) mod history;
mod instance;
mod job;
mod ready;
mod run;
mod running;
mod schedule;

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use gethostname::gethostname;
use jiff::tz::TimeZone;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use self::history::{JobOutcome, JobRecord};
use self::instance::{Instance, Scheduled};
pub use self::job::{Job, JobRun};
pub use self::running::RunningJobs;
use crate::cache::Cache;
use crate::engine::{Engine, inheriting};
use crate::error::ConfigError;
use crate::key::is_plain;
use crate::sync::Mutex;
use crate::sync::atomic::AtomicBool;

/// Jobs that are done at certain times, by one instance of the fleet each time.
///
/// ```
/// use cache_runtime::{Cache, Job, Jobs, Warming, cached};
///
/// #[cached("squares", "1h")]
/// async fn square(n: u64) -> u64 {
///     n * n
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let squares = || Warming::new().set("squares", 1..=10, |n| async move {
///     square(n).await;
/// });
/// let report = Job::new("report", "0 6 * * MON", async |run| {
///     run.report("3 mails");
///     Ok::<_, std::io::Error>(())
/// });
/// let jobs = Jobs::new(&Cache::current())
///     .job(Job::clean("0 4 * * *"))
///     .job(Job::health("*/15 * * * *"))
///     .job(Job::refresh("30 * * * *", squares))
///     .job(Job::warm("0 */6 * * *", squares).catch_up())
///     .job(report)
///     .start()?;
///
/// let run = jobs.run_now("report").await?; // by hand; else each at its time
/// assert_eq!(run.figures, "3 mails");
/// assert_eq!(jobs.history("report").await?, [run]);
/// jobs.stop().await;
/// # Ok(())
/// # }
/// ```
///
/// # Who runs
/// Each instance of a program starts the same jobs. At the time of a run all of them ask Redis for it, whose clock decides, and one gets it; so the instances' own clocks
/// may differ and jump. A run is never done twice: where an instance is killed the run stands as interrupted, and the next one is done at its
/// time, half a minute later at the earliest. A run whose time comes while the one before is under way is skipped. Both are seen in the
/// [history](RunningJobs::history).
///
/// That no two run at once holds as for every [lease](crate::Lock#what-it-is-good-for), *usually*: an instance that cannot prolong its own for 20
/// seconds drops its run, but one that stands still as a whole cannot.
///
/// While Redis is away no job begins, since nobody can tell who is to run it; that is logged once, and they go on when it is back. Without Redis this process
/// runs them all, by its own clock.
#[must_use = "nothing runs before `start`"]
pub struct Jobs {
    engine: Arc<Engine>,
    jobs: Vec<Job>,
    by: String,
    zone: Result<TimeZone, String>,
}

impl Jobs {
    /// No jobs yet, whose runs are shared by all that use this cache's server and prefix.
    pub fn new(cache: &Cache) -> Self {
        let host = gethostname().to_string_lossy().into_owned();
        Self {
            engine: cache.engine.clone(),
            jobs: Vec::new(),
            by: format!("{host}/{}", std::process::id()),
            zone: Ok(TimeZone::UTC),
        }
    }

    /// One more job.
    pub fn job(mut self, job: Job) -> Self {
        self.jobs.push(job);
        self
    }

    /// What this instance is called in the history. Default: the host's name and the process's number, `web-1/4711`.
    pub fn instance(mut self, name: impl Into<String>) -> Self {
        self.by = name.into();
        self
    }

    /// The time zone of the expressions, such as `Europe/Berlin`, by the system's database (`/usr/share/zoneinfo`). A time that is not there on the day
    /// when the clocks are put forward comes when they have been; one that is there twice comes once, if its hour is a fixed one. All instances must choose
    /// alike. Default: UTC.
    pub fn time_zone(mut self, name: &str) -> Self {
        self.zone = TimeZone::get(name).map_err(|error| error.to_string());
        self
    }

    /// Sees to the jobs from now on.
    ///
    /// # Errors
    /// Everything that is wrong: an expression, a name that is not fit or comes twice, a time zone, no Tokio runtime. That Redis is away is not.
    pub fn start(self) -> Result<RunningJobs, ConfigError> {
        let mut problems = Vec::new();
        let mut names = HashSet::new();
        let mut jobs = Vec::with_capacity(self.jobs.len());
        for job in self.jobs {
            let name = job.name.escape_debug();
            if job.name.is_empty() || !job.name.bytes().all(is_plain) {
                problems.push(format!(
                    "job `{name}` must be named with letters, digits and `-_.@/+~`"
                ));
            }
            if job.timeout.is_zero() {
                problems.push(format!("the timeout of job `{name}` must be longer than 0"));
            }
            if !names.insert(job.name.clone()) {
                problems.push(format!(
                    "two jobs are called `{name}`: name one of them otherwise, with `named`"
                ));
            }
            match &job.schedule {
                Ok(schedule) => {
                    let schedule = schedule.clone();
                    jobs.push(Scheduled {
                        seen: Mutex::default(),
                        schedule,
                        job,
                    });
                }
                Err(problem) => problems.push(format!("job `{name}`: {problem}")),
            }
        }
        let zone = self.zone.unwrap_or_else(|problem| {
            problems.push(problem);
            TimeZone::UTC
        });
        if Handle::try_current().is_err() {
            problems.push("jobs need a Tokio runtime".to_owned());
        }
        ConfigError::check(problems)?;
        let instance = Arc::new(Instance {
            engine: self.engine,
            by: self.by,
            zone,
            jobs,
            stopped: watch::Sender::new(false),
            waits: AtomicBool::new(false),
        });
        let mut tasks = JoinSet::new();
        for at in 0..instance.jobs.len() {
            tasks.spawn(inheriting(instance.clone().keep(at)));
        }
        Ok(RunningJobs { instance, tasks })
    }
}

impl fmt::Debug for Jobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jobs")
            .field("jobs", &self.jobs)
            .field("by", &self.by)
            .finish_non_exhaustive()
    }
}
