//! From the options of `#[updates]` and a function to a model, or to all that is wrong with them.

use proc_macro2::Span;
use quote::ToTokens;
use syn::Expr;

use super::invalidates::refuse;
use super::target::{Place, has_value};
use crate::args::as_text;
use crate::args::updates::UpdatesArgs;
use crate::errors::Mistakes;
use crate::function::Function;
use crate::mentions;
use crate::model::{Call, RESULT, Updates};

/// Checks everything; the model counts only when no mistake was found.
pub(crate) fn check(
    args: UpdatesArgs,
    function: Function,
    attribute: Span,
    mistakes: &mut Mistakes,
) -> Updates {
    super::function(&function, "updates", mistakes);
    if args.targets.is_empty() && !args.unread {
        mistakes.at_span(
            attribute,
            "nothing is named to be updated",
            "name the function whose answer this writes: `#[updates(agent(agent_id))]`",
            "readers would go on seeing what was there before the write",
        );
    }
    answer(&function, mistakes);
    let targets = args.targets.into_iter();
    let targets = targets.filter_map(|given| target(given, &function, mistakes));
    Updates {
        targets: targets.collect(),
        runtime: args.runtime.map(|given| given.value),
        refuse: refuse(args.on_unreachable.as_ref(), &function, mistakes),
        function,
    }
}

/// What the function answers is what is stored.
fn answer(function: &Function, mistakes: &mut Mistakes) {
    if has_value(function) {
        return;
    }
    let name = &function.sig.ident;
    mistakes.at(
        name,
        format!("`{name}` answers nothing that could be stored"),
        "answer the new value; or write `#[invalidates(…)]`: then it is loaded when it is asked for",
        "what was there before the write would go on being read",
    );
}

fn target(given: Expr, function: &Function, mistakes: &mut Mistakes) -> Option<Call> {
    if let Some(text) = as_text(&given) {
        mistakes.at(
            text,
            "a text names keys, and no function whose answer could be stored",
            format!(
                "name the function: `agent(agent_id)`; or clear them: `#[invalidates({})]`, beside this attribute",
                text.to_token_stream()
            ),
            "what is stored under a key has to be what its function answers",
        );
        return None;
    }
    if !matches!(given, Expr::Call(_) | Expr::MethodCall(_)) {
        mistakes.at(
            &given,
            "this is no target: a cached function with its arguments",
            "write `agent(agent_id)`, or `self.agents.agent(agent_id)` for a method",
            "without arguments it is not known which of its answers this writes",
        );
        return None;
    }
    if let Some(hole) = arguments(&given).find(|argument| matches!(argument, Expr::Infer(_))) {
        mistakes.at(
            hole,
            "`_` has no place here: one value is stored under one key",
            clear_instead(&given),
            "the answer to one call would be stored as the answer to all",
        );
        return None;
    }
    let of_result = arguments(&given).find(|argument| mentions::of_expr(argument).contains(RESULT));
    if let Some(argument) = of_result
        && function.binding(RESULT).is_none()
    {
        mistakes.at(
            argument,
            "`result` is not there yet: the key is needed before the write",
            clear_instead(&given),
            "a value is stored only if nothing happened to its key since before the write; asked after it, that would not be known, and an older value could replace a newer one",
        );
        return None;
    }
    let place = Place::Function {
        function,
        always: false,
    };
    place.call(given, mistakes)
}

fn arguments(call: &Expr) -> impl Iterator<Item = &Expr> {
    let arguments = match call {
        Expr::Call(call) => Some(&call.args),
        Expr::MethodCall(call) => Some(&call.args),
        _ => None,
    };
    arguments.into_iter().flatten()
}

fn clear_instead(target: &Expr) -> String {
    let target = target.to_token_stream();
    format!("clear it: `#[invalidates({target})]`, beside this attribute or in its place")
}
