//! `cachectl`, the command line: what stands in a cache and how its server is, for people and scripts.

mod bench;
mod clear;
mod doctor;
mod entry;
mod failure;
mod invalidate;
mod keys;
mod output;
mod ping;
mod signal;
mod stats;
mod watch;

use std::process::ExitCode;
use std::time::Duration;

use cache_runtime::Builder;
use clap::{CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;

use crate::failure::{Failure, Verdict};
use crate::output::Output;

/// Looks into a cache of cache-runtime, clears what is old in it, and says how its Redis is.
///
/// The server, the prefix and the secrets are those of the environment, as for the services themselves: REDIS_URL, REDIS_CLUSTER, or REDIS_HOST and its like, CACHE_PREFIX,
/// CACHE_SECRETS, and all else that cache-runtime reads.
#[derive(Debug, Parser)]
#[command(name = "cachectl", version, after_help = EXIT_CODES)]
struct Options {
    /// Server, in place of all of the environment's REDIS_* settings. Other users of this machine can read it in the list of processes, with its password: prefer
    /// REDIS_URL.
    #[arg(long, global = true, value_name = "URL")]
    url: Option<String>,

    /// Name of the master that `--sentinels` watch over, or `redis://user:password@name/database`, in place of all of the environment's REDIS_* settings.
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        requires = "sentinels",
        conflicts_with = "url"
    )]
    master: Option<String>,

    /// Sentinels, `host:port` or URLs, with commas between. As for `--url`, prefer the environment for passwords: REDIS_MASTER, REDIS_SENTINELS.
    #[arg(
        long,
        global = true,
        value_name = "LIST",
        requires = "master",
        value_delimiter = ','
    )]
    sentinels: Vec<String>,

    /// Nodes of a Redis Cluster, with commas between, in the same way.
    #[arg(
        long,
        global = true,
        value_name = "URLS",
        value_delimiter = ',',
        conflicts_with_all = ["url", "master"]
    )]
    cluster: Vec<String>,

    /// Prefix of the cache's names in Redis, in place of CACHE_PREFIX.
    #[arg(long, global = true)]
    prefix: Option<String>,

    /// Write JSON, one value a line; also errors, as `{"error": …}`.
    #[arg(long, global = true)]
    json: bool,

    /// Longest time for connecting, and for each operation: `2s`, `500ms`, or a number of seconds.
    #[arg(long, global = true, value_name = "TIME", default_value = "5s", value_parser = time)]
    timeout: Duration,

    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  the answer is no: nothing stored there, the server is not well, `doctor` found a fault, not confirmed
  2  wrong usage or configuration; of `health`: the server does not answer
  3  Redis cannot be reached, does not answer in time, or refuses

Examples:
  REDIS_URL=redis://localhost cachectl doctor
  cachectl --prefix shop:staging keys 'tasks:*' --limit 20
  cachectl --json get tasks:7 | jq .value";

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure round trips to the server
    #[command(after_help = "Example: cachectl ping --count 100")]
    Ping(ping::Options),
    /// Say in one line how the server is; exits 0 when it is well, 1 when it is slow, 2 when it does not answer
    #[command(after_help = "Example: cachectl health || page-somebody")]
    Health,
    /// Show the server's figures, and keys and bytes by namespace, of a sample
    #[command(after_help = "Example: cachectl stats --limit 100000")]
    Stats(stats::Options),
    /// List keys, as they come
    #[command(
        after_help = "Examples: cachectl keys '*'\n          cachectl keys 'exec:*:ws12:*' --limit 20"
    )]
    Keys(keys::Options),
    /// Show an entry: its value, age, size, form, and whether it is still valid
    #[command(after_help = "Example: cachectl get tasks:7 --raw | jq .title")]
    Get(entry::Get),
    /// Show for how long an entry is fresh yet
    #[command(after_help = "Example: cachectl ttl tasks:7")]
    Ttl(entry::Ttl),
    /// Delete entries, as a service does: loads on their way are not stored either
    #[command(after_help = "Example: cachectl del tasks:7 tasks:8")]
    Del(invalidate::Del),
    /// Make old what patterns or tags name, in all running services at once
    #[command(
        after_help = "It is a write of a few bytes, however many keys there are; where Redis cannot be told it fails, and nothing is queued.\n\nExamples: cachectl invalidate 'boards:*' 'exec:*:ws12:*'\n          cachectl invalidate --tag workspace:12"
    )]
    Invalidate(invalidate::Options),
    /// Make everything under the prefix old, and remove it
    #[command(after_help = "Example: cachectl --prefix shop:staging clear --yes")]
    Clear(clear::Options),
    /// Watch the server live; q or Ctrl-C ends it
    #[command(
        after_help = "Examples: cachectl watch --every 500ms\n          cachectl --json watch | jq .operations_per_second"
    )]
    Watch(watch::Options),
    /// Measure connection, hits against misses, invalidation and concurrency, under a prefix of its own
    #[command(after_help = "Example: cachectl bench --keys 10000 --concurrency 128")]
    Bench(bench::Options),
    /// Check the server and its configuration, and say what to change
    #[command(after_help = "Example: cachectl doctor")]
    Doctor,
    /// Write completions for a shell
    #[command(after_help = "Example: cachectl completions bash > /etc/bash_completion.d/cachectl")]
    Completions {
        /// For which shell.
        shell: Shell,
    },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let options = match Options::try_parse() {
        Ok(options) => options,
        Err(error) => return failure::of_usage(&error),
    };
    let mut output = Output::new(options.json);
    let ended = match run(&options, &mut output).await {
        Ok(verdict) => output.finish().map(|()| verdict).map_err(Failure::from),
        Err(failure) => Err(failure),
    };
    match ended {
        Ok(verdict) => verdict.into(),
        Err(failure) => failure.report(&mut output),
    }
}

