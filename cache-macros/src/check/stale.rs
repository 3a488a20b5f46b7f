//! Old answers: how long after their ttl they are of use, and how early they are made anew.

use syn::{Expr, Lit};

use super::{plain_name, policy, time, unwrapped};
use crate::args::Given;
use crate::args::cached::CachedArgs;
use crate::errors::Mistakes;
use crate::function::Function;
use crate::model::Stale;

pub(super) fn check(args: &CachedArgs, function: &Function, mistakes: &mut Mistakes) -> Stale {
    if let Some(given) = &args.stale_if_error {
        policy::needs_err(
            &given.word,
            "nothing here fails: it would never apply, and read as if failures were covered",
            function,
            mistakes,
        );
    }
    Stale {
        while_revalidate: time::given(
            args.stale_while_revalidate.as_ref(),
            &time::STALE_WHILE_REVALIDATE,
            mistakes,
        ),
        if_error: time::given(
            args.stale_if_error.as_ref(),
            &time::STALE_IF_ERROR,
            mistakes,
        ),
        refresh_ahead: refresh_ahead(args.refresh_ahead.as_ref(), mistakes),
    }
}

/// `refresh_ahead = on`, `off`, `1.5`
fn refresh_ahead(given: Option<&Given<Expr>>, mistakes: &mut Mistakes) -> Option<f64> {
    let value = &given?.value;
    match plain_name(value) {
        Some(word) if word == "on" => return Some(1.0),
        Some(word) if word == "off" => return None,
        _ => {}
    }
    match unwrapped(value) {
        Expr::Unary(negative) if number(&negative.expr).is_some() => not_positive(value, mistakes),
        value => match number(value) {
            Some(beta) if beta > 0.0 => return Some(beta),
            Some(_) => not_positive(value, mistakes),
            None => mistakes.at(
                value,
                "`refresh_ahead` is `on`, `off` or a number",
                "write `refresh_ahead = on`: it needs no time, since how long a load takes is measured; a number above 1.0 begins earlier",
                "a guess at what was meant would load too often, or not before the ttl is over",
            ),
        },
    }
    None
}

fn not_positive(value: &Expr, mistakes: &mut Mistakes) {
    mistakes.at(
        value,
        "`refresh_ahead` takes a number above zero",
        "write `refresh_ahead = on`, which is 1.0, a larger number to begin earlier, or `refresh_ahead = off`",
        "with zero or less no answer would ever be made anew before its ttl is over",
    );
}

/// A finite number without a suffix.
fn number(value: &Expr) -> Option<f64> {
    let Expr::Lit(literal) = unwrapped(value) else {
        return None;
    };
    let (digits, suffix) = match &literal.lit {
        Lit::Int(number) => (number.base10_digits(), number.suffix()),
        Lit::Float(number) => (number.base10_digits(), number.suffix()),
        _ => return None,
    };
    let number = digits
        .parse()
        .ok()
        .filter(|number: &f64| number.is_finite());
    number.filter(|_| suffix.is_empty())
}
