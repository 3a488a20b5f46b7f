//! `batch = ids`: a function from many keys to what belongs to each.

use proc_macro2::Ident;
use syn::ext::IdentExt;
use syn::{FnArg, GenericArgument, Pat, PathArguments, Signature, Type};

use super::plain_name;
use crate::args::cached::CachedArgs;
use crate::errors::Mistakes;
use crate::function::{Function, Piece, last_segment};
use crate::mentions::{self, Names};
use crate::model::Batch;

/// The parameter that `batch` names, as far as it can be one.
pub(super) fn name(args: &CachedArgs) -> Option<&Ident> {
    plain_name(&args.batch.as_ref()?.value)
}

pub(super) fn check(
    args: &CachedArgs,
    function: &Function,
    key: &Names,
    mistakes: &mut Mistakes,
) -> Option<Batch> {
    let given = args.batch.as_ref()?;
    let unfit = unfit(args);
    for word in &unfit {
        mistakes.at(
            word,
            format!("`{word}` does not go with `batch`"),
            format!(
                "leave `{word}` out here; a function of one key that shares the keys may have it"
            ),
            "it would hold for none of the keys, and read as if it did",
        );
    }
    let piece = name(args).and_then(|name| {
        let mut pieces = function.pieces();
        pieces.find(|piece| piece.pattern.is_none() && piece.name == *name)
    });
    let Some((piece, slice)) = piece.and_then(|piece| Some((piece, is_slice(&piece.ty)?))) else {
        mistakes.at(
            &given.value,
            "`batch` names the parameter that holds the keys: a `&[T]` or a `Vec<T>`",
            "write `batch = ids` for a parameter `ids: &[Uuid]`",
            "what is none of these cannot be taken apart, so that only the missing keys are loaded",
        );
        return None;
    };
    let name = piece.name.clone();
    if !key.contains(&name.unraw().to_string()) {
        mistakes.at(
            &given.value,
            format!("`{name}` is not in the key"),
            format!("in the key it stands for one of them: `key = {name}`"),
            "all of them would share one answer",
        );
    }
    let body = function.body.clone().unwrap_or_default();
    let mentioned = mentions::of_body(body);
    lent(function, &mentioned, mistakes);
    Some(Batch {
        sig: unchanged(function),
        slice,
        copied: copied(function, &name, &mentioned),
        name,
    })
}

/// The signature without the `mut` of its parameters: the body has copies that may be changed.
fn unchanged(function: &Function) -> Signature {
    let mut sig = function.sig.clone();
    for input in &mut sig.inputs {
        if let FnArg::Typed(typed) = input
            && let Pat::Ident(pattern) = &mut *typed.pat
        {
            pattern.mutability = None;
        }
    }
    sig
}

/// Options that are about one load of one key.
fn unfit(args: &CachedArgs) -> Vec<&Ident> {
    let options = [
        &args.stale_while_revalidate,
        &args.stale_if_error,
        &args.refresh_ahead,
        &args.soft_timeout,
        &args.load_timeout,
        &args.on_timeout,
        &args.companion,
    ];
    let words = options.into_iter().flatten().map(|given| &given.word);
    let fleet = args
        .single_flight
        .as_ref()
        .filter(|given| plain_name(&given.value).is_some_and(|who| who == "fleet"));
    words.chain(fleet.map(|given| &given.word)).collect()
}

/// Whether it is a slice behind a reference, or a `Vec`; `None` for anything else.
fn is_slice(ty: &Type) -> Option<bool> {
    match ty {
        Type::Reference(reference) if reference.mutability.is_none() => {
            matches!(&*reference.elem, Type::Slice(_)).then_some(true)
        }
        Type::Path(_) => {
            let segment = last_segment(ty).filter(|segment| segment.ident == "Vec")?;
            let PathArguments::AngleBracketed(arguments) = &segment.arguments else {
                return None;
            };
            matches!(arguments.args.first(), Some(GenericArgument::Type(_))).then_some(false)
        }
        _ => None,
    }
}

/// The body may be called again, for keys that another caller has begun to load and did not: what it is lent for writing, or takes as
/// `self`, would be gone then.
fn lent(function: &Function, mentioned: &Names, mistakes: &mut Mistakes) {
    let rule = |name: &Ident| {
        format!("`{name}` is used up by one call of the body, and `batch` may make two")
    };
    let help = "take it by a shared reference, `&self` or `&T`";
    let danger = "keys whose load another caller has begun and given up would get no value";
    for piece in function.pieces() {
        if piece.is_exclusive() && piece.binds_one_of(mentioned) {
            mistakes.at(&piece.name, rule(&piece.name), help, danger);
        }
    }
    if let Some(receiver) = function.receiver()
        && mentioned.contains("self")
        && (function.takes_self() || function.has_exclusive_receiver())
    {
        let own = Ident::from(receiver.self_token);
        mistakes.at(&own, rule(&own), help, danger);
    }
}

/// Names that the body takes with it, so that each call of it has a copy.
fn copied(function: &Function, batch: &Ident, mentioned: &Names) -> Vec<Ident> {
    let taken = |piece: &&Piece| piece.is_by_value() && piece.name != *batch;
    let names = function
        .pieces()
        .filter(taken)
        .flat_map(|piece| &piece.bindings);
    names
        .filter(|name| mentioned.contains(&name.unraw().to_string()))
        .cloned()
        .collect()
}
