//! Expiry, conditions, versions: what is kept, and for how long.

use proc_macro2::Ident;
use syn::{Expr, Lit, PathSegment, Type};

use super::{is_closure_or_path, plain_name, time, unwrapped};
use crate::args::Given;
use crate::args::cached::CachedArgs;
use crate::errors::Mistakes;
use crate::function::{Function, last_segment};
use crate::model::Time;

/// `ttl` and `ttl_with` exclude each other.
pub(super) fn one_ttl(args: &CachedArgs, mistakes: &mut Mistakes) {
    if let (Some(_), Some(ttl_with)) = (&args.ttl, &args.ttl_with) {
        mistakes.at(
            &ttl_with.word,
            "`ttl_with` stands beside `ttl`",
            "keep one: `ttl` for a fixed time, `ttl_with` for one that depends on the answer",
            "which of them counts would not be seen here",
        );
    }
}

/// A closure or path, as `cache_if` and `ttl_with` take.
pub(super) fn rule(
    given: Option<&Given<Expr>>,
    example: &str,
    mistakes: &mut Mistakes,
) -> Option<Expr> {
    let given = given?;
    if is_closure_or_path(&given.value) {
        return Some(given.value.clone());
    }
    let word = &given.word;
    mistakes.at(
        &given.value,
        format!("`{word}` takes a closure or a function"),
        format!("write `{word} = {example}`"),
        "one value for every answer decides nothing",
    );
    None
}

/// `version = 2`
pub(super) fn version(given: Option<&Given<Expr>>, mistakes: &mut Mistakes) -> Option<u16> {
    let given = given?;
    if let Expr::Lit(literal) = unwrapped(&given.value)
        && let Lit::Int(number) = &literal.lit
        && number.suffix().is_empty()
        && let Ok(version) = number.base10_parse::<u16>()
    {
        return Some(version);
    }
    mistakes.at(
        &given.value,
        "`version` is a number from 0 to 65535",
        "write `version = 2`, and count up when the answer's type changes",
        "answers of an older program would be read as the new type",
    );
    None
}

/// `skip_cache = expr`
pub(super) fn skip_cache(given: Option<&Given<Expr>>, mistakes: &mut Mistakes) -> Option<Expr> {
    let given = given?;
    let wrong = match unwrapped(&given.value) {
        Expr::Lit(literal) => !matches!(literal.lit, Lit::Bool(_)),
        Expr::Closure(_) => true,
        _ => false,
    };
    if !wrong {
        return Some(given.value.clone());
    }
    mistakes.at(
        &given.value,
        "`skip_cache` takes a condition",
        "write an expression of type `bool`: `skip_cache = force`",
        "a value that is neither true nor false cannot decide",
    );
    None
}

/// Whether there is a companion at all.
pub(super) fn companion_is_off(given: Option<&Given<Expr>>, mistakes: &mut Mistakes) -> bool {
    let Some(given) = given else {
        return false;
    };
    if plain_name(&given.value).is_some_and(|word| word == "off") {
        return true;
    }
    mistakes.at(
        &given.value,
        "`companion` can only be `off`",
        "write `companion = off`, or leave it out",
        "another word would be passed over in silence",
    );
    false
}

/// `local = "10s"`, `local = off`
pub(super) fn local(given: Option<&Given<Expr>>, ttl: &Time, mistakes: &mut Mistakes) -> Time {
    let Some(given) = given else {
        return Time::Default;
    };
    if plain_name(&given.value).is_some_and(|word| word == "off") {
        return Time::Default;
    }
    let local = time::read(Some(&given.value), &time::LOCAL, mistakes);
    if let (Time::Milliseconds(local), Time::Milliseconds(ttl)) = (&local, ttl)
        && local > ttl
    {
        mistakes.at(
            &given.value,
            "`local` is longer than `ttl`",
            "shorten `local`, or lengthen `ttl`: the copy in this process is one of the entry",
            "the near copy cannot outlive the entry: it would be gone earlier than is written here",
        );
    }
    local
}

/// `none_ttl` needs an answer that can be `None`.
pub(super) fn none_ttl(args: &CachedArgs, stored: Option<&Type>, mistakes: &mut Mistakes) {
    let (Some(given), Some(stored)) = (&args.none_ttl, stored) else {
        return;
    };
    if is_simple(stored) {
        mistakes.at(
            &given.word,
            "`none_ttl` needs an answer that can be `None`",
            "answer an `Option`, or leave `none_ttl` out",
            "it would never apply, and missing rows would be kept as long as found ones",
        );
    }
}

/// What is answered when a load fails, or in the place of its `Err`, needs an answer that can be `Err`.
pub(super) fn needs_err(word: &Ident, danger: &str, function: &Function, mistakes: &mut Mistakes) {
    if function.answer().is_some_and(never_fails) {
        mistakes.at(
            word,
            format!("`{word}` needs an answer that can be `Err`"),
            format!("answer a `Result`, or leave `{word}` out"),
            danger,
        );
    }
}

/// Certainly neither `Result` nor an alias of it.
fn never_fails(answer: &Type) -> bool {
    let is_wrapper = |segment: &PathSegment| INFALLIBLE.iter().any(|name| segment.ident == name);
    is_simple(answer)
        || (matches!(answer, Type::Path(_)) && last_segment(answer).is_some_and(is_wrapper))
}

const INFALLIBLE: [&str; 4] = ["Option", "Json", "Arc", "Box"];

/// A tuple, an array or one of std's plain types: certainly neither `Option` nor `Result`, nor an alias of one.
pub(super) fn is_simple(ty: &Type) -> bool {
    match ty {
        Type::Tuple(_) | Type::Array(_) => true,
        Type::Path(path) => {
            path.path.segments.len() == 1
                && last_segment(ty)
                    .is_some_and(|segment| SIMPLE.iter().any(|name| segment.ident == name))
        }
        _ => false,
    }
}

const SIMPLE: [&str; 16] = [
    "bool", "char", "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "f32",
    "f64", "String", "Vec",
];
