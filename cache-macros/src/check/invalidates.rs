//! From the options of `#[invalidates]` and a function to a model, or to all that is wrong with them.

use std::collections::BTreeSet;

use proc_macro2::{Ident, Span};
use syn::ext::IdentExt;
use syn::{Expr, LitStr, Type};

use super::{key::stored_type, placeholder, plain_name, template, unwrapped};
use crate::args::Given;
use crate::args::invalidates::{InvalidatesArgs, TargetArg};
use crate::errors::Mistakes;
use crate::function::Function;
use crate::mentions;
use crate::model::{Argument, Call, Callee, Invalidates, Part, RESULT, Target, Text};
use crate::template::Purpose;

/// Checks everything; the model counts only when no mistake was found.
pub(crate) fn check(
    args: InvalidatesArgs,
    function: Function,
    attribute: Span,
    mistakes: &mut Mistakes,
) -> Invalidates {
    super::function(&function, "invalidates", mistakes);
    if args.targets.is_empty() {
        mistakes.at_span(
            attribute,
            "nothing is named to be cleared",
            "name a function or a pattern: `#[invalidates(dashboard(workspace_id, _), \"agents:list:*\")]`",
            "readers would go on seeing what was there before the write",
        );
    }
    let always = on(args.on.as_ref(), mistakes);
    let mut seen = BTreeSet::new();
    let mut targets = Vec::new();
    for argument in args.targets {
        let place = Place {
            function: &function,
            always,
        };
        let target = match argument {
            TargetArg::Pattern(literal) => {
                is_new(&literal, "pattern", &mut seen, mistakes);
                place
                    .text(&literal, Purpose::Pattern, mistakes)
                    .map(Target::Pattern)
            }
            TargetArg::Tag(literal) => {
                is_new(&literal, "tag", &mut seen, mistakes);
                place
                    .text(&literal, Purpose::Tag, mistakes)
                    .map(Target::Tag)
            }
            TargetArg::Call(expr) => place.call(expr, mistakes).map(Target::Call),
            TargetArg::Wrong => None,
        };
        targets.extend(target);
    }
    Invalidates {
        runtime: args.runtime.map(|given| given.value),
        targets,
        always,
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

fn is_new(
    literal: &LitStr,
    kind: &'static str,
    seen: &mut BTreeSet<(&'static str, String)>,
    mistakes: &mut Mistakes,
) {
    if !seen.insert((kind, literal.value())) {
        mistakes.at(
            literal,
            format!("the {kind} `{}` is given twice", literal.value()),
            "keep one of them, or correct the one that was meant otherwise",
            "if another was meant, that one is not cleared",
        );
    }
}

/// The function around a target.
struct Place<'a> {
    function: &'a Function,
    always: bool,
}

impl Place<'_> {
    fn text(&self, literal: &LitStr, purpose: Purpose, mistakes: &mut Mistakes) -> Option<Text> {
        if purpose == Purpose::Pattern && literal.value().split(':').any(|segment| segment == "_") {
            mistakes.at(
                literal,
                "`_` is no wildcard in a text",
                "write `*` for a whole segment: `\"agents:*:list\"`",
                "it would match the segment `_`, which no key has",
            );
            return None;
        }
        let template = template(literal, purpose, mistakes)?;
        let mut known = self.function.bindings();
        let mut parts = Vec::new();
        for found in template.placeholders() {
            if found.root == RESULT {
                if !self.result_is_known(literal, mistakes) {
                    return None;
                }
                known.push(Ident::new(RESULT, literal.span()));
            }
            parts.push(placeholder(found, literal, &known, mistakes));
        }
        Some(Text {
            template: template.text(),
            parts: parts.into_iter().collect::<Option<_>>()?,
        })
    }

    /// Whether `result` can be used here; reports why not.
    fn result_is_known(&self, place: impl quote::ToTokens, mistakes: &mut Mistakes) -> bool {
        let name = &self.function.sig.ident;
        let has_parameter = self.function.binding(RESULT).is_some();
        let has_value = self.function.answer().is_some_and(
            |answer| !matches!(stored_type(answer), Type::Tuple(tuple) if tuple.elems.is_empty()),
        );
        if has_parameter {
            mistakes.at(
                place,
                "`result` is both a parameter and the answer",
                "give the parameter another name",
                "the wrong one of the two would decide what is cleared",
            );
        } else if !has_value {
            mistakes.at(
                place,
                format!("`{name}` answers nothing that `result` could be"),
                "answer the value, or name a parameter",
                "there would be nothing to tell what is to be cleared",
            );
        } else if self.always {
            mistakes.at(
                place,
                "`result` is not there with `on = always`",
                "name parameters only, or leave `on = always` out",
                "after an `Err` there is no answer, and nothing would be cleared",
            );
        } else {
            return true;
        }
        false
    }

    fn call(&self, expr: Expr, mistakes: &mut Mistakes) -> Option<Call> {
        let (callee, arguments) = match expr {
            Expr::Call(call) => {
                let callee = callee(&call.func, mistakes)?;
                (callee, call.args)
            }
            Expr::MethodCall(mut call) => {
                let arguments = std::mem::take(&mut call.args);
                (Callee::Method(Box::new(call)), arguments)
            }
            other => {
                not_a_call(&other, mistakes);
                return None;
            }
        };
        let arguments = arguments
            .iter()
            .map(|argument| self.argument(argument, mistakes))
            .collect::<Option<_>>()?;
        Some(Call { callee, arguments })
    }

    fn argument(&self, argument: &Expr, mistakes: &mut Mistakes) -> Option<Argument> {
        if let Expr::Infer(infer) = argument {
            return Some(Argument::Any(infer.underscore_token));
        }
        if let Some(ident) = plain_name(argument)
            && let Some(piece) = self
                .function
                .pieces()
                .find(|piece| piece.bindings.contains(ident))
            && piece.is_by_value()
        {
            return Some(Argument::Owned(ident.clone()));
        }
        let mut names = mentions::of_expr(argument);
        if names.contains(RESULT) {
            if self
                .function
                .bindings()
                .iter()
                .any(|binding| binding.unraw() == RESULT)
            {
                names.remove(RESULT);
            } else if !self.result_is_known(argument, mistakes) {
                return None;
            }
        }
        Some(Argument::Expr(Part {
            expr: unwrapped(argument).clone(),
            names,
        }))
    }
}

fn callee(callee: &Expr, mistakes: &mut Mistakes) -> Option<Callee> {
    let Expr::Path(path) = callee else {
        not_a_call(callee, mistakes);
        return None;
    };
    if path.qself.is_some() {
        let method = path.path.segments.last();
        let method = method.map_or_else(String::new, |segment| segment.ident.to_string());
        mistakes.at(
            callee,
            "a target is written without `<…>::`",
            format!(
                "write `Type::{method}(…)` or `self.{method}(…)`, or a pattern: `\"agents:*\"`"
            ),
            "functions of traits have no companion: there would be nothing to clear their answers with",
        );
        return None;
    }
    let on_type = path
        .path
        .segments
        .iter()
        .rev()
        .nth(1)
        .is_some_and(|segment| segment.ident.to_string().starts_with(char::is_uppercase));
    Some(match on_type {
        true => Callee::Associated(path.path.clone()),
        false => Callee::Function(path.path.clone()),
    })
}

fn not_a_call(target: &Expr, mistakes: &mut Mistakes) {
    let help = match plain_name(target) {
        Some(name) => format!(
            "call it with its key, `_` for any: `{name}(id, _)`; a text has quotes: `\"{name}:*\"`"
        ),
        None => "write `dashboard(workspace_id, _)`, or a pattern: `\"agents:*\"`".to_owned(),
    };
    mistakes.at(
        target,
        "this is no target: a cached function with its arguments, or a text",
        help,
        "without arguments it is not seen which entries are cleared",
    );
}