async fn run(options: &Options, out: &mut Output) -> Result<Verdict, Failure> {
    if let Command::Completions { shell } = options.command {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Options::command(), "cachectl", &mut script);
        out.text(String::from_utf8_lossy(&script).trim_end())?;
        return Ok(Verdict::Yes);
    }
    let cache = options.builder()?.build()?;
    let ended = match &options.command {
        Command::Ping(options) => ping::run(&cache, options, out).await,
        Command::Health => ping::health(&cache, out).await,
        Command::Stats(options) => stats::run(&cache, options, out).await,
        Command::Keys(options) => keys::run(&cache, options, out).await,
        Command::Get(options) => entry::get(&cache, options, out).await,
        Command::Ttl(options) => entry::ttl(&cache, options, out).await,
        Command::Del(options) => invalidate::del(&cache, options, out).await,
        Command::Invalidate(options) => invalidate::run(&cache, options, out).await,
        Command::Clear(options) => clear::run(&cache, options, out).await,
        Command::Watch(options) => watch::run(&cache, options, out).await,
        Command::Bench(bench) => bench::run(options.builder()?, bench, out).await,
        Command::Doctor => doctor::run(&cache, options.builder()?, out).await,
        Command::Completions { .. } => Ok(Verdict::Yes),
    };
    match ended {
        Err(failure) => Err(failure.explained(&cache).await),
        verdict => verdict,
    }
}

impl Options {
    /// Over Redis: this process's own memory is empty.
    fn builder(&self) -> Result<Builder, Failure> {
        let mut builder = Builder::from_env()?;
        if let Some(url) = &self.url {
            builder = builder.redis(url);
        }
        if let Some(master) = &self.master {
            builder = builder.redis_sentinel(master, &self.sentinels);
        } else if !self.cluster.is_empty() {
            builder = builder.redis_cluster(&self.cluster);
        }
        if let Some(prefix) = &self.prefix {
            builder = builder.prefix(prefix);
        }
        let builder = builder
            .enabled(true)
            .operation_timeout(self.timeout)
            .call_budget(self.timeout)
            .connect_timeout(self.timeout);
        if builder.clone().build()?.store_name() != "redis" {
            let problem = "no Redis server is named: set REDIS_URL (or REDIS_CLUSTER, REDIS_SENTINELS or REDIS_HOST), or give --url";
            return Err(Failure::usage(problem));
        }
        Ok(builder)
    }
}

fn time(text: &str) -> Result<Duration, String> {
    let (number, unit) = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(number), _) => (number, 1e-3),
        (None, Some(number)) => (number, 1.0),
        (None, None) => (text, 1.0),
    };
    let seconds = number.parse::<f64>().map(|number| number * unit);
    let time = seconds
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    time.filter(|time| !time.is_zero())
        .ok_or_else(|| "a time is `2s`, `500ms`, or a number of seconds above 0".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Options::command().debug_assert();
    }

    #[test]
    fn times_are_read() {
        assert_eq!(time("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(time("2s"), Ok(Duration::from_secs(2)));
        assert_eq!(time("0.5"), Ok(Duration::from_millis(500)));
        for wrong in ["0", "-1s", "1m", "soon", "", "inf", "nan"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }
}
