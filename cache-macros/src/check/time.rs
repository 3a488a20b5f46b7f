//! Options that take a time: text, seconds or an expression.

use syn::{Expr, Lit, UnOp};

use super::unwrapped;
use crate::args::Given;
use crate::duration::{Wrong, milliseconds};
use crate::errors::Mistakes;
use crate::model::Time;

/// What an option's time is for: what its errors advise, and warn of.
pub(super) struct Meaning {
    name: &'static str,
    example: &'static str,
    /// What to write in the place of forever.
    longest: &'static str,
    /// What to write in the place of a closure.
    closure: &'static str,
    /// What to write in the place of zero.
    zero: &'static str,
    /// What zero, and less, would do.
    nothing: &'static str,
    /// What no end would do.
    endless: &'static str,
    /// What a wrong unit would do.
    unit: &'static str,
    /// The units of what is usually written.
    usual: [&'static str; 2],
    /// What taking one of them for the other would do.
    taken: &'static str,
}

pub(super) const TTL: Meaning = Meaning {
    name: "ttl",
    example: "30m",
    longest: "52w",
    closure: "a time that depends on the answer is `ttl_with = |value| …`",
    zero: "give it a time, `ttl = \"30s\"`, or take `#[cached]` away",
    nothing: "nothing would ever be found, and each call would pay for looking",
    endless: "an entry without an end would outlive every bug and every correction",
    unit: "keeps answers too long, or not at all",
    usual: ["s", "m"],
    taken: "seconds taken for minutes last sixty times too long",
};

/// Of a declared key.
pub(super) const DECLARED: Meaning = Meaning {
    closure: "write a time, `ttl = \"30m\"`, or a constant of type `Duration`: `ttl = ttl::LONG`",
    zero: "give it a time, `ttl = ttl::SHORT`",
    ..TTL
};

pub(super) const NONE_TTL: Meaning = Meaning {
    name: "none_ttl",
    zero: "give it a time, `none_ttl = \"30s\"`, or take `#[cached]` away",
    ..TTL
};

pub(super) const LOCAL: Meaning = Meaning {
    name: "local",
    example: "10s",
    longest: "1h",
    closure: "write a time, `local = \"10s\"`, or an expression of the parameters",
    zero: "give it a time, `local = \"10s\"`, or write `local = off`",
    nothing: "no answer would be found in this process, and each would be put there",
    endless: "a copy without an end would never leave the memory of this process",
    ..TTL
};

pub(super) const STALE_WHILE_REVALIDATE: Meaning = Meaning {
    name: "stale_while_revalidate",
    example: "1m",
    longest: "1d",
    closure: "write a time, `stale_while_revalidate = \"1m\"`, or an expression of the parameters",
    zero: "give it a time, `stale_while_revalidate = \"1m\"`, or leave it out",
    nothing: "no old answer would ever be served, and callers would wait for each load",
    endless: "whoever asks first after a long time would get an answer from long ago",
    unit: "serves answers that are far too old, or none",
    ..TTL
};

pub(super) const STALE_IF_ERROR: Meaning = Meaning {
    name: "stale_if_error",
    example: "1h",
    longest: "1w",
    closure: "write a time, `stale_if_error = \"1h\"`, or an expression of the parameters",
    zero: "give it a time, `stale_if_error = \"1h\"`, or leave it out",
    nothing: "no old answer would be at hand when the body answers an `Err`",
    endless: "a source that is gone for good would not be noticed: its last answer would be served for as long",
    unit: "serves answers that are far too old, or none",
    ..TTL
};

pub(super) const LOCK: Meaning = Meaning {
    name: "lock",
    example: "5s",
    longest: "1m",
    closure: "write the longest time that a caller may wait: `lock = \"5s\"`",
    zero: "give it a time, `lock = \"5s\"`, or write `single_flight = off`",
    nothing: "nobody would wait for another's load, and each caller would load",
    endless: "callers would wait as long for a load that hangs, or whose process was killed",
    unit: "lets callers wait for long, or load side by side",
    usual: ["ms", "s"],
    taken: "seconds taken for milliseconds last a thousand times too long",
};

pub(super) const SOFT_TIMEOUT: Meaning = Meaning {
    name: "soft_timeout",
    example: "200ms",
    longest: "10s",
    closure: "write the time after which an old answer is better than none: `soft_timeout = \"200ms\"`",
    zero: "give it a time, `soft_timeout = \"200ms\"`; an old answer at once is `stale_while_revalidate = \"1m\"`",
    nothing: "old answers would be served before the body could give a new one",
    endless: "callers would wait for the body while an old answer is at hand",
    unit: "serves old answers too early, or too late",
    ..LOCK
};

pub(super) const LOAD_TIMEOUT: Meaning = Meaning {
    name: "load_timeout",
    example: "2s",
    longest: "10m",
    closure: "write the time that the body may take: `load_timeout = \"2s\"`",
    zero: "give it a time, `load_timeout = \"2s\"`, or leave it out",
    nothing: "each load would be given up before it has begun",
    endless: "callers would wait as long for a load that hangs",
    unit: "gives loads up too early, or too late",
    ..LOCK
};

pub(super) const CRASH_SAFE: Meaning = Meaning {
    name: "crash_safe",
    example: "30s",
    longest: "10m",
    closure: "write the time that the body may take at most: `crash_safe = \"30s\"`",
    zero: "give it the time that the body may take at most, `crash_safe = \"30s\"`, or leave it out",
    nothing: "the announcement would be over before the body runs, and a crash would leave what is old in the cache",
    endless: "after a crash readers would go without the cache for as long",
    unit: "ends the announcement before the body, or keeps readers from the cache for long",
    ..TTL
};

pub(super) const HOLD_OFF: Meaning = Meaning {
    name: "hold_off",
    example: "500ms",
    longest: "1m",
    closure: "write how far replicas may lag behind: `hold_off = \"500ms\"`",
    zero: "give it a time, `hold_off = \"500ms\"`, or leave it out",
    nothing: "what is read from a replica that lags behind would be stored as if it were new",
    endless: "for as long after each write nothing would be stored, and all loads hit the database",
    unit: "holds off too short, or keeps answers from the cache for long",
    ..LOCK
};

/// The time of an option that keeps its word.
pub(super) fn given(
    given: Option<&Given<Expr>>,
    meaning: &Meaning,
    mistakes: &mut Mistakes,
) -> Time {
    read(given.map(|given| &given.value), meaning, mistakes)
}

pub(super) fn read(value: Option<&Expr>, meaning: &Meaning, mistakes: &mut Mistakes) -> Time {
    let Some(value) = value else {
        return Time::Default;
    };
    match unwrapped(value) {
        Expr::Lit(literal) => match read_literal(&literal.lit) {
            Ok(milliseconds) => return Time::Milliseconds(milliseconds),
            Err(wrong) => report(value, meaning, &wrong, mistakes),
        },
        Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_)) => {
            report(value, meaning, &Wrong::Negative, mistakes)
        }
        Expr::Closure(_) => mistakes.at(
            value,
            format!("`{}` takes a time, not a closure", meaning.name),
            meaning.closure,
            "the closure would be taken for the time itself",
        ),
        _ => return Time::Expr(value.clone()),
    }
    Time::Default
}

