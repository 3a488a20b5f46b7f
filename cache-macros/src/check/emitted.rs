//! Events as targets of a function.

use proc_macro2::Ident;
use syn::ext::IdentExt;
use syn::{Expr, Path};

use super::target::{Place, on_type};
use crate::args::Given;
use crate::errors::Mistakes;
use crate::model::Emitted;

impl Place<'_> {
    /// `event = WorkspaceUpdated { workspace_id }`
    pub(super) fn event(&self, given: &Given<Expr>, mistakes: &mut Mistakes) -> Option<Emitted> {
        let Self::Function { function, .. } = self else {
            mistakes.at(
                &given.word,
                "an event stands for targets, not for another event",
                "name both where it happens: `#[invalidates(event = A { … }, event = B { … })]`",
                "two events that stand for each other would never come to an end",
            );
            return None;
        };
        let value = self.part(&given.value, mistakes)?;
        if !is_event_like(&value.expr, mistakes) {
            return None;
        }
        let ty = match (&value.expr, value.mentions_result()) {
            (_, false) => None,
            (Expr::Struct(literal), true) if literal.qself.is_none() => {
                Some(type_of(&literal.path))
            }
            (expr, true) => {
                mistakes.at(
                    expr,
                    "an event that mentions `result` is written out as a struct",
                    "write `event = TaskCreated { id: result.id }`",
                    "a writer that is dropped has no answer: only the type would tell what may be old",
                );
                return None;
            }
        };
        let name = |ident: &Ident| ident.unraw().to_string();
        let taken = function.pieces().filter(|piece| piece.is_by_value());
        Some(Emitted {
            value,
            parameters: function.bindings().iter().map(name).collect(),
            taken: taken.flat_map(|piece| &piece.bindings).map(name).collect(),
            ty,
        })
    }
}

/// `Happened` of `Happened { … }`, and of `Happened::Renamed { … }`.
fn type_of(path: &Path) -> Path {
    let mut path = path.clone();
    if on_type(&path) {
        path.segments.pop();
        path.segments.pop_punct();
    }
    path
}

/// What certainly is no event, or none whose value is known.
fn is_event_like(expr: &Expr, mistakes: &mut Mistakes) -> bool {
    if let Expr::Lit(literal) = expr {
        mistakes.at(
            literal,
            "`event` takes a value, not a literal",
            "write `event = WorkspaceUpdated { workspace_id }`; a text is a target of its own: `\"workspace:*\"`",
            "what a literal stands for is not known",
        );
        return false;
    }
    if let Expr::Struct(literal) = expr
        && let Some(hole) = literal
            .fields
            .iter()
            .find(|field| matches!(field.expr, Expr::Infer(_)))
    {
        mistakes.at(
            &hole.expr,
            "`_` has no place in an event",
            "give the field a value, or name what is to be cleared as a target: `dashboard(workspace_id, _)`",
            "an event happens to something: without it nothing tells what is old",
        );
        return false;
    }
    true
}
