//! The key: its parts, and whether every parameter is accounted for.

use proc_macro2::Ident;
use syn::ext::IdentExt;
use syn::{Expr, GenericArgument, PathArguments, Type};

use super::{names_in, placeholder, plain_name, template, unknown_name, unwrapped};
use crate::args::as_text;
use crate::args::cached::CachedArgs;
use crate::errors::Mistakes;
use crate::function::{Function, last_segment};
use crate::mentions::{self, Names};
use crate::model::Part;
use crate::template::{MOST_SEGMENTS, Purpose, Template, too_many_segments};

/// The key of a function's calls.
#[derive(Default)]
pub(super) struct Key {
    /// Segments as the runtime takes them.
    pub(super) segments: Vec<String>,
    pub(super) parts: Vec<Part>,
    /// The parameters that it mentions.
    pub(super) names: Names,
    /// Type parameters that it mentions, or that are skipped.
    settled_types: Names,
    /// Whether a mistake was found, so that what follows from it is not reported too.
    broken: bool,
}

pub(super) fn check(
    args: &CachedArgs,
    function: &Function,
    namespace: Option<&Template>,
    mistakes: &mut Mistakes,
) -> Key {
    let bindings = function.bindings();
    let mut key = Key::default();
    let skipped = key.read_skips(args, function, mistakes);
    match &args.key {
        Some(given) => key.read(&given.value, function, mistakes),
        None => key.collect(args, function, &skipped),
    }
    key.names = key
        .parts
        .iter()
        .flat_map(|part| names_in(&part.names, &bindings))
        .collect();
    if let (Some(namespace), false) = (namespace, key.broken) {
        key.segments.splice(
            0..0,
            namespace
                .segments
                .iter()
                .map(|segment| segment.text.clone()),
        );
        if key.segments.len() > MOST_SEGMENTS + 1 {
            let broken = too_many_segments(key.segments.len());
            match &args.key {
                Some(given) => mistakes.at(&given.value, broken.rule, broken.help, broken.danger),
                None => mistakes.at(&function.sig.ident, broken.rule, broken.help, broken.danger),
            }
        }
    }
    key.check_contradictions(args, function, &skipped, mistakes);
    key.check_values(args, function, mistakes);
    if !key.broken {
        key.check_forgotten(args, function, &skipped, mistakes);
        key.check_types(function, mistakes);
    }
    key
}

impl Key {
    /// The names in `skip(…)` and those with `#[skip]`.
    fn read_skips(
        &mut self,
        args: &CachedArgs,
        function: &Function,
        mistakes: &mut Mistakes,
    ) -> Names {
        let known = function.bindings();
        let mut skipped = Names::new();
        let on_parameters = function
            .parameters
            .iter()
            .filter_map(|parameter| Some((parameter.skip.as_ref()?, &parameter.pieces)));
        for (attr, pieces) in on_parameters {
            self.check_skip(attr, mistakes);
            let bindings = pieces.iter().flat_map(|piece| &piece.bindings);
            skipped.extend(bindings.map(|binding| binding.unraw().to_string()));
        }
        if let Some(attr) = &function.receiver_skip {
            self.check_skip(attr, mistakes);
            skipped.insert("self".to_owned());
        }
        for word in &args.skip {
            let name = word.unraw().to_string();
            if function
                .sig
                .generics
                .type_params()
                .any(|param| param.ident == *word)
            {
                self.settled_types.insert(name);
            } else if !known.iter().any(|binding| binding.unraw() == name) {
                unknown_name(word, &name, &known, mistakes);
                self.broken = true;
            } else if !skipped.insert(name) {
                mistakes.at(
                    word,
                    format!("`{word}` is skipped twice"),
                    "skip it once, with `#[skip]` or in `skip(…)`",
                    "taking one of them away later would change nothing, and surprise whoever does it",
                );
            }
        }
        skipped
    }

    fn check_skip(&mut self, attr: &syn::Attribute, mistakes: &mut Mistakes) {
        if attr.meta.require_path_only().is_err() {
            mistakes.at(
                &attr.meta,
                "`#[skip]` takes nothing",
                "write `#[skip]` before the parameter, or `skip(a, b)` in the attribute",
                "a condition here would be passed over, and the parameter never be in the key",
            );
        }
    }

