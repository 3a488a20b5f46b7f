//! What is to be cleared, whoever says it: a function that writes, or an event.

use std::collections::BTreeSet;

use proc_macro2::{Ident, Span};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Expr, LitStr, Path, Type};

use super::{key::stored_type, nearest_of, placeholder, plain_name, template, unwrapped};
use crate::args::invalidates::TargetArg;
use crate::errors::Mistakes;
use crate::event::EventType;
use crate::function::{Function, Piece};
use crate::mentions;
use crate::model::{Argument, Call, Callee, Part, RESULT, Target, Text};
use crate::template::Purpose;

/// Where targets stand, and so what they may name.
pub(super) enum Place<'a> {
    Function {
        function: &'a Function,
        always: bool,
    },
    Event(&'a EventType),
}

impl Place<'_> {
    pub(super) fn targets(&self, given: Vec<TargetArg>, mistakes: &mut Mistakes) -> Vec<Target> {
        let mut seen = BTreeSet::new();
        let mut targets = Vec::new();
        for argument in given {
            targets.extend(match argument {
                TargetArg::Pattern(literal) => {
                    is_new(&literal, "pattern", &mut seen, mistakes);
                    let text = self.text(&literal, Purpose::Pattern, mistakes);
                    text.map(Target::Pattern)
                }
                TargetArg::Tag(literal) => {
                    is_new(&literal, "tag", &mut seen, mistakes);
                    let text = self.text(&literal, Purpose::Tag, mistakes);
                    text.map(Target::Tag)
                }
                TargetArg::Call(expr) => self.call(expr, mistakes).map(Target::Call),
                TargetArg::Event(given) => {
                    let event = self.event(&given, mistakes);
                    event.map(Box::new).map(Target::Event)
                }
                TargetArg::Wrong => None,
            });
        }
        targets
    }

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
        let mut known = self.names();
        let mut parts = Vec::new();
        for found in template.placeholders() {
            if found.root == RESULT && !self.has_field(RESULT) {
                if !self.result_is_known(literal, mistakes) {
                    return None;
                }
                known.push(Ident::new(RESULT, literal.span()));
            }
            if self.is_unknown_field(&found.root, literal, &known, mistakes) {
                return None;
            }
            let part = placeholder(found, literal, &known, mistakes);
            parts.push(part.map(|part| self.looked_at(part)));
        }
        Some(Text {
            template: template.text(),
            parts: parts.into_iter().collect::<Option<_>>()?,
        })
    }

    /// A field of an event stands behind a reference, which errors about its type should not show.
    fn looked_at(&self, mut part: Part) -> Part {
        if let (Self::Event(_), Expr::Path(field)) = (self, &part.expr) {
            part.expr = syn::parse_quote_spanned!(field.span()=> *#field);
        }
        part
    }

    /// Every name that a target may use, but for `result`.
    pub(super) fn names(&self) -> Vec<Ident> {
        match self {
            Self::Function { function, .. } => function.bindings(),
            Self::Event(event) => event.fields(),
        }
    }

    fn has_field(&self, name: &str) -> bool {
        matches!(self, Self::Event(event) if event.fields().iter().any(|field| field.unraw() == name))
    }

    /// Reports a placeholder of an event that names no field; those of functions name parameters.
    fn is_unknown_field(
        &self,
        name: &str,
        literal: &LitStr,
        known: &[Ident],
        mistakes: &mut Mistakes,
    ) -> bool {
        if matches!(self, Self::Function { .. }) || self.has_field(name) {
            return false;
        }
        if name == "self" {
            fields_without_self(literal, mistakes);
        } else {
            mistakes.at(
                literal,
                format!("`{name}` is not a field of the event"),
                nearest_of(name, known).unwrap_or_else(|| {
                    format!("the event has no fields: give it one, `{name}: …`")
                }),
                "what is not known here cannot tell what is to be cleared",
            );
        }
        true
    }

    /// Whether `result` can be used here; reports why not.
    fn result_is_known(&self, place: impl quote::ToTokens, mistakes: &mut Mistakes) -> bool {
        let (function, always) = match self {
            Self::Function { function, always } => (function, always),
            Self::Event(event) => {
                mistakes.at(
                    place,
                    format!("`{}` has no answer that `result` could be", event.input.ident),
                    "give the event a field, and fill it where it is named: `event = TaskCreated { id: result.id }`",
                    "there would be nothing to tell what is to be cleared",
                );
                return false;
            }
        };
        let name = &function.sig.ident;
        let has_parameter = function.binding(RESULT).is_some();
        if has_parameter {
            mistakes.at(
                place,
                "`result` is both a parameter and the answer",
                "give the parameter another name",
                "the wrong one of the two would decide what is cleared",
            );
        } else if !has_value(function) {
            mistakes.at(
                place,
                format!("`{name}` answers nothing that `result` could be"),
                "answer the value, or name a parameter",
                "there would be nothing to tell what is to be cleared",
            );
        } else if *always {
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

    pub(super) fn call(&self, expr: Expr, mistakes: &mut Mistakes) -> Option<Call> {
        let (callee, arguments) = match expr {
            Expr::Call(call) => {
                let callee = callee(&call.func, mistakes)?;
                (callee, call.args)
            }
            Expr::MethodCall(call) if matches!(self, Self::Event(_)) => {
                let method = &call.method;
                mistakes.at(
                    &call.receiver,
                    format!("an event has no value to call `{method}` on"),
                    format!("name the function by its path, `Type::{method}(…)` where it has no receiver; for a method write a pattern or a tag: `\"agents:*\"`"),
                    "an event is only its fields: whose answers are meant would not be known",
                );
                return None;
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
        if let Some(ident) = plain_name(argument) {
            match self {
                Self::Function { function, .. } if is_taken(function, ident) => {
                    return Some(Argument::Owned(ident.clone()));
                }
                Self::Event(_) if self.has_field(&ident.unraw().to_string()) => {
                    return Some(Argument::Field(ident.clone()));
                }
                _ => {}
            }
        }
        Some(Argument::Expr(self.part(argument, mistakes)?))
    }

    /// An expression that may mention `result`, where there is one.
    pub(super) fn part(&self, expr: &Expr, mistakes: &mut Mistakes) -> Option<Part> {
        let mut names = mentions::of_expr(expr);
        if names.contains(RESULT) {
            if self.names().iter().any(|binding| binding.unraw() == RESULT) {
                names.remove(RESULT);
            } else if !self.result_is_known(expr, mistakes) {
                return None;
            }
        }
        if matches!(self, Self::Event(_)) && names.contains("self") {
            fields_without_self(expr, mistakes);
            return None;
        }
        Some(Part {
            expr: unwrapped(expr).clone(),
            names,
        })
    }
}

/// Whether there is a value in what the function answers.
pub(super) fn has_value(function: &Function) -> bool {
    function.answer().is_some_and(
        |answer| !matches!(stored_type(answer), Type::Tuple(tuple) if tuple.elems.is_empty()),
    )
}

/// Whether the body takes the parameter of this name with it.
pub(super) fn is_taken(function: &Function, name: &Ident) -> bool {
    function
        .pieces()
        .find(|piece| piece.bindings.contains(name))
        .is_some_and(Piece::is_by_value)
}

fn fields_without_self(place: impl quote::ToTokens, mistakes: &mut Mistakes) {
    let written = quote::ToTokens::to_token_stream(&place).to_string();
    let written = written.replace(" . ", ".");
    let help = match written.replace("self.", "") {
        field if field == written => {
            "name the fields themselves: `dashboard(workspace_id, _)`".to_owned()
        }
        field => format!("write `{field}`"),
    };
    mistakes.at(
        place,
        "the targets of an event name its fields without `self`",
        help,
        "targets are asked for where there is no event yet, only its type: there is no `self` to look at",
    );
}

/// Reports that nothing is named.
pub(super) fn some(targets: &[TargetArg], attribute: Span, mistakes: &mut Mistakes) {
    if targets.is_empty() {
        mistakes.at_span(
            attribute,
            "nothing is named to be cleared",
            "name a function or a pattern: `#[invalidates(dashboard(workspace_id, _), \"agents:list:*\")]`",
            "readers would go on seeing what was there before the write",
        );
    }
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
    Some(match on_type(&path.path) {
        true => Callee::Associated(path.path.clone()),
        false => Callee::Function(path.path.clone()),
    })
}

/// Whether the last segment stands on a type: `Type::name`.
pub(super) fn on_type(path: &Path) -> bool {
    let before = path.segments.iter().rev().nth(1);
    before.is_some_and(|segment| segment.ident.to_string().starts_with(char::is_uppercase))
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
