//! `#[cached(…)]`

use proc_macro2::Ident;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Expr, LitStr, Path, Token, parenthesized};

use super::{Given, Options, as_text, handle, once, runtime_path, text, texts, twice};
use crate::errors::Mistakes;

/// The options of `#[cached]`, as written.
#[derive(Default)]
pub(crate) struct CachedArgs {
    /// `Some(None)` when a namespace was written that is no text: the mistake is known already.
    pub(crate) namespace: Option<Option<LitStr>>,
    pub(crate) ttl: Option<Expr>,
    pub(crate) ttl_with: Option<Given<Expr>>,
    pub(crate) none_ttl: Option<Given<Expr>>,
    pub(crate) cache_if: Option<Given<Expr>>,
    pub(crate) key: Option<Given<Expr>>,
    pub(crate) skip: Vec<Ident>,
    pub(crate) skip_cache: Option<Given<Expr>>,
    pub(crate) local: Option<Given<Expr>>,
    pub(crate) version: Option<Given<Expr>>,
    pub(crate) tags: Option<Given<Vec<LitStr>>>,
    pub(crate) cache: Option<Given<Option<Expr>>>,
    pub(crate) runtime: Option<Given<Path>>,
    pub(crate) companion: Option<Given<Expr>>,
    skip_word: Option<Ident>,
}

impl Options for CachedArgs {
    const KNOWN: &'static [(&'static str, &'static str)] = &[
        ("namespace", "namespace = \"agents\""),
        ("ttl", "ttl = \"30m\""),
        ("ttl_with", "ttl_with = |value| value.expires_in()"),
        ("none_ttl", "none_ttl = \"30s\""),
        ("cache_if", "cache_if = |value| !value.is_empty()"),
        ("key", "key = (org_id, page)"),
        ("skip", "skip(db, ctx)"),
        ("skip_cache", "skip_cache = force"),
        ("local", "local = \"10s\""),
        ("version", "version = 2"),
        ("tags", "tags = [\"workspace:{workspace_id}\"]"),
        ("cache", "cache = state.cache"),
        ("crate", "crate = my::cache_runtime"),
        ("companion", "companion = off"),
    ];
    const FOREIGN: &'static [(&'static str, &'static str)] = &[
        ("time", "`ttl = \"30m\"`"),
        ("time_to_live", "`ttl = \"30m\"`"),
        ("expire", "`ttl = \"30m\"`"),
        ("expires", "`ttl = \"30m\"`"),
        ("expiry", "`ttl = \"30m\"`"),
        ("timeout", "`ttl = \"30m\"`"),
        ("l1", "`local = \"10s\"`"),
        ("near", "`local = \"10s\"`"),
        ("memory", "`local = \"10s\"`"),
        ("local_ttl", "`local = \"10s\"`"),
        ("prefix", "`namespace = \"agents\"`"),
        ("key_prefix", "`namespace = \"agents\"`"),
        ("name", "`namespace = \"agents\"`"),
        ("cache_name", "`namespace = \"agents\"`"),
        ("convert", "`key = (org_id, page)`"),
        ("key_func", "`key = (org_id, page)`"),
        ("key_param", "`key = (org_id, page)`"),
        ("key_builder", "`key = (org_id, page)`"),
        (
            "patterns",
            "another attribute, above the function that writes: `#[invalidates(\"agents:*\")]`",
        ),
        ("condition", "`cache_if = |value| …`"),
        ("unless", "`cache_if = |value| …`"),
        ("skip_args", "`skip(db, ctx)`"),
        ("ignore", "`skip(db, ctx)`"),
        ("tag", "`tags = [\"workspace:{workspace_id}\"]`"),
    ];

    fn option(
        &mut self,
        word: Ident,
        input: ParseStream<'_>,
        mistakes: &mut Mistakes,
    ) -> syn::Result<()> {
        match word.to_string().as_str() {
            "skip" => self.skip(word, input, mistakes)?,
            "namespace" => {
                let value = Expr::parse(input)?;
                if self.namespace.is_some() {
                    twice(&word, mistakes);
                } else {
                    self.namespace = Some(namespace(&value, mistakes));
                }
            }
            "ttl" => {
                let value = Expr::parse(input)?;
                if self.ttl.is_some() {
                    twice(&word, mistakes);
                } else {
                    self.ttl = Some(value);
                }
            }
            "tags" => {
                let value = Expr::parse(input)?;
                let tags = texts(
                    &value,
                    "tags",
                    "tags = [\"workspace:{workspace_id}\"]",
                    mistakes,
                );
                once(&mut self.tags, word, tags, mistakes);
            }
            "cache" => {
                let value = handle(input, mistakes)?;
                once(&mut self.cache, word, value, mistakes);
            }
            "crate" => once(&mut self.runtime, word, runtime_path(input)?, mistakes),
            name => {
                let slot = match name {
                    "ttl_with" => &mut self.ttl_with,
                    "none_ttl" => &mut self.none_ttl,
                    "cache_if" => &mut self.cache_if,
                    "key" => &mut self.key,
                    "skip_cache" => &mut self.skip_cache,
                    "local" => &mut self.local,
                    "version" => &mut self.version,
                    _ => &mut self.companion,
                };
                once(slot, word, Expr::parse(input)?, mistakes);
            }
        }
        Ok(())
    }

    /// The short form: `#[cached("agents", "1h")]`.
    fn bare(&mut self, value: Expr, mistakes: &mut Mistakes) {
        if self.namespace.is_none() {
            self.namespace = Some(namespace(&value, mistakes));
        } else if self.ttl.is_none() {
            self.ttl = Some(value);
        } else {
            mistakes.at(
                value,
                "only the namespace and the ttl go without a name",
                "name the option: `key = …`",
                "a value in the wrong place would be taken for another option",
            );
        }
    }

    const LISTS: bool = true;

    fn takes_list(word: &str) -> bool {
        word == "skip"
    }

    fn meant(&mut self, option: &str) {
        if option.contains("namespace") {
            self.namespace.get_or_insert(None);
        }
    }
}

impl CachedArgs {
    fn skip(
        &mut self,
        word: Ident,
        input: ParseStream<'_>,
        mistakes: &mut Mistakes,
    ) -> syn::Result<()> {
        let list;
        parenthesized!(list in input);
        let names = Punctuated::<Ident, Token![,]>::parse_terminated_with(&list, Ident::parse_any)?;
        if self.skip_word.is_some() {
            twice(&word, mistakes);
            let more = names.into_iter().filter(|name| !self.skip.contains(name));
            let more: Vec<Ident> = more.collect();
            self.skip.extend(more);
        } else {
            self.skip_word = Some(word);
            self.skip.extend(names);
        }
        Ok(())
    }
}

fn namespace(value: &Expr, mistakes: &mut Mistakes) -> Option<LitStr> {
    if as_text(value).is_none() && matches!(value, Expr::Path(_)) {
        mistakes.at(
            value,
            "the namespace is a string literal",
            "write `namespace = \"agents\"`; a parameter goes into `key = …`",
            "a namespace that is only known at run time cannot be checked",
        );
        return None;
    }
    text(value, "namespace", "namespace = \"agents\"", mistakes)
}