    /// `key = …`
    fn read(&mut self, value: &Expr, function: &Function, mistakes: &mut Mistakes) {
        match unwrapped(value) {
            Expr::Tuple(tuple) => {
                for element in &tuple.elems {
                    self.read_part(element, function, mistakes);
                }
            }
            Expr::Closure(closure) => {
                self.broken = true;
                mistakes.at(
                    closure,
                    "`key` takes an expression, not a closure",
                    "write what the closure computes, the parameters are in scope: `key = (org_id, page)`",
                    "the closure itself is the same for every call",
                );
            }
            part => self.read_part(part, function, mistakes),
        }
    }

    fn read_part(&mut self, part: &Expr, function: &Function, mistakes: &mut Mistakes) {
        let Some(literal) = as_text(part) else {
            self.segments.push("{}".to_owned());
            self.parts.push(Part {
                names: mentions::of_expr(part),
                expr: unwrapped(part).clone(),
            });
            self.settled_types
                .extend(mentions::of_tokens(quote::ToTokens::to_token_stream(part)));
            return;
        };
        let Some(template) = template(literal, Purpose::Key, mistakes) else {
            self.broken = true;
            return;
        };
        for segment in &template.segments {
            self.segments.push(segment.text.clone());
        }
        let known = function.bindings();
        for found in template.placeholders() {
            match placeholder(found, literal, &known, mistakes) {
                Some(part) => self.parts.push(part),
                None => self.broken = true,
            }
        }
    }

