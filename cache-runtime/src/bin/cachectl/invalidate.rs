//! `del` and `invalidate`: making old, as the library does it.
//!
//! Redis is told before the command ends, or the command fails: what is queued would end with this process.

use cache_runtime::{Cache, ErrorKind, Key, Pattern, Tag, Target};
use clap::Args;
use serde_json::json;

use crate::failure::{Failure, Verdict};
use crate::output::Output;

#[derive(Debug, Args)]
pub(crate) struct Del {
    /// As they stand in Redis, without the prefix: `tasks:7`.
    #[arg(required = true, value_name = "KEY")]
    keys: Vec<String>,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct Options {
    /// Without the prefix: `tasks:*`, `exec:*:ws12:*`. A `*` stands for one segment, and at the end for all that follow.
    #[arg(value_name = "PATTERN")]
    patterns: Vec<String>,

    /// Of the answers, such as `workspace:12`; may be repeated.
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
}

pub(crate) async fn del(
    cache: &Cache,
    options: &Del,
    out: &mut Output,
) -> Result<Verdict, Failure> {
    let keys = options.keys.iter().map(|key| Key::parse(key));
    let keys: Vec<_> = keys.collect::<Result<_, _>>()?;
    make_old(cache, keys.into_iter().map(Target::from), out).await
}

pub(crate) async fn run(
    cache: &Cache,
    options: &Options,
    out: &mut Output,
) -> Result<Verdict, Failure> {
    if options.patterns.iter().any(|pattern| pattern == "*") {
        return Err(Failure::usage(
            "`*` alone is everything: `cachectl clear` is for that",
        ));
    }
    if options.tags.iter().any(String::is_empty) {
        return Err(Failure::usage("a tag has a name"));
    }
    let patterns = options.patterns.iter().map(|text| Pattern::parse(text));
    let mut targets: Vec<_> = patterns
        .map(|pattern| pattern.map(Target::from))
        .collect::<Result<_, _>>()?;
    targets.extend(
        options
            .tags
            .iter()
            .map(|tag| Target::from(Tag::new(tag, []))),
    );
    make_old(cache, targets, out).await
}

async fn make_old(
    cache: &Cache,
    targets: impl IntoIterator<Item = Target>,
    out: &mut Output,
) -> Result<Verdict, Failure> {
    let targets: Vec<_> = targets.into_iter().collect();
    let named: Vec<_> = targets.iter().map(ToString::to_string).collect();
    let done = cache.try_invalidate(targets).await;
    if let Err(error) = &done
        && error.kind() == ErrorKind::TimedOut
    {
        let problem = format!("{error}: it may have been done or not, so say it again");
        return Err(Failure::RedisSays(problem));
    }
    done?;
    out.either(&json!({ "invalidated": named }), |_| {
        format!("invalidated: {}", named.join(", "))
    })?;
    Ok(Verdict::Yes)
}
