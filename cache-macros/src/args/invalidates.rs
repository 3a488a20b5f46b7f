//! `#[invalidates(…)]`

use proc_macro2::Ident;
use syn::parse::{Parse, ParseStream};
use syn::{Expr, LitStr, Path};

use super::{Given, Options, as_text, handle, once, runtime_path, text, texts};
use crate::errors::Mistakes;

/// The options of `#[invalidates]`, as written.
#[derive(Default)]
pub(crate) struct InvalidatesArgs {
    pub(crate) targets: Vec<TargetArg>,
    pub(crate) on: Option<Given<Expr>>,
    pub(crate) on_unreachable: Option<Given<Expr>>,
    pub(crate) crash_safe: Option<Given<Expr>>,
    pub(crate) hold_off: Option<Given<Expr>>,
    pub(crate) cache: Option<Given<Option<Expr>>>,
    pub(crate) runtime: Option<Given<Path>>,
    patterns: Option<Given<()>>,
}

/// What is to be cleared.
pub(crate) enum TargetArg {
    /// `"agents:list:*"`
    Pattern(LitStr),
    /// `tag = "workspace:{workspace_id}"`
    Tag(LitStr),
    /// `dashboard(workspace_id, _)`, or what should have been one
    Call(Expr),
    /// `event = WorkspaceUpdated { workspace_id }`
    Event(Given<Expr>),
    /// Reported already; stands here so that "no targets" is not reported too.
    Wrong,
}

impl Options for InvalidatesArgs {
    const KNOWN: &'static [(&'static str, &'static str)] = &[
        ("patterns", "patterns = [\"agents:list:*\"]"),
        ("tag", "tag = \"workspace:{workspace_id}\""),
        ("event", "event = WorkspaceUpdated { workspace_id }"),
        ("on", "on = always"),
        ("on_unreachable", "on_unreachable = fail"),
        ("crash_safe", "crash_safe = \"30s\""),
        ("hold_off", "hold_off = \"500ms\""),
        ("cache", "cache = state.cache"),
        ("crate", "crate = my::cache_runtime"),
    ];
    const FOREIGN: &'static [(&'static str, &'static str)] = &[
        ("pattern", "a bare string: `\"agents:list:*\"`"),
        ("keys", "a typed target: `dashboard(workspace_id, _)`"),
        ("key", "a typed target: `dashboard(workspace_id, _)`"),
        ("namespace", "a pattern: `\"agents:*\"`"),
        ("prefix", "a pattern: `\"agents:*\"`"),
        ("tags", "`tag = \"…\"`, once for each"),
        ("when", "`on = success` or `on = always`"),
        ("condition", "`on = success` or `on = always`"),
        ("events", "`event = …`, once for each"),
        ("emit", "`event = WorkspaceUpdated { workspace_id }`"),
        (
            "on_error",
            "`on_unreachable = fail` or `on_unreachable = queue`",
        ),
        ("lease", "`crash_safe = \"30s\"`"),
        ("delay", "`hold_off = \"500ms\"`"),
        ("grace", "`hold_off = \"500ms\"`"),
        ("cooldown", "`hold_off = \"500ms\"`"),
        ("all", "a pattern for each namespace: `\"agents:*\"`"),
    ];

    fn option(
        &mut self,
        word: Ident,
        input: ParseStream<'_>,
        mistakes: &mut Mistakes,
    ) -> syn::Result<()> {
        match word.to_string().as_str() {
            "patterns" => {
                let value = Expr::parse(input)?;
                let patterns = texts(&value, "patterns", Self::KNOWN[0].1, mistakes);
                if patterns.is_empty() {
                    self.targets.push(TargetArg::Wrong);
                }
                self.targets
                    .extend(patterns.into_iter().map(TargetArg::Pattern));
                once(&mut self.patterns, word, (), mistakes);
            }
            "tag" => {
                let value = Expr::parse(input)?;
                let tag = text(&value, "tag", Self::KNOWN[1].1, mistakes);
                self.targets
                    .push(tag.map_or(TargetArg::Wrong, TargetArg::Tag));
            }
            "event" => {
                let value = Expr::parse(input)?;
                self.targets.push(TargetArg::Event(Given { word, value }));
            }
            "cache" => {
                let value = handle(input, mistakes)?;
                once(&mut self.cache, word, value, mistakes);
            }
            "crate" => once(&mut self.runtime, word, runtime_path(input)?, mistakes),
            name => {
                let slot = match name {
                    "on" => &mut self.on,
                    "on_unreachable" => &mut self.on_unreachable,
                    "crash_safe" => &mut self.crash_safe,
                    _ => &mut self.hold_off,
                };
                once(slot, word, Expr::parse(input)?, mistakes);
            }
        }
        Ok(())
    }

    fn meant(&mut self, _option: &str) {
        self.targets.push(TargetArg::Wrong);
    }

    fn bare(&mut self, value: Expr, _mistakes: &mut Mistakes) {
        self.targets.push(match as_text(&value) {
            Some(pattern) => TargetArg::Pattern(pattern.clone()),
            None => TargetArg::Call(value),
        });
    }
}