    /// The key of a function without `key = …`: every parameter that is not skipped.
    fn collect(&mut self, args: &CachedArgs, function: &Function, skipped: &Names) {
        let elsewhere = policy_mentions(args);
        for piece in function.pieces() {
            for binding in &piece.bindings {
                let name = binding.unraw().to_string();
                let is_flag =
                    last_segment(&piece.ty).is_some_and(|segment| segment.ident == "bool");
                let chooses = elsewhere.cache.contains(&name)
                    || (is_flag && elsewhere.skip_cache.contains(&name));
                if skipped.contains(&name) || chooses {
                    continue;
                }
                self.segments.push("{}".to_owned());
                self.parts.push(Part {
                    expr: syn::parse_quote!(#binding),
                    names: Names::from([name]),
                });
            }
        }
    }

    fn check_contradictions(
        &mut self,
        args: &CachedArgs,
        function: &Function,
        skipped: &Names,
        mistakes: &mut Mistakes,
    ) {
        for name in self.names.intersection(skipped) {
            self.broken = true;
            let rule = format!("`{name}` is skipped, and in the key");
            let help = format!("take `{name}` out of the key, or do not skip it");
            let danger = "whoever reads one of them believes that it decides";
            match args.skip.iter().find(|word| word.unraw() == name) {
                Some(word) => mistakes.at(word, rule, help, danger),
                None => match skip_attribute(function, name) {
                    Some(attr) => mistakes.at(attr, rule, help, danger),
                    None => mistakes.at(&function.sig.ident, rule, help, danger),
                },
            }
        }
    }

    /// Values that cannot be a part of a key.
    fn check_values(&mut self, args: &CachedArgs, function: &Function, mistakes: &mut Mistakes) {
        for piece in function
            .pieces()
            .filter(|piece| piece.binds_one_of(&self.names))
        {
            let name = &piece.name;
            if piece.is_exclusive() {
                self.broken = true;
                mistakes.at(
                    name,
                    format!("`{name}` is `&mut`, and in the key"),
                    format!("skip it, `#[skip] {name}`, or put what distinguishes calls into a parameter of its own"),
                    "the body changes it, so the same call would look under another key the next time",
                );
            }
            let is_set = last_segment(&piece.ty).is_some_and(|segment| segment.ident == "HashSet");
            let is_part = self.parts.iter().any(|part| {
                let expr = match &part.expr {
                    Expr::Reference(reference) => &reference.expr,
                    expr => expr,
                };
                piece.pattern.is_none() && plain_name(expr).is_some_and(|ident| ident == name)
            });
            if is_set && is_part {
                self.broken = true;
                mistakes.at(
                    &piece.ty,
                    format!("`{name}` has no order, and is in the key"),
                    "take a `BTreeSet`, or sort a `Vec` first",
                    "the same set is written in another order each time: calls would miss what is stored, and clear nothing",
                );
            }
        }
        if function.has_exclusive_receiver() && self.names.contains("self") {
            self.broken = true;
            mistakes.at(
                args.key.as_ref().map(|given| &given.value),
                "`self` is `&mut`, and in the key",
                "take `&self`, or skip it: `skip(self)`",
                "the body changes it, so the same call would look under another key the next time",
            );
        }
    }

    /// The most important rule: whatever may change the answer is in the key, or left out on purpose.
    fn check_forgotten(
        &self,
        args: &CachedArgs,
        function: &Function,
        skipped: &Names,
        mistakes: &mut Mistakes,
    ) {
        let elsewhere = policy_mentions(args);
        for binding in function.bindings() {
            let name = binding.unraw().to_string();
            let settled = [
                &self.names,
                skipped,
                &elsewhere.cache,
                &elsewhere.skip_cache,
            ];
            if settled.iter().any(|names| names.contains(&name)) {
                continue;
            }
            if name == "self" {
                mistakes.at(
                    &binding,
                    "`self` is not in the key",
                    "when every instance gives the same answer: `skip(self)`; else name what differs: `key = (self.tenant_id, …)`",
                    "two instances would share one answer: one tenant is shown another's data",
                );
            } else {
                mistakes.at(
                    &binding,
                    format!("`{name}` is not in the key"),
                    format!("add it: `key = ({}{name})`; or, when it cannot change the answer: `#[skip] {name}`", args.key.as_ref().map_or("", |_| "…, ")),
                    format!("two calls that differ only in `{name}` would share one answer: one user is shown another's data"),
                );
            }
        }
    }

    /// A type parameter of the answer distinguishes calls like a value does.
    fn check_types(&self, function: &Function, mistakes: &mut Mistakes) {
        let Some(answer) = function.answer() else {
            return;
        };
        let stored = mentions::of_tokens(quote::ToTokens::to_token_stream(stored_type(answer)));
        for param in function.sig.generics.type_params() {
            let ident: &Ident = &param.ident;
            let name = ident.unraw().to_string();
            if stored.contains(&name) && !self.settled_types.contains(&name) {
                mistakes.at(
                    ident,
                    format!("the type `{name}` is in the answer, and not in the key"),
                    format!("add it: `key = (…, ::std::any::type_name::<{name}>())`; or, when it cannot matter: `skip({name})`"),
                    format!("the answer for one `{name}` would be read as another type, and shown as if it were right"),
                );
            }
        }
    }
}

fn skip_attribute<'a>(function: &'a Function, name: &str) -> Option<&'a syn::Attribute> {
    if name == "self" {
        return function.receiver_skip.as_ref();
    }
    let names = Names::from([name.to_owned()]);
    function
        .parameters
        .iter()
        .find(|parameter| {
            parameter
                .pieces
                .iter()
                .any(|piece| piece.binds_one_of(&names))
        })
        .and_then(|parameter| parameter.skip.as_ref())
}

/// Names that decide whether and where to look, rather than what the answer is.
struct Elsewhere {
    cache: Names,
    skip_cache: Names,
}

fn policy_mentions(args: &CachedArgs) -> Elsewhere {
    let cache = args.cache.as_ref().and_then(|given| given.value.as_ref());
    let skip_cache = args.skip_cache.as_ref().map(|given| &given.value);
    Elsewhere {
        cache: cache.map(mentions::of_expr).unwrap_or_default(),
        skip_cache: skip_cache.map(mentions::of_expr).unwrap_or_default(),
    }
}

/// `T` of `Result<T, E>`, as far as it can be seen; errors are not stored.
pub(super) fn stored_type(answer: &Type) -> &Type {
    let Some(segment) = last_segment(answer).filter(|segment| segment.ident == "Result") else {
        return answer;
    };
    match &segment.arguments {
        PathArguments::AngleBracketed(arguments) => arguments
            .args
            .iter()
            .find_map(|argument| match argument {
                GenericArgument::Type(ty) => Some(ty),
                _ => None,
            })
            .unwrap_or(answer),
        _ => answer,
    }
}
