//! Whether every type and const parameter is accounted for.

use proc_macro2::Ident;
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::visit::{self, Visit};
use syn::{AssocType, GenericParam, ParenthesizedGenericArguments, WherePredicate};

use super::{Key, stored_type};
use crate::errors::Mistakes;
use crate::function::Function;
use crate::mentions::{self, Names};

/// A type or const parameter.
pub(super) struct Generic<'a> {
    pub(super) name: &'a Ident,
    is_type: bool,
}

pub(super) fn of(function: &Function) -> impl Iterator<Item = Generic<'_>> {
    let generic = |name, is_type| Some(Generic { name, is_type });
    function
        .sig
        .generics
        .params
        .iter()
        .filter_map(move |param| match param {
            GenericParam::Lifetime(_) => None,
            GenericParam::Type(ty) => generic(&ty.ident, true),
            GenericParam::Const(constant) => generic(&constant.ident, false),
        })
}

impl Key {
    /// A type or const parameter distinguishes calls like a value does.
    pub(super) fn check_generics(&self, function: &Function, mistakes: &mut Mistakes) {
        let stored = function
            .answer()
            .map(|answer| mentions::of_tokens(stored_type(answer).to_token_stream()))
            .unwrap_or_default();
        let determined = determined(function);
        for generic in of(function) {
            let name = generic.name.unraw().to_string();
            if self.settled_generics.contains(&name) {
                continue;
            }
            let (kind, part) = if generic.is_type {
                ("type", format!("::std::any::type_name::<{name}>()"))
            } else {
                ("constant", name.clone())
            };
            let help =
                format!("add it: `key = (…, {part})`; or, when it cannot matter: `skip({name})`");
            if stored.contains(&name) {
                mistakes.at(
                    generic.name,
                    format!("the {kind} `{name}` is in the answer, and not in the key"),
                    help,
                    format!("the answer for one `{name}` would be read as another type, and shown as if it were right"),
                );
            } else if !determined.contains(&name) {
                mistakes.at(
                    generic.name,
                    format!("the {kind} `{name}` is not in the key"),
                    help,
                    format!("two calls that differ only in `{name}` would share one answer: one is shown what belongs to the other"),
                );
            }
        }
    }
}

/// What the types of parameters say, as each of those is accounted for itself: with `F` in `load: F` also the `Fut` of
/// `F: Fn() -> Fut`.
fn determined(function: &Function) -> Names {
    let types = function.pieces().map(|piece| &piece.ty);
    let skipped = function
        .parameters
        .iter()
        .filter(|parameter| parameter.skip.is_some())
        .map(|parameter| &parameter.ty);
    let mut names: Names = types
        .chain(skipped)
        .flat_map(|ty| mentions::of_tokens(ty.to_token_stream()))
        .collect();
    let generics = &function.sig.generics;
    loop {
        let mut follows = Follows(Names::new());
        for param in generics.type_params() {
            if names.contains(&param.ident.unraw().to_string()) {
                follows.visit_type_param(param);
            }
        }
        for predicate in generics
            .where_clause
            .iter()
            .flat_map(|clause| &clause.predicates)
        {
            if let WherePredicate::Type(predicate) = predicate
                && mentions::of_tokens(predicate.bounded_ty.to_token_stream()).is_subset(&names)
            {
                follows.visit_predicate_type(predicate);
            }
        }
        let before = names.len();
        names.extend(follows.0);
        if names.len() == before {
            return names;
        }
    }
}

/// The names in `Fn(A) -> B` and `Iterator<Item = C>`.
struct Follows(Names);

impl<'ast> Visit<'ast> for Follows {
    fn visit_parenthesized_generic_arguments(
        &mut self,
        arguments: &'ast ParenthesizedGenericArguments,
    ) {
        self.0
            .extend(mentions::of_tokens(arguments.to_token_stream()));
        visit::visit_parenthesized_generic_arguments(self, arguments);
    }

    fn visit_assoc_type(&mut self, assigned: &'ast AssocType) {
        self.0
            .extend(mentions::of_tokens(assigned.ty.to_token_stream()));
        visit::visit_assoc_type(self, assigned);
    }
}
