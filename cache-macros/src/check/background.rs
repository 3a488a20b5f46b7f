//! What a load takes with it when it goes on, or begins, without its caller.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{
    FnArg, Lifetime, ParenthesizedGenericArguments, Pat, PatType, Receiver, ReceiverKind,
    TraitBound, Type, TypeFnPtr, TypeReference, parse_quote,
};

use super::plain_name;
use crate::args::cached::CachedArgs;
use crate::errors::Mistakes;
use crate::function::{Function, Parameter, Piece};
use crate::mentions::{self, Names};
use crate::model::{Background, Copied, Moved};
use crate::receiver;

/// Reads what the body mentions of the parameters; `None` for a function whose callers wait for all of its loads.
pub(super) fn check(
    args: &CachedArgs,
    function: &Function,
    mistakes: &mut Mistakes,
) -> Option<Background> {
    let because = wanted_by(args)?;
    let body = function.body.clone()?;
    closures(args, function, because, mistakes);
    let mut taking = Taking {
        mentioned: mentions::of_body(body.clone()),
        because,
        body,
        copied: Vec::new(),
        moved: Vec::new(),
        mistakes,
    };
    if let Some(receiver) = function.receiver() {
        taking.receiver(receiver);
    }
    let mut sig = function.sig.clone();
    let typed = sig.inputs.iter_mut().filter_map(|input| match input {
        FnArg::Typed(typed) => Some(typed),
        FnArg::Receiver(_) => None,
    });
    for (index, (typed, parameter)) in typed.zip(&function.parameters).enumerate() {
        taking.parameter(index, typed, parameter);
    }
    Some(Background {
        sig,
        body: taking.body,
        copied: taking.copied,
        moved: taking.moved,
    })
}

/// The option that asks for loads in the background.
fn wanted_by(args: &CachedArgs) -> Option<&Ident> {
    let refresh_ahead = args
        .refresh_ahead
        .as_ref()
        .filter(|given| plain_name(&given.value).is_none_or(|word| word != "off"));
    [
        args.stale_while_revalidate.as_ref(),
        refresh_ahead,
        args.soft_timeout.as_ref(),
    ]
    .into_iter()
    .flatten()
    .map(|given| &given.word)
    .next()
}

/// What decides about an answer in the background knows the answer alone.
fn closures(args: &CachedArgs, function: &Function, because: &Ident, mistakes: &mut Mistakes) {
    let bindings = function.bindings();
    for given in [&args.cache_if, &args.ttl_with, &args.on_timeout]
        .into_iter()
        .flatten()
    {
        let names = mentions::of_expr(&given.value);
        if let Some(name) = bindings
            .iter()
            .find(|binding| names.contains(&binding.unraw().to_string()))
        {
            let word = &given.word;
            mistakes.at(
                &given.value,
                format!("`{word}` mentions `{name}`, and `{because}` loads in the background"),
                match word == "on_timeout" {
                    true => format!("make the error without it, or leave `{because}` out"),
                    false => format!("decide by the value alone: what is needed of `{name}` can be a part of it; or leave `{because}` out"),
                },
                "the load may end after its caller, and its caller's parameters, have gone",
            );
        }
    }
}

struct Taking<'a> {
    mentioned: Names,
    because: &'a Ident,
    body: TokenStream,
    copied: Vec<Copied>,
    moved: Vec<Moved>,
    mistakes: &'a mut Mistakes,
}

