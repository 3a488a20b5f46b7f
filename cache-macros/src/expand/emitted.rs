//! Events as targets: `event = WorkspaceUpdated { workspace_id }`.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::Expr;
use syn::ext::IdentExt;
use syn::spanned::Spanned;

use super::target::Emitter;
use super::{at, operand, ours};
use crate::mentions;
use crate::model::{Emitted, RESULT};

impl Emitter<'_> {
    /// What an event makes old that is known before the body.
    pub(super) fn event(&self, event: &Emitted) -> TokenStream {
        let given = &event.value.expr;
        let value = match (name(given), given) {
            // A parameter is only looked at, and one that is a reference is looked at through it.
            (Some(name), _) if event.parameters.contains(&name) && !event.taken.contains(&name) => {
                quote!(#given)
            }
            (Some(_), _) | (None, Expr::Reference(_)) => {
                let and = (!matches!(given, Expr::Reference(_))).then(|| quote!(&));
                quote!(#and #given)
            }
            _ => {
                let mut given = given.clone();
                copy_taken(&mut given, event);
                let value = operand(&given);
                quote!(&#value)
            }
        };
        self.targets_of(event, &value)
    }

    /// What an event makes old that waits for the answer; what it takes from parameters is computed before.
    pub(super) fn later_event(&mut self, event: &Emitted) -> TokenStream {
        let mut value = event.value.expr.clone();
        rebuild(&mut value, &mut |leaf| self.later_leaf(leaf, event));
        let value = operand(&value);
        let targets = self.targets_of(event, &quote!(&#value));
        // The user's own word, with its place and hygiene.
        let span = mention(event.value.expr.to_token_stream());
        let result = Ident::new(RESULT, span.unwrap_or_else(|| event.value.expr.span()));
        ours!({ let #result = __cache_answer; #targets })
    }

    /// What any event of the type may make old.
    pub(super) fn any_event(&self, event: &Emitted) -> TokenStream {
        let private = self.private;
        let ty = &event.ty;
        quote_spanned! {at(ty.span())=>
            {
                // A literal leaves lifetimes out, and so does the type here.
                #[allow(elided_lifetimes_in_paths)]
                let __cache_any = #private::any_event::<#ty>();
                __cache_any
            }
        }
    }

    fn targets_of(&self, event: &Emitted, value: &TokenStream) -> TokenStream {
        let private = self.private;
        quote_spanned!(at(event.value.expr.span())=> #private::event(#value))
    }

    fn later_leaf(&mut self, leaf: &Expr, event: &Emitted) -> Option<TokenStream> {
        let names = mentions::of_expr(leaf);
        let span = at(leaf.span());
        if names.contains(RESULT) {
            // The answer's value stands behind a reference; alone it is handed over like any other value.
            return name(leaf).map(|_| quote_spanned!(span=> ::core::clone::Clone::clone(#leaf)));
        }
        if names.is_disjoint(&event.parameters) {
            return None;
        }
        let mut kept = leaf.clone();
        copy_taken(&mut kept, event);
        let kept = self.keep(&kept.to_token_stream());
        Some(quote_spanned!(span=> ::core::clone::Clone::clone(&#kept)))
    }
}

/// Copies the parameters that the body takes with it.
fn copy_taken(expr: &mut Expr, event: &Emitted) {
    rebuild(expr, &mut |leaf| {
        let taken = name(leaf).is_some_and(|name| event.taken.contains(&name));
        taken.then(|| quote_spanned!(at(leaf.span())=> ::core::clone::Clone::clone(&#leaf)))
    });
}

/// Goes through what puts values together (structs, calls, tuples, lists) and replaces what they are made of.
fn rebuild(expr: &mut Expr, replace: &mut dyn FnMut(&Expr) -> Option<TokenStream>) {
    if !matches!(expr, Expr::Reference(_))
        && let Some(other) = replace(expr)
    {
        *expr = Expr::Verbatim(other);
        return;
    }
    match expr {
        Expr::Struct(literal) => {
            for field in &mut literal.fields {
                rebuild(&mut field.expr, replace);
                if let Expr::Verbatim(_) = field.expr {
                    field.colon_token.get_or_insert_default();
                }
            }
            if let Some(rest) = &mut literal.rest {
                rebuild(rest, replace);
            }
        }
        Expr::Call(call) => call.args.iter_mut().for_each(|one| rebuild(one, replace)),
        Expr::MethodCall(call) => call.args.iter_mut().for_each(|one| rebuild(one, replace)),
        Expr::Tuple(tuple) => tuple.elems.iter_mut().for_each(|one| rebuild(one, replace)),
        Expr::Array(list) => list.elems.iter_mut().for_each(|one| rebuild(one, replace)),
        Expr::Paren(paren) => rebuild(&mut paren.expr, replace),
        Expr::Group(group) => rebuild(&mut group.expr, replace),
        Expr::Reference(reference) => rebuild(&mut reference.expr, replace),
        _ => {}
    }
}

/// The name, when an expression is nothing but a name.
fn name(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Path(path) if path.qself.is_none() => {
            path.path.get_ident().map(|ident| ident.unraw().to_string())
        }
        Expr::Group(group) => name(&group.expr),
        _ => None,
    }
}

/// Where `result` is mentioned.
fn mention(tokens: TokenStream) -> Option<Span> {
    tokens.into_iter().find_map(|token| match token {
        TokenTree::Group(group) => mention(group.stream()),
        TokenTree::Ident(ident) if ident == RESULT => Some(ident.span()),
        _ => None,
    })
}
