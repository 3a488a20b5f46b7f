//! Events as targets: `event = WorkspaceUpdated { workspace_id }`.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::Expr;
use syn::ext::IdentExt;
use syn::spanned::Spanned;

use super::target::{Emitter, copy};
use super::{at, operand, ours};
use crate::mentions;
use crate::model::{Emitted, RESULT};

impl Emitter<'_> {
    /// What an event makes old that is known before the body.
    pub(super) fn event(&self, event: &Emitted) -> TokenStream {
        let private = self.private;
        let mut given = event.value.expr.clone();
        let span = at(given.span());
        let value = match name(&given) {
            // A parameter is only looked at, and one that is a reference is looked at through it.
            Some(name) if event.parameters.contains(&name) && !event.taken.contains(&name) => {
                quote!(#given)
            }
            Some(_) => quote_spanned!(span=> &#given),
            None => {
                copy_taken(&mut given, event);
                looked_at(&given)
            }
        };
        quote_spanned!(span=> #private::event(#value))
    }

    /// What an event makes old that waits for the answer; what it takes from parameters is computed before.
    pub(super) fn later_event(&mut self, event: &Emitted) -> TokenStream {
        let (private, ty) = (self.private, &event.ty);
        let mut value = event.value.expr.clone();
        rebuild(&mut value, &mut |leaf| self.later_leaf(leaf, event));
        let value = looked_at(&value);
        // The user's own word, with its place and hygiene.
        let span = mention(event.value.expr.to_token_stream());
        let result = Ident::new(RESULT, span.unwrap_or_else(|| event.value.expr.span()));
        // In the very words of `any_event`, so that a type that is no event is reported once.
        let targets = quote_spanned! {at(ty.span())=>
            #[allow(elided_lifetimes_in_paths)]
            let __cache_targets = <#ty as #private::Event>::targets(#value);
        };
        ours!({ let #result = __cache_answer; #targets __cache_targets })
    }

    /// What any event of the type may make old.
    pub(super) fn any_event(&self, event: &Emitted) -> TokenStream {
        let (private, ty) = (self.private, &event.ty);
        quote_spanned! {at(ty.span())=>
            {
                // A literal leaves lifetimes out, and so does the type here.
                #[allow(elided_lifetimes_in_paths)]
                let __cache_any = #private::any_event::<#ty>();
                __cache_any
            }
        }
    }

    fn later_leaf(&mut self, leaf: &Expr, event: &Emitted) -> Option<TokenStream> {
        let names = mentions::of_expr(leaf);
        if names.contains(RESULT) {
            // The answer's value stands behind a reference; alone it is handed over like any other value.
            return name(leaf).map(|_| copy(leaf.span(), &quote!(#leaf)));
        }
        if names.is_disjoint(&event.parameters) {
            return None;
        }
        let mut kept = leaf.clone();
        copy_taken(&mut kept, event);
        let kept = self.keep(&kept.to_token_stream());
        Some(copy(leaf.span(), &quote!(&#kept)))
    }
}

/// Copies the parameters that the body takes with it.
fn copy_taken(expr: &mut Expr, event: &Emitted) {
    rebuild(expr, &mut |leaf| {
        let taken = name(leaf).is_some_and(|name| event.taken.contains(&name));
        taken.then(|| copy(leaf.span(), &quote!(&#leaf)))
    });
}

/// `&expr`, in the place of the expression.
fn looked_at(expr: &Expr) -> TokenStream {
    let value = match expr {
        Expr::Reference(_) => return expr.to_token_stream(),
        Expr::Struct(_) => expr.to_token_stream(),
        expr => operand(expr),
    };
    quote_spanned!(at(expr.span())=> &#value)
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
