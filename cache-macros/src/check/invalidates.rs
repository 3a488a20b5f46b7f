//! From the options of `#[invalidates]` and a function to a model, or to all that is wrong with them.

use proc_macro2::{Ident, Span};
use syn::spanned::Spanned;
use syn::{Expr, Type};

use super::target::{self, Place};
use super::{plain_name, policy, time};
use crate::args::Given;
use crate::args::invalidates::InvalidatesArgs;
use crate::errors::Mistakes;
use crate::function::{Function, last_segment};
use crate::model::Invalidates;

/// Checks everything; the model counts only when no mistake was found.
pub(crate) fn check(
    args: InvalidatesArgs,
    function: Function,
    attribute: Span,
    mistakes: &mut Mistakes,
) -> Invalidates {
    super::function(&function, "invalidates", mistakes);
    target::some(&args.targets, attribute, mistakes);
    let always = on(args.on.as_ref(), mistakes);
    let place = Place::Function {
        function: &function,
        always,
    };
    let targets = place.targets(args.targets, mistakes);
    let crash_safe = args.crash_safe.as_ref().map(|given| &given.value);
    let hold_off = args.hold_off.as_ref().map(|given| &given.value);
    Invalidates {
        runtime: args.runtime.map(|given| given.value),
        targets,
        always,
        refuse: refuse(args.on_unreachable.as_ref(), &function, mistakes),
        crash_safe: time::read(crash_safe, &time::CRASH_SAFE, mistakes),
        hold_off: time::read(hold_off, &time::HOLD_OFF, mistakes),
        cache: args.cache.and_then(|given| given.value),
        function,
    }
}

/// `on = success`, `on = always`
fn on(given: Option<&Given<Expr>>, mistakes: &mut Mistakes) -> bool {
    let Some(given) = given else {
        return false;
    };
    match plain_name(&given.value).map(Ident::to_string).as_deref() {
        Some("always") => return true,
        Some("success") => {}
        _ => mistakes.at(
            &given.value,
            "`on` is `success` or `always`",
            "write `on = always` to clear after an `Err` too, or leave it out",
            "cleared at another time than meant, readers would see old data",
        ),
    }
    false
}

/// `on_unreachable = queue`, `on_unreachable = fail`
pub(super) fn refuse(
    given: Option<&Given<Expr>>,
    function: &Function,
    mistakes: &mut Mistakes,
) -> Option<Span> {
    let given = given?;
    match plain_name(&given.value).map(Ident::to_string).as_deref() {
        Some("fail") => {}
        Some("queue") => return None,
        _ => {
            mistakes.at(
                &given.value,
                "`on_unreachable` is `queue` or `fail`",
                "write `on_unreachable = fail` to refuse the write when Redis is away, or leave it out: what is to be cleared is queued then",
                "a write meant to be refused would go through, and readers elsewhere see old data until the queue is delivered",
            );
            return None;
        }
    }
    let name = &function.sig.ident;
    let certainly_none = function.answer().is_none_or(|answer| {
        let is_option = matches!(answer, Type::Path(path) if path.path.segments.len() == 1)
            && last_segment(answer).is_some_and(|segment| segment.ident == "Option");
        matches!(answer, Type::Reference(_)) || is_option || policy::is_simple(answer)
    });
    if certainly_none {
        mistakes.at(
            &given.value,
            format!("`fail` needs a `Result`, and `{name}` does not answer one"),
            "answer `Result<_, E>` where `E` implements `From<cache_runtime::Error>`, or leave `on_unreachable` out",
            "a write that is refused has to say so, or its caller believes that it was done",
        );
        return None;
    }
    Some(given.value.span())
}
