//! `#[updates(…)]`

use proc_macro2::Ident;
use syn::parse::{Parse, ParseStream};
use syn::{Expr, Path};

use super::{Given, Options, once, runtime_path};
use crate::errors::Mistakes;

/// The options of `#[updates]`, as written.
#[derive(Default)]
pub(crate) struct UpdatesArgs {
    /// `agent(agent_id)`, or what should have been one
    pub(crate) targets: Vec<Expr>,
    pub(crate) on_unreachable: Option<Given<Expr>>,
    pub(crate) runtime: Option<Given<Path>>,
    /// An option was given that cannot be read: it may have been meant to be a target.
    pub(crate) unread: bool,
}

impl Options for UpdatesArgs {
    const KNOWN: &'static [(&'static str, &'static str)] = &[
        ("on_unreachable", "on_unreachable = fail"),
        ("crate", "crate = my::cache_runtime"),
    ];
    const FOREIGN: &'static [(&'static str, &'static str)] = &[
        ("key", "a typed target: `agent(agent_id)`"),
        ("keys", "a typed target: `agent(agent_id)`"),
        ("namespace", "a typed target: `agent(agent_id)`"),
        ("value", "what the function answers"),
        (
            "patterns",
            "`#[invalidates(\"agents:*\")]`, beside this attribute",
        ),
        (
            "pattern",
            "`#[invalidates(\"agents:*\")]`, beside this attribute",
        ),
        (
            "tag",
            "`#[invalidates(tag = \"…\")]`, beside this attribute",
        ),
        (
            "event",
            "`#[invalidates(event = …)]`, beside this attribute",
        ),
        ("ttl", "that of the function which is named"),
        ("cache_if", "that of the function which is named"),
        ("cache", "that of the function which is named"),
        (
            "on",
            "always after success: there is nothing to store after an `Err`",
        ),
        (
            "crash_safe",
            "`#[invalidates(agent(agent_id), crash_safe = \"30s\")]`, which stores nothing: nothing is stored while a write is announced",
        ),
        (
            "hold_off",
            "`#[invalidates(agent(agent_id), hold_off = \"500ms\")]`, which stores nothing: a load from a replica that lags would replace it",
        ),
    ];

    fn option(
        &mut self,
        word: Ident,
        input: ParseStream<'_>,
        mistakes: &mut Mistakes,
    ) -> syn::Result<()> {
        match word.to_string().as_str() {
            "crate" => once(&mut self.runtime, word, runtime_path(input)?, mistakes),
            _ => once(
                &mut self.on_unreachable,
                word,
                Expr::parse(input)?,
                mistakes,
            ),
        }
        Ok(())
    }

    fn meant(&mut self, _option: &str) {
        self.unread = true;
    }

    fn bare(&mut self, value: Expr, _mistakes: &mut Mistakes) {
        self.targets.push(value);
    }
}
