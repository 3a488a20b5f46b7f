//! Keys that are somebody else's: `#[cached(keys::agent(agent_id))]`.

use syn::{Expr, ExprCall, Ident};

use super::Key;
use crate::args::cached::CachedArgs;
use crate::check::target::{is_taken, on_type};
use crate::check::{batch, plain_name, unwrapped};
use crate::errors::Mistakes;
use crate::function::Function;
use crate::mentions;
use crate::model::{Argument, Call, Callee, Part};

impl Key {
    /// The arguments are what distinguishes two calls.
    pub(super) fn share(
        &mut self,
        args: &CachedArgs,
        function: &Function,
        mistakes: &mut Mistakes,
    ) -> Option<Call> {
        let given = args.shared.as_ref()?;
        said_already(args, mistakes);
        let Some(path) = path(given, mistakes) else {
            self.give_up();
            return None;
        };
        let mut arguments = Vec::new();
        for argument in &given.args {
            if let Expr::Infer(hole) = argument {
                mistakes.at(
                    hole,
                    "a key has no holes",
                    "give every part: `_` is for `#[invalidates]`",
                    "calls that differ there would share one answer",
                );
                self.give_up();
                continue;
            }
            let part = Part {
                names: mentions::of_expr(argument),
                expr: unwrapped(argument).clone(),
            };
            arguments.push(match plain_name(argument) {
                Some(name) if is_taken(function, name) || batch::name(args) == Some(name) => {
                    Argument::Owned(name.clone())
                }
                _ => Argument::Expr(Part {
                    names: part.names.clone(),
                    expr: part.expr.clone(),
                }),
            });
            self.settled_generics
                .extend(mentions::of_tokens(quote::ToTokens::to_token_stream(
                    argument,
                )));
            self.parts.push(part);
        }
        Some(Call {
            callee: Callee::Function(path),
            arguments,
        })
    }
}

/// Reports options that the declaration has taken.
fn said_already(args: &CachedArgs, mistakes: &mut Mistakes) {
    let words: [(Option<&Ident>, _); 4] = [
        (args.ttl_word.as_ref(), "how long its values are kept"),
        (
            args.ttl_with.as_ref().map(|given| &given.word),
            "how long its values are kept",
        ),
        (
            args.version.as_ref().map(|given| &given.word),
            "the version of its values",
        ),
        (
            args.key.as_ref().map(|given| &given.word),
            "what distinguishes two calls",
        ),
    ];
    for (word, what) in words {
        let Some(word) = word else { continue };
        mistakes.at(
            word,
            format!("`{word}` is said by the declared key"),
            format!("leave `{word}` out, or change it in `cache_keys!`"),
            format!("{what} would be said in two places, and whoever stores by hand would go by the other one"),
        );
    }
}

fn path(given: &ExprCall, mistakes: &mut Mistakes) -> Option<syn::Path> {
    if let Expr::Path(path) = &*given.func
        && path.qself.is_none()
        && !on_type(&path.path)
    {
        return Some(path.path.clone());
    }
    mistakes.at(
        &given.func,
        "keys are shared by the path of their declaration",
        "declare them with `cache_keys!`, and write `#[cached(keys::agent(agent_id))]`",
        "what stands beside a method cannot be named where the policy is fixed",
    );
    None
}
