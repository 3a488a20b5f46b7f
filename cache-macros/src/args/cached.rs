//! `#[cached(…)]`

use proc_macro2::Ident;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Expr, ExprCall, LitStr, Path, Token, parenthesized};

use super::{Given, Options, StorageArgs, as_text, handle, once, runtime_path, text, texts, twice};
use crate::errors::Mistakes;

/// The options of `#[cached]`, as written.
#[derive(Default)]
pub(crate) struct CachedArgs {
    /// `Some(None)` when a namespace was written that is no text: the mistake is known already.
    pub(crate) namespace: Option<Option<LitStr>>,
    /// `keys::agent(agent_id)`: whose keys they are.
    pub(crate) shared: Option<ExprCall>,
    pub(crate) ttl: Option<Expr>,
    /// The word, where it was written.
    pub(crate) ttl_word: Option<Ident>,
    pub(crate) ttl_with: Option<Given<Expr>>,
    pub(crate) none_ttl: Option<Given<Expr>>,
    pub(crate) cache_if: Option<Given<Expr>>,
    pub(crate) key: Option<Given<Expr>>,
    pub(crate) batch: Option<Given<Expr>>,
    pub(crate) skip: Vec<Ident>,
    pub(crate) skip_cache: Option<Given<Expr>>,
    pub(crate) local: Option<Given<Expr>>,
    pub(crate) stale_while_revalidate: Option<Given<Expr>>,
    pub(crate) stale_if_error: Option<Given<Expr>>,
    pub(crate) refresh_ahead: Option<Given<Expr>>,
    pub(crate) single_flight: Option<Given<Expr>>,
    pub(crate) lock: Option<Given<Expr>>,
    pub(crate) soft_timeout: Option<Given<Expr>>,
    pub(crate) load_timeout: Option<Given<Expr>>,
    pub(crate) on_timeout: Option<Given<Expr>>,
    pub(crate) storage: StorageArgs,
    pub(crate) version: Option<Given<Expr>>,
    pub(crate) tags: Option<Given<Vec<LitStr>>>,
    pub(crate) cache: Option<Given<Option<Expr>>>,
    pub(crate) runtime: Option<Given<Path>>,
    pub(crate) companion: Option<Given<Expr>>,
    skip_word: Option<Ident>,
    /// What is said of options that could not be read.
    meant: Vec<String>,
}

