//! The key: its parts, and whether every parameter is accounted for.

mod forgotten;
mod generics;
mod shared;

use syn::ext::IdentExt;
use syn::{Expr, GenericArgument, PathArguments, Type};

use self::forgotten::Elsewhere;
use super::{names_in, placeholder, plain_name, template, unknown_name, unwrapped};
use crate::args::as_text;
use crate::args::cached::CachedArgs;
use crate::errors::Mistakes;
use crate::function::{Function, last_segment};
use crate::mentions::{self, Names};
use crate::model::{Call, Part};
use crate::spelling::nearest;
use crate::template::{MOST_SEGMENTS, Purpose, Template, too_many_segments};

/// The key of a function's calls.
#[derive(Default)]
pub(super) struct Key {
    /// Segments as the runtime takes them.
    pub(super) segments: Vec<String>,
    pub(super) parts: Vec<Part>,
    /// Whose keys they are, when they are somebody else's.
    pub(super) shared: Option<Call>,
    /// The parameters that it mentions.
    pub(super) names: Names,
    /// Type and const parameters that it mentions, or that are skipped.
    settled_generics: Names,
    /// Whether a mistake was found, so that what follows from it is not reported too.
    broken: bool,
    /// Whether a part of it could not be read.
    unread: bool,
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
    let elsewhere = Elsewhere::read(args, function);
    match &args.key {
        _ if args.shared.is_some() => key.shared = key.share(args, function, mistakes),
        Some(given) => key.read(&given.value, function, mistakes),
        None => key.collect(function, &elsewhere, &skipped),
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
        key.check_forgotten(args, function, &elsewhere, &skipped, mistakes);
        key.check_generics(function, mistakes);
    }
    if key.unread {
        key.names = guess(function, &elsewhere, &skipped);
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
            if generics::of(function).any(|param| *param.name == *word) {
                self.settled_generics.insert(name);
            } else if !known.iter().any(|binding| binding.unraw() == name) {
                unknown_name(word, &name, &known, mistakes);
                self.broken = true;
                let known: Vec<String> = known
                    .iter()
                    .map(|ident| ident.unraw().to_string())
                    .collect();
                skipped.extend(nearest(&name, known.iter().map(String::as_str)).map(str::to_owned));
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

    fn give_up(&mut self) {
        self.broken = true;
        self.unread = true;
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
                self.give_up();
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
            self.settled_generics
                .extend(mentions::of_tokens(quote::ToTokens::to_token_stream(part)));
            return;
        };
        let Some(template) = template(literal, Purpose::Key, mistakes) else {
            self.give_up();
            return;
        };
        for segment in &template.segments {
            self.segments.push(segment.text.clone());
        }
        let known = function.bindings();
        for found in template.placeholders() {
            match placeholder(found, literal, &known, mistakes) {
                Some(part) => self.parts.push(part),
                None => self.give_up(),
            }
        }
    }

    /// The key of a function without `key = …`: every parameter that is not skipped.
    fn collect(&mut self, function: &Function, elsewhere: &Elsewhere, skipped: &Names) {
        for binding in function.pieces().flat_map(|piece| &piece.bindings) {
            let name = binding.unraw().to_string();
            if skipped.contains(&name) || elsewhere.contains(&name) {
                continue;
            }
            self.segments.push("{}".to_owned());
            self.parts.push(Part {
                expr: syn::parse_quote!(#binding),
                names: Names::from([name]),
            });
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
            // What `batch` names is taken apart, and told there.
            let is_batch = super::batch::name(args).is_some_and(|batch| batch == name);
            if is_set && is_part && !is_batch {
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
}

/// What a key that cannot be read most likely mentions: it stands in the companion's signatures until it is right.
fn guess(function: &Function, elsewhere: &Elsewhere, skipped: &Names) -> Names {
    function
        .pieces()
        .flat_map(|piece| &piece.bindings)
        .map(|binding| binding.unraw().to_string())
        .filter(|name| !skipped.contains(name) && !elsewhere.contains(name))
        .collect()
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
