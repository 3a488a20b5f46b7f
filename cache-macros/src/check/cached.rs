//! From the options of `#[cached]` and a function to a model, or to all that is wrong with them.

use proc_macro2::Span;
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::{GenericArgument, PathArguments, Type, Visibility};

use super::{
    background, batch, key, names_in, placeholder, policy, stale, storage, template, time, waiting,
};
use crate::args::cached::CachedArgs;
use crate::errors::Mistakes;
use crate::function::{Function, last_segment};
use crate::mentions::{self, Names};
use crate::model::{Cached, Companion, Part, Text, Time};
use crate::template::{Purpose, Template};

/// Checks everything. After a mistake the model is as good as it can be, for the stand-in of the companion.
pub(crate) fn check(
    args: CachedArgs,
    function: Function,
    attribute: Span,
    mistakes: &mut Mistakes,
) -> Cached {
    super::function(&function, "cached", mistakes);
    if mistakes.none() || function.sig.asyncness.is_some() {
        answer(&function, mistakes);
    }
    let namespace = namespace(&args, attribute, mistakes);
    let mut key = key::check(&args, &function, namespace.as_ref(), mistakes);
    let shared = key.shared.take();
    let tags = tags(&args, &function, mistakes);
    let ttl = time::read(args.ttl.as_ref(), &time::TTL, mistakes);
    let none_ttl = args.none_ttl.as_ref().map(|given| &given.value);
    let none_ttl = time::read(none_ttl, &time::NONE_TTL, mistakes);
    let local = policy::local(args.local.as_ref(), &ttl, mistakes);
    policy::one_ttl(&args, mistakes);
    if args.batch.is_none() {
        policy::none_ttl(&args, function.answer().map(key::stored_type), mistakes);
    }
    let off = policy::companion_is_off(args.companion.as_ref(), mistakes);
    let mut cached = Cached {
        // What it is called with is no key; the function whose keys it shares has one.
        companion: match args.batch {
            Some(_) => Companion::None,
            None => companion(off, &function),
        },
        batch: batch::check(&args, &function, &key.names, mistakes),
        template: key.segments.join(":"),
        shared,
        parts: key.parts,
        ttl,
        none_ttl,
        local,
        stale: stale::check(&args, &function, mistakes),
        waiting: waiting::check(&args, &function, mistakes),
        background: match args.batch {
            Some(_) => None,
            None => background::check(&args, &function, mistakes),
        },
        storage: storage::check(&args.storage, mistakes),
        version: policy::version(args.version.as_ref(), mistakes),
        ttl_with: policy::rule(
            args.ttl_with.as_ref(),
            "|value| value.expires_in()",
            mistakes,
        ),
        cache_if: policy::rule(
            args.cache_if.as_ref(),
            "|value| !value.is_empty()",
            mistakes,
        ),
        skip_cache: policy::skip_cache(args.skip_cache.as_ref(), mistakes),
        tags,
        cache: args.cache.and_then(|given| given.value),
        runtime: args.runtime.map(|given| given.value),
        policy_names: key.names.clone(),
        key_names: key.names,
        key_is_enough: false,
        function,
    };
    let others = policy_names(&cached);
    cached.key_is_enough = others.is_empty();
    cached.policy_names.extend(others);
    cached
}

/// What else than the key the companion has to know to find or store an answer.
fn policy_names(cached: &Cached) -> Names {
    let mut names = Names::new();
    for time in [
        &cached.ttl,
        &cached.none_ttl,
        &cached.local,
        &cached.stale.while_revalidate,
        &cached.stale.if_error,
    ] {
        if let Time::Expr(expr) = time {
            names.extend(mentions::of_expr(expr));
        }
    }
    for expr in [&cached.cache, &cached.cache_if, &cached.ttl_with]
        .into_iter()
        .flatten()
    {
        names.extend(mentions::of_expr(expr));
    }
    for part in cached.tags.iter().flat_map(|tag| &tag.parts) {
        names.extend(part.names.iter().cloned());
    }
    names_in(&names, &cached.function.bindings())
}

/// A method whose visibility is written stands in an inherent `impl`; any other may be one of a trait.
fn companion(off: bool, function: &Function) -> Companion {
    match (off, function.is_method(), &function.vis) {
        (true, _, _) | (_, true, Visibility::Inherited) => Companion::None,
        (_, true, _) => Companion::Methods,
        (_, false, _) => Companion::Enum,
    }
}