fn read_literal(literal: &Lit) -> Result<u64, Wrong> {
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

fn report(value: &Expr, meaning: &Meaning, wrong: &Wrong, mistakes: &mut Mistakes) {
    let Meaning {
        name,
        example,
        usual: [short, long],
        ..
    } = meaning;
    let written = quote::ToTokens::to_token_stream(value).to_string();
    let written = written.trim_matches('"');
    let help =
        format!("write `{name} = \"{example}\"`, with ms, s, m, h, d or w, or a number of seconds");
    let (rule, help, danger) = match wrong {
        Wrong::Unreadable => (
            format!("`{written}` is not a time"),
            help,
            meaning.endless.to_owned(),
        ),
        Wrong::NoUnit => (
            format!("`{written}` lacks a unit"),
            format!("write `{name} = \"{written}{short}\"` or `{name} = \"{written}{long}\"`"),
            meaning.taken.to_owned(),
        ),
        Wrong::UnknownUnit(unit) => (
            format!("`{unit}` is not a unit of time"),
            "the units are ms, s, m, h, d and w: `\"1h30m\"`".to_owned(),
            format!("a guess at the unit {}", meaning.unit),
        ),
        Wrong::Suffix => (
            format!("`{written}` stands without quotes"),
            match milliseconds(&written.replace('_', "")) {
                Ok(_) => format!("write `{name} = \"{}\"`", written.replace('_', "")),
                Err(_) => help,
            },
            "the compiler reads a number, and what follows it would be passed over: minutes would be kept as seconds".to_owned(),
        ),
        Wrong::Zero => (
            format!("`{name}` is zero"),
            meaning.zero.to_owned(),
            meaning.nothing.to_owned(),
        ),
        Wrong::Negative => (
            format!("`{name}` is negative"),
            help,
            meaning.nothing.to_owned(),
        ),
        Wrong::TooLong => (
            format!("`{written}` is too long"),
            format!("there is no \"forever\": `{name} = \"{}\"`", meaning.longest),
            meaning.endless.to_owned(),
        ),
    };
    mistakes.at(value, rule, help, danger);
}
