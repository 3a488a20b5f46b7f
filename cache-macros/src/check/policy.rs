//! Expiry, conditions, versions: what is kept, and for how long.

use syn::{Expr, Lit, Type, UnOp};

use super::{is_closure_or_path, plain_name, unwrapped};
use crate::args::Given;
use crate::args::cached::CachedArgs;
use crate::duration::{Wrong, milliseconds};
use crate::errors::Mistakes;
use crate::function::last_segment;
use crate::model::Expiry;

/// A ttl: text, seconds or an expression.
pub(super) fn expiry(value: Option<&Expr>, name: &str, mistakes: &mut Mistakes) -> Expiry {
    let Some(value) = value else {
        return Expiry::Default;
    };
    match unwrapped(value) {
        Expr::Lit(literal) => match literal_expiry(&literal.lit) {
            Ok(milliseconds) => return Expiry::Milliseconds(milliseconds),
            Err(wrong) => report(value, name, &wrong, mistakes),
        },
        Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_)) => {
            report(value, name, &Wrong::Negative, mistakes)
        }
        Expr::Closure(_) => mistakes.at(
            value,
            format!("`{name}` takes a time, not a closure"),
            "a time that depends on the answer is `ttl_with = |value| …`",
            "the closure would be taken for the time itself",
        ),
        _ => return Expiry::Expr(value.clone()),
    }
    Expiry::Default
}

fn literal_expiry(literal: &Lit) -> Result<u64, Wrong> {
    match literal {
        Lit::Str(text) => milliseconds(&text.value()),
        Lit::Int(number) if !number.suffix().is_empty() => Err(Wrong::Suffix),
        Lit::Int(number) => match number.base10_parse::<u64>() {
            Ok(0) => Err(Wrong::Zero),
            Ok(seconds) => seconds.checked_mul(1000).ok_or(Wrong::TooLong),
            Err(_) => Err(Wrong::TooLong),
        },
        _ => Err(Wrong::Unreadable),
    }
}

fn report(value: &Expr, name: &str, wrong: &Wrong, mistakes: &mut Mistakes) {
    let written = quote::ToTokens::to_token_stream(value).to_string();
    let written = written.trim_matches('"');
    let example =
        format!("write `{name} = \"30m\"`, with ms, s, m, h, d or w, or a number of seconds");
    let (rule, help, danger) = match wrong {
        Wrong::Unreadable => (
            format!("`{written}` is not a time"),
            example,
            "an entry without an end would outlive every bug and every correction",
        ),
        Wrong::NoUnit => (
            format!("`{written}` lacks a unit"),
            format!("write `{name} = \"{written}s\"` or `{name} = \"{written}m\"`"),
            "seconds taken for minutes keep an answer sixty times too long",
        ),
        Wrong::UnknownUnit(unit) => (
            format!("`{unit}` is not a unit of time"),
            "the units are ms, s, m, h, d and w: `\"1h30m\"`".to_owned(),
            "a guess at the unit keeps answers too long, or not at all",
        ),
        Wrong::Suffix => (
            format!("`{written}` stands without quotes"),
            match milliseconds(&written.replace('_', "")) {
                Ok(_) => format!("write `{name} = \"{}\"`", written.replace('_', "")),
                Err(_) => example,
            },
            "the compiler reads a number, and what follows it would be passed over: minutes would be kept as seconds",
        ),
        Wrong::Zero => (
            format!("`{name}` is zero"),
            format!("give it a time, `{name} = \"30s\"`, or take `#[cached]` away"),
            "nothing would ever be found, and each call would pay for looking",
        ),
        Wrong::Negative => (
            format!("`{name}` is negative"),
            example,
            "nothing would ever be found, and each call would pay for looking",
        ),
        Wrong::TooLong => (
            format!("`{written}` is too long"),
            format!("there is no \"forever\": `{name} = \"52w\"`"),
            "an entry without an end would outlive every bug and every correction",
        ),
    };
    mistakes.at(value, rule, help, danger);
}

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

/// `none_ttl` needs an answer that can be `None`.
pub(super) fn none_ttl(args: &CachedArgs, stored: Option<&Type>, mistakes: &mut Mistakes) {
    let (Some(given), Some(stored)) = (&args.none_ttl, stored) else {
        return;
    };
    let certain = match stored {
        Type::Tuple(_) | Type::Array(_) => true,
        Type::Path(path) => {
            path.path.segments.len() == 1
                && last_segment(stored)
                    .is_some_and(|segment| NEVER_NONE.iter().any(|name| segment.ident == name))
        }
        _ => false,
    };
    if certain {
        mistakes.at(
            &given.word,
            "`none_ttl` needs an answer that can be `None`",
            "answer an `Option`, or leave `none_ttl` out",
            "it would never apply, and missing rows would be kept as long as found ones",
        );
    }
}

const NEVER_NONE: [&str; 16] = [
    "bool", "char", "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "f32",
    "f64", "String", "Vec",
];