fn namespace(args: &CachedArgs, attribute: Span, mistakes: &mut Mistakes) -> Option<Template> {
    if let Some(shared) = &args.shared {
        if let Some(Some(literal)) = &args.namespace {
            mistakes.at(
                literal,
                format!(
                    "the namespace is said by `{}`",
                    shared.func.to_token_stream()
                ),
                "leave `namespace` out, or change it in `cache_keys!`",
                "what is said in two places differs sooner or later",
            );
        }
        return None;
    }
    match &args.namespace {
        Some(literal) => template(literal.as_ref()?, Purpose::Namespace, mistakes),
        None => {
            mistakes.at_span(
                attribute,
                "`namespace` is missing",
                "name where the answers are kept: `#[cached(namespace = \"agents\")]`, or short `#[cached(\"agents\")]`",
                "functions without a name of their own would read each other's answers",
            );
            None
        }
    }
}

fn tags(args: &CachedArgs, function: &Function, mistakes: &mut Mistakes) -> Vec<Text> {
    let Some(given) = &args.tags else {
        return Vec::new();
    };
    let known = function.bindings();
    let mut texts = Vec::new();
    for literal in &given.value {
        let Some(template) = template(literal, Purpose::Tag, mistakes) else {
            continue;
        };
        let mut parts: Vec<Part> = Vec::new();
        for found in template.placeholders() {
            if found.root == "result" && !known.iter().any(|binding| binding.unraw() == "result") {
                mistakes.at(
                    literal,
                    "`result` is not known when a tag is needed",
                    "build tags from parameters: `\"workspace:{workspace_id}\"`",
                    "a hit is checked against its tags before there is an answer to read them from",
                );
                continue;
            }
            parts.extend(placeholder(found, literal, &known, mistakes));
        }
        texts.push(Text {
            template: template.text(),
            parts,
        });
    }
    texts
}

/// The rules for what a cached function answers.
fn answer(function: &Function, mistakes: &mut Mistakes) {
    let name = &function.sig.ident;
    let Some(answer) = function.answer() else {
        mistakes.at(
            name,
            format!("`{name}` answers nothing"),
            "answer what is to be cached, or take `#[cached]` away",
            "the body would run once, and its effects would not happen again until the ttl is over",
        );
        return;
    };
    if let Type::ImplTrait(opaque) = answer {
        mistakes.at(
            opaque,
            format!("`{name}` answers an `impl Trait`"),
            "name the type: `-> Vec<User>`",
            "a stored answer could not be turned back into a type without a name",
        );
    } else if let Some(borrowed) = borrowed_answer(answer) {
        mistakes.at(
            borrowed,
            format!("`{name}` answers a reference"),
            "own the answer: `String` for `&str`, `Vec<T>` for `&[T]`, `Arc<T>` for `&T`",
            "a stored answer has nobody to borrow from",
        );
    } else if is_unit(key::stored_type(answer)) {
        mistakes.at(
            answer,
            format!("`{name}` answers nothing"),
            "answer what is to be cached, or take `#[cached]` away",
            "the body would run once, and its effects would not happen again until the ttl is over",
        );
    }
}

fn is_unit(ty: &Type) -> bool {
    matches!(ty, Type::Tuple(tuple) if tuple.elems.is_empty())
}

/// A reference in what is stored, as far as the common wrappers show it.
fn borrowed_answer(ty: &Type) -> Option<&Type> {
    match ty {
        Type::Reference(_) => Some(ty),
        Type::Paren(paren) => borrowed_answer(&paren.elem),
        Type::Tuple(tuple) => tuple.elems.iter().find_map(borrowed_answer),
        Type::Path(_) => {
            let segment = last_segment(ty)?;
            if !WRAPPERS.iter().any(|wrapper| segment.ident == wrapper) {
                return None;
            }
            let PathArguments::AngleBracketed(arguments) = &segment.arguments else {
                return None;
            };
            match arguments.args.first()? {
                GenericArgument::Type(inner) => borrowed_answer(inner),
                _ => None,
            }
        }
        _ => None,
    }
}

const WRAPPERS: [&str; 7] = ["Result", "Option", "Vec", "Box", "Arc", "Rc", "Json"];
