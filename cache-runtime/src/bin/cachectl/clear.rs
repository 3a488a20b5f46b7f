//! `clear`: everything under the prefix.

use std::io::{self, BufRead as _, IsTerminal as _};

use cache_runtime::{Cache, Everything};
use clap::Args;
use serde_json::json;

use crate::failure::{Failure, Verdict};
use crate::output::{self, Output};

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
}

pub(crate) async fn run(
    cache: &Cache,
    options: &Options,
    out: &mut Output,
) -> Result<Verdict, Failure> {
    let asks = !out.is_json && io::stdin().is_terminal();
    if !options.yes && !asks {
        return Err(Failure::usage(
            "this clears everything under the prefix: say --yes",
        ));
    }
    let prefix = cache.try_server_facts().await?.prefix;
    if !options.yes && !confirmed(&prefix)? {
        return Err(Failure::Negative("nothing was cleared".to_owned()));
    }
    cache.try_clear(Everything).await?;
    let cleared = json!({ "cleared": true, "prefix": prefix });
    out.either(&cleared, |_| {
        format!("cleared: everything under `{prefix}`")
    })?;
    Ok(Verdict::Yes)
}

fn confirmed(prefix: &str) -> io::Result<bool> {
    output::say(&format!(
        "Clear everything under `{prefix}`, in all running services? [y/N] "
    ));
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
