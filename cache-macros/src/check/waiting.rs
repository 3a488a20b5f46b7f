//! Who loads when many miss, and how long they wait for it.

use syn::Expr;

use super::{one_of, policy, time, unwrapped};
use crate::args::Given;
use crate::args::cached::CachedArgs;
use crate::errors::Mistakes;
use crate::function::Function;
use crate::model::{SingleFlight, Time, Waiting};

pub(super) fn check(args: &CachedArgs, function: &Function, mistakes: &mut Mistakes) -> Waiting {
    let single_flight = single_flight(args.single_flight.as_ref(), mistakes);
    let lock = time::given(args.lock.as_ref(), &time::LOCK, mistakes);
    if let (Some(given), Some(SingleFlight::Off)) = (&args.lock, single_flight) {
        mistakes.at(
            &given.word,
            "`lock` stands beside `single_flight = off`",
            "leave one of them out",
            "where each caller loads for itself nobody waits for another: the time would never apply",
        );
    }
    let soft_timeout = time::given(args.soft_timeout.as_ref(), &time::SOFT_TIMEOUT, mistakes);
    let load_timeout = time::given(args.load_timeout.as_ref(), &time::LOAD_TIMEOUT, mistakes);
    something_to_answer(args, function, mistakes);
    if let (Some(given), Time::Milliseconds(soft), Time::Milliseconds(hard)) =
        (&args.soft_timeout, &soft_timeout, &load_timeout)
        && soft >= hard
    {
        mistakes.at(
            &given.value,
            "`soft_timeout` is not shorter than `load_timeout`",
            "shorten `soft_timeout`, or lengthen `load_timeout`",
            "the load would be given up before the old answer is served in its place",
        );
    }
    Waiting {
        single_flight,
        lock,
        soft_timeout,
        load_timeout,
        on_timeout: on_timeout(args.on_timeout.as_ref(), mistakes),
    }
}

/// `single_flight = fleet`
fn single_flight(given: Option<&Given<Expr>>, mistakes: &mut Mistakes) -> Option<SingleFlight> {
    one_of(
        given,
        &WORDS,
        "write `single_flight = fleet` where one load for all instances is enough",
        "a guess at what was meant would load too often, or wait for other instances",
        mistakes,
    )
}

const WORDS: [(&str, SingleFlight); 3] = [
    ("process", SingleFlight::Process),
    ("fleet", SingleFlight::Fleet),
    ("off", SingleFlight::Off),
];

/// When the time is up, something has to be answered.
fn something_to_answer(args: &CachedArgs, function: &Function, mistakes: &mut Mistakes) {
    if let (Some(given), None) = (&args.soft_timeout, &args.stale_if_error)
        && !args.is_meant("stale_if_error")
    {
        mistakes.at(
            &given.word,
            "`soft_timeout` needs `stale_if_error`",
            "say how old an answer may be served in the place of the load: `stale_if_error = \"1h\"`",
            "an answer that is past its ttl would not be at hand, and callers would wait as if nothing stood here",
        );
    }
    match (&args.load_timeout, &args.on_timeout) {
        (Some(given), None) if !args.is_meant("on_timeout") => mistakes.at(
            &given.word,
            "`load_timeout` needs `on_timeout`",
            "name the error that is answered then: `on_timeout = || DbError::Timeout`",
            "without it there would be nothing to answer when a load is given up",
        ),
        (None, Some(given)) if !args.is_meant("load_timeout") => mistakes.at(
            &given.word,
            "`on_timeout` needs `load_timeout`",
            "say how long the body may take: `load_timeout = \"2s\"`",
            "no load would be given up, and a caller would wait for as long as the body takes",
        ),
        _ => {}
    }
    if let Some(given) = args.load_timeout.as_ref().or(args.on_timeout.as_ref()) {
        policy::needs_err(
            &given.word,
            "there would be nothing to answer when a load is given up",
            function,
            mistakes,
        );
    }
}

/// `on_timeout = || DbError::Timeout`
fn on_timeout(given: Option<&Given<Expr>>, mistakes: &mut Mistakes) -> Option<Expr> {
    let value = &given?.value;
    match unwrapped(value) {
        Expr::Closure(closure) if closure.inputs.is_empty() => {
            return Some(unwrapped(value).clone());
        }
        Expr::Path(_) => return Some(value.clone()),
        Expr::Closure(closure) => mistakes.at(
            &closure.inputs,
            "the closure of `on_timeout` takes nothing",
            "write `on_timeout = || DbError::Timeout`",
            "a load that was given up has neither an answer nor an error that could be handed on",
        ),
        _ => mistakes.at(
            value,
            "`on_timeout` takes a closure or a function",
            "write `on_timeout = || DbError::Timeout`",
            "the error would be made for each call, and not only when a load is given up",
        ),
    }
    None
}
