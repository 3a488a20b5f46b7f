//! `get` and `ttl`: one entry as it stands in Redis.

use std::time::Duration;

use cache_runtime::{Cache, Entry, EntryValue, Key};
use clap::Args;
use serde_json::{Value, json};

use crate::failure::{Failure, Verdict};
use crate::output::{Output, bold, bytes};

#[derive(Debug, Args)]
pub(crate) struct Get {
    /// As it stands in Redis, without the prefix: `tasks:7`.
    key: String,

    /// The bare value, as JSON.
    #[arg(long)]
    raw: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Ttl {
    /// As it stands in Redis, without the prefix: `tasks:7`.
    key: String,
}

pub(crate) async fn get(
    cache: &Cache,
    options: &Get,
    out: &mut Output,
) -> Result<Verdict, Failure> {
    let entry = look(cache, &options.key).await?;
    if options.raw {
        out.json(&bare(entry.value)?)?;
    } else {
        out.either(&entry, described)?;
    }
    Ok(Verdict::Yes)
}

pub(crate) async fn ttl(
    cache: &Cache,
    options: &Ttl,
    out: &mut Output,
) -> Result<Verdict, Failure> {
    let entry = look(cache, &options.key).await?;
    if out.is_json {
        let seconds = |time: Option<Duration>| time.map(|time| time.as_secs_f64());
        out.json(&json!({
            "key": entry.key,
            "ttl": seconds(entry.ttl),
            "expires_in": seconds(entry.expires_in),
            "current": entry.current,
        }))?;
    } else {
        let old = if entry.current == Some(false) {
            ", invalidated"
        } else {
            ""
        };
        out.text(format_args!("{}{old}", time(entry.ttl)))?;
    }
    Ok(Verdict::Yes)
}

async fn look(cache: &Cache, key: &str) -> Result<Entry, Failure> {
    let key = Key::parse(key)?;
    let entry = cache.try_inspect(&key).await?;
    entry.ok_or_else(|| Failure::Negative(format!("nothing is stored under `{key}`")))
}

fn bare(value: EntryValue) -> Result<Value, Failure> {
    match value {
        EntryValue::Shown(value) => Ok(value),
        EntryValue::Nothing => Ok(Value::Null),
        hidden => Err(Failure::Negative(said(&hidden).to_owned())),
    }
}

fn said(value: &EntryValue) -> &'static str {
    match value {
        EntryValue::Shown(_) => "shown",
        EntryValue::Nothing => "nothing: the answer was `None`, or an empty one",
        EntryValue::Encrypted => "the value is encrypted, and is not shown",
        EntryValue::Opaque => {
            "the value was written by a codec that this program cannot show, such as postcard"
        }
        _ => "the value cannot be read: damaged, foreign, or of other secrets",
    }
}

fn described(entry: &Entry) -> String {
    let current = match entry.current {
        Some(true) => "yes",
        Some(false) => "no: it was invalidated, or is foreign",
        None => "not known: it was invalidated, or carries tags, which only its function knows",
    };
    let mut lines = vec![
        ("key", entry.key.clone()),
        ("current", current.to_owned()),
        ("fresh for", time(entry.ttl)),
        ("expires in", time(entry.expires_in)),
        (
            "age",
            entry
                .age
                .map_or("not known".to_owned(), |age| format!("{age:.1?}")),
        ),
        ("size", bytes(entry.size as u64)),
    ];
    if let Some(form) = &entry.form {
        lines.extend([
            ("codec", format!("{:?}", form.codec)),
            ("compression", format!("{:?}", form.compression)),
            ("protection", format!("{:?}", form.protection)),
            ("version", form.version.to_string()),
            ("load time", format!("{:.1?}", form.load_time)),
        ]);
    }
    let value = match &entry.value {
        EntryValue::Shown(value) => format!("{value:#}"),
        other => said(other).to_owned(),
    };
    let lines = lines
        .iter()
        .map(|(name, text)| format!("{:<20}{text}\n", bold(name)));
    format!("{}{}\n{value}", lines.collect::<String>(), bold("value"))
}

fn time(time: Option<Duration>) -> String {
    time.map_or("no expiry".to_owned(), |time| format!("{time:.1?}"))
}