impl Taking<'_> {
    fn receiver(&mut self, receiver: &Receiver) {
        let own = Ident::from(receiver.self_token);
        let borrow = match &receiver.kind {
            ReceiverKind::Reference(_, lifetime, exclusive) => {
                borrow(lifetime.as_ref(), exclusive.is_some())
            }
            ReceiverKind::Typed(_, ty) => borrow_of(ty),
            _ => Borrow::No,
        };
        match borrow {
            Borrow::Shared => {
                if let Some(body) = receiver::rename(self.body.clone()) {
                    self.body = body;
                    self.copy(&own, receiver::renamed(&own).to_token_stream());
                }
            }
            _ if !self.mentioned.contains("self") => {}
            Borrow::Exclusive => self.exclusive(receiver, &own),
            Borrow::No => match &receiver.kind {
                ReceiverKind::Typed(_, ty) => self.by_value(ty, [&own]),
                _ => self.moved(&own, own.span()),
            },
        }
    }

    fn parameter(&mut self, index: usize, typed: &mut PatType, parameter: &Parameter) {
        let pieces = parameter
            .pieces
            .iter()
            .filter(|piece| piece.binds_one_of(&self.mentioned))
            .collect::<Vec<_>>();
        if let (Type::Reference(reference), [piece, ..]) =
            (ungrouped(&parameter.ty), pieces.as_slice())
            && piece.pattern.is_some()
            && borrow_of(&parameter.ty) == Borrow::Shared
        {
            // Taken apart again, from the copy.
            let whole = format_ident!("__cache_arg_{index}", span = Span::mixed_site());
            let pattern = &typed.pat;
            if self.is_owned(&piece.bindings[0], &reference.elem) {
                self.copy(&whole, pattern.to_token_stream());
            }
            typed
                .attrs
                .push(parse_quote!(#[allow(unused_mut, unused_variables)]));
            *typed.pat = Pat::Verbatim(quote!(#whole @ #pattern));
            return;
        }
        for piece in pieces {
            self.piece(piece, typed);
        }
    }

    fn piece(&mut self, piece: &Piece, typed: &mut PatType) {
        let name = &piece.bindings[0];
        match (borrow_of(&piece.ty), ungrouped(&piece.ty)) {
            (Borrow::Exclusive, ty) => self.exclusive(ty, name),
            (Borrow::Shared, Type::Reference(reference)) if piece.pattern.is_none() => {
                if !self.is_owned(name, &reference.elem) {
                    return;
                }
                let mutable = binds_mutably(typed.pat.to_token_stream(), name).then(|| {
                    // What is changed is not the parameter, but its copy.
                    typed.attrs.push(parse_quote!(#[allow(unused_mut)]));
                    quote!(mut)
                });
                self.copy(name, quote!(#mutable #name));
            }
            (Borrow::Shared, ty) => self.holds_borrow(ty, name),
            (Borrow::No, ty) => self.by_value(ty, &piece.bindings),
        }
    }

    fn by_value<'b>(&mut self, ty: &Type, bindings: impl IntoIterator<Item = &'b Ident>) {
        for binding in bindings {
            if self.mentioned.contains(&binding.unraw().to_string()) && self.is_owned(binding, ty) {
                self.moved(binding, ty.span());
            }
        }
    }

    fn copy(&mut self, from: &Ident, again: TokenStream) {
        let from = from.clone();
        self.copied.push(Copied { from, again });
    }

    fn moved(&mut self, name: &Ident, place: Span) {
        let name = name.clone();
        self.moved.push(Moved { name, place });
    }

    /// Whether nothing is seen in a type that it borrows; else that is reported.
    fn is_owned(&mut self, name: &Ident, ty: &Type) -> bool {
        let mut borrows = Borrows::default();
        borrows.visit_type(ty);
        match borrows.found {
            None => true,
            Some(place) => {
                self.holds_borrow(place, name);
                false
            }
        }
    }

    fn holds_borrow(&mut self, place: impl ToTokens, name: &Ident) {
        let because = self.because;
        self.mistakes.at(
            place,
            format!("`{name}` holds a borrow, and `{because}` loads in the background"),
            format!("own what it holds (`Option<String>` for `Option<&str>`, `Cow<'static, str>` for `Cow<'_, str>`), or leave `{because}` out"),
            "the load goes on after its caller, and what the caller lends, have gone",
        );
    }

    fn exclusive(&mut self, place: impl ToTokens, name: &Ident) {
        let because = self.because;
        self.mistakes.at(
            place,
            format!("`{name}` is `&mut`, and `{because}` loads in the background"),
            format!(
                "take what can be shared (a pool, an `Arc<Mutex<…>>`), or leave `{because}` out"
            ),
            "the load goes on after its caller has gone, and would change what it no longer has",
        );
    }
}

/// How a parameter's type, as it is written, borrows.
#[derive(PartialEq)]
enum Borrow {
    Shared,
    Exclusive,
    /// Not at all, or for ever.
    No,
}

fn borrow(lifetime: Option<&Lifetime>, exclusive: bool) -> Borrow {
    match lifetime {
        _ if exclusive => Borrow::Exclusive,
        Some(lifetime) if lifetime.ident == "static" => Borrow::No,
        _ => Borrow::Shared,
    }
}

fn borrow_of(ty: &Type) -> Borrow {
    match ungrouped(ty) {
        Type::Reference(reference) => {
            borrow(reference.lifetime.as_ref(), reference.mutability.is_some())
        }
        _ => Borrow::No,
    }
}

fn ungrouped(ty: &Type) -> &Type {
    match ty {
        Type::Paren(paren) => ungrouped(&paren.elem),
        Type::Group(group) => ungrouped(&group.elem),
        ty => ty,
    }
}

/// Finds what a type borrows: references and lifetimes, but not those that a function in it takes.
#[derive(Default)]
struct Borrows {
    found: Option<TokenStream>,
}

impl<'ast> Visit<'ast> for Borrows {
    fn visit_type_reference(&mut self, reference: &'ast TypeReference) {
        if borrow(reference.lifetime.as_ref(), reference.mutability.is_some()) != Borrow::No {
            self.found
                .get_or_insert_with(|| reference.to_token_stream());
        }
        visit::visit_type_reference(self, reference);
    }

    fn visit_lifetime(&mut self, lifetime: &'ast Lifetime) {
        if lifetime.ident != "static" {
            self.found.get_or_insert_with(|| lifetime.to_token_stream());
        }
    }

    fn visit_trait_bound(&mut self, bound: &'ast TraitBound) {
        if bound.lifetimes.is_none() {
            visit::visit_trait_bound(self, bound);
        }
    }

    fn visit_parenthesized_generic_arguments(&mut self, _: &'ast ParenthesizedGenericArguments) {}

    fn visit_type_fn_ptr(&mut self, _: &'ast TypeFnPtr) {}
}

/// Whether a pattern binds `name` with `mut`.
fn binds_mutably(pattern: TokenStream, name: &Ident) -> bool {
    let tokens: Vec<TokenTree> = pattern.into_iter().collect();
    let is_mut = |pair: &[TokenTree]| matches!(pair, [TokenTree::Ident(word), TokenTree::Ident(next)] if word == "mut" && next == name);
    let within = |token: &TokenTree| matches!(token, TokenTree::Group(group) if binds_mutably(group.stream(), name));
    tokens.windows(2).any(is_mut) || tokens.iter().any(within)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sees_what_a_type_borrows() {
        let borrows = |text: &str| {
            let mut borrows = Borrows::default();
            borrows.visit_type(&syn::parse_str(text).expect("a type"));
            borrows.found.is_some()
        };
        for text in [
            "Option<&str>",
            "Cow<'_, str>",
            "(u8, &'a u8)",
            "Box<dyn Get + 'a>",
            "impl Get<'a>",
        ] {
            assert!(borrows(text), "{text}");
        }
        for text in [
            "&'static str",
            "Cow<'static, str>",
            "fn(&str) -> &str",
            "Box<dyn Fn(&str) -> u8>",
            "impl for<'a> Get<'a>",
        ] {
            assert!(!borrows(text), "{text}");
        }
    }

    #[test]
    fn sees_what_is_bound_mutably() {
        let mutably = |text: &str| {
            let pattern = text.parse().expect("a pattern");
            binds_mutably(pattern, &Ident::new("a", Span::call_site()))
        };
        assert!(mutably("mut a"));
        assert!(mutably("Path((b, mut a))"));
        assert!(!mutably("a"));
        assert!(!mutably("(a, mut b)"));
    }
}