impl Options for CachedArgs {
    const KNOWN: &'static [(&'static str, &'static str)] = &[
        ("namespace", "namespace = \"agents\""),
        ("ttl", "ttl = \"30m\""),
        ("ttl_with", "ttl_with = |value| value.expires_in()"),
        ("none_ttl", "none_ttl = \"30s\""),
        ("cache_if", "cache_if = |value| !value.is_empty()"),
        ("key", "key = (org_id, page)"),
        ("batch", "batch = ids"),
        ("skip", "skip(db, ctx)"),
        ("skip_cache", "skip_cache = force"),
        ("local", "local = \"10s\""),
        ("stale_while_revalidate", "stale_while_revalidate = \"1m\""),
        ("stale_if_error", "stale_if_error = \"1h\""),
        ("refresh_ahead", "refresh_ahead = on"),
        ("single_flight", "single_flight = fleet"),
        ("lock", "lock = \"5s\""),
        ("soft_timeout", "soft_timeout = \"200ms\""),
        ("load_timeout", "load_timeout = \"2s\""),
        ("on_timeout", "on_timeout = || DbError::Timeout"),
        ("codec", "codec = msgpack"),
        ("compress", "compress = zstd"),
        ("encrypt", "encrypt = on"),
        ("sign", "sign = on"),
        ("max_size", "max_size = \"64KB\""),
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
        (
            "timeout",
            "`ttl = \"30m\"` for the answer, and `load_timeout = \"2s\"` for the body",
        ),
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
        ("many", "`batch = ids`"),
        ("keys", "`batch = ids`"),
        ("multi_get", "`batch = ids`"),
        ("tag", "`tags = [\"workspace:{workspace_id}\"]`"),
        ("swr", "`stale_while_revalidate = \"1m\"`"),
        ("revalidate", "`stale_while_revalidate = \"1m\"`"),
        ("grace", "`stale_while_revalidate = \"1m\"`"),
        (
            "stale",
            "`stale_while_revalidate = \"1m\"` or `stale_if_error = \"1h\"`",
        ),
        ("keep", "`stale_if_error = \"1h\"`"),
        ("fail_safe", "`stale_if_error = \"1h\"`"),
        ("result_fallback", "`stale_if_error = \"1h\"`"),
        ("fallback", "`stale_if_error = \"1h\"`"),
        ("refresh", "`refresh_ahead = on`"),
        ("eager_refresh", "`refresh_ahead = on`"),
        ("early_refresh", "`refresh_ahead = on`"),
        ("early_expiration", "`refresh_ahead = on`"),
        ("xfetch", "`refresh_ahead = on`"),
        ("beta", "`refresh_ahead = 1.0`"),
        (
            "sync",
            "`single_flight = process` or `single_flight = fleet`",
        ),
        (
            "sync_writes",
            "`single_flight = process` or `single_flight = fleet`",
        ),
        (
            "coalesce",
            "`single_flight = process` or `single_flight = fleet`",
        ),
        ("lease", "`lock = \"5s\"`"),
        ("lock_timeout", "`lock = \"5s\"`"),
        ("deadline", "`load_timeout = \"2s\"`"),
        ("hard_timeout", "`load_timeout = \"2s\"`"),
        ("factory_timeout", "`load_timeout = \"2s\"`"),
        ("serializer", "`codec = msgpack`"),
        ("serialize", "`codec = msgpack`"),
        ("format", "`codec = msgpack`"),
        ("encoding", "`codec = msgpack`"),
        ("compression", "`compress = zstd`"),
        ("compressed", "`compress = zstd`"),
        ("encryption", "`encrypt = on`"),
        ("encrypted", "`encrypt = on`"),
        ("protect", "`encrypt = on` or `sign = on`"),
        ("signed", "`sign = on`"),
        ("hmac", "`sign = on`"),
        ("max_bytes", "`max_size = \"64KB\"`"),
        ("size_limit", "`max_size = \"64KB\"`"),
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
                    self.ttl_word = Some(word);
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
                    name if self.storage.slot(name).is_some() => {
                        return store(&mut self.storage, word, input, mistakes);
                    }
                    "ttl_with" => &mut self.ttl_with,
                    "none_ttl" => &mut self.none_ttl,
                    "cache_if" => &mut self.cache_if,
                    "key" => &mut self.key,
                    "batch" => &mut self.batch,
                    "skip_cache" => &mut self.skip_cache,
                    "local" => &mut self.local,
                    "stale_while_revalidate" => &mut self.stale_while_revalidate,
                    "stale_if_error" => &mut self.stale_if_error,
                    "refresh_ahead" => &mut self.refresh_ahead,
                    "single_flight" => &mut self.single_flight,
                    "lock" => &mut self.lock,
                    "soft_timeout" => &mut self.soft_timeout,
                    "load_timeout" => &mut self.load_timeout,
                    "on_timeout" => &mut self.on_timeout,
                    "version" => &mut self.version,
                    _ => &mut self.companion,
                };
                once(slot, word, Expr::parse(input)?, mistakes);
            }
        }
        Ok(())
    }

    /// The short form: `#[cached("agents", "1h")]`; or whose keys they are: `#[cached(keys::agent(agent_id))]`.
    fn bare(&mut self, value: Expr, mistakes: &mut Mistakes) {
        if let (None, None, Expr::Call(call)) = (&self.namespace, &self.shared, &value) {
            self.shared = Some(call.clone());
        } else if self.shared.is_some() {
            mistakes.at(
                value,
                "nothing without a name stands beside a declared key",
                "the namespace and the ttl are those of the declaration: change them in `cache_keys!`",
                "what is said in two places differs sooner or later",
            );
        } else if self.namespace.is_none() {
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
        self.meant.push(option.to_owned());
    }
}

impl CachedArgs {
    /// Whether an option that could not be read was probably this one.
    pub(crate) fn is_meant(&self, option: &str) -> bool {
        self.meant.iter().any(|meant| meant.contains(option))
    }

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

/// An option of [`StorageArgs`].
fn store(
    storage: &mut StorageArgs,
    word: Ident,
    input: ParseStream<'_>,
    mistakes: &mut Mistakes,
) -> syn::Result<()> {
    let value = Expr::parse(input)?;
    if let Some(slot) = storage.slot(&word.to_string()) {
        once(slot, word, value, mistakes);
    }
    Ok(())
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
