//! `keys`: listing them as they come.

use std::num::NonZeroUsize;

use cache_runtime::{Cache, Error, Key, Pattern};
use clap::Args;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _};
use serde_json::json;

use crate::failure::{Failure, Verdict};
use crate::output::Output;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Which keys, without the prefix: `tasks:*`, `exec:*:ws12:*`; `*` for all.
    ///
    /// A `*` stands for one segment, and at the end for all that follow.
    #[arg(default_value = "*")]
    pattern: String,

    /// At most so many.
    #[arg(long, value_name = "N")]
    limit: Option<NonZeroUsize>,
}

/// None is not an error: an empty list is an answer.
pub(crate) async fn run(
    cache: &Cache,
    options: &Options,
    out: &mut Output,
) -> Result<Verdict, Failure> {
    let limit = options.limit.map_or(usize::MAX, NonZeroUsize::get);
    let mut keys = matching(cache, &options.pattern).await?.take(limit);
    while let Some(key) = keys.try_next().await? {
        if out.is_json {
            out.json(&json!({ "key": key.as_str() }))?;
        } else {
            out.text(key)?;
        }
    }
    Ok(Verdict::Yes)
}

async fn matching(
    cache: &Cache,
    pattern: &str,
) -> Result<Box<dyn Stream<Item = Result<Key, Error>> + Unpin>, Failure> {
    if pattern == "*" {
        if cache.try_server_facts().await?.prefix.is_empty() {
            let problem = "without a prefix names of others stand among the keys: list those of a pattern, such as tasks:*";
            return Err(Failure::usage(problem));
        }
        return Ok(Box::new(cache.try_scan_all()));
    }
    Ok(Box::new(cache.try_scan(Pattern::parse(pattern)?)))
}
