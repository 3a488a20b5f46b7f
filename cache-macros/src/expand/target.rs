//! From a target to the expression that the runtime takes.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Expr, Path, PathArguments};

use super::member::is_hidden;
use super::{at, ours, part};
use crate::model::{Argument, Call, Callee, Part, RESULT, Target, Text};

/// Turns targets to expressions, and collects what has to be computed before the body runs.
pub(super) struct Emitter<'a> {
    pub(super) private: &'a TokenStream,
    /// What has to be computed before the body runs.
    pub(super) before: Vec<TokenStream>,
}

/// A target as it is handed over, or several.
pub(super) enum Item {
    One(TokenStream),
    Many(TokenStream),
}

/// `vec![…]`, and what events add to it.
pub(super) fn list(items: impl Iterator<Item = Item>) -> TokenStream {
    let (mut ones, mut many) = (Vec::new(), Vec::new());
    for item in items {
        match item {
            Item::One(target) => ones.push(target),
            Item::Many(targets) => many.push(targets),
        }
    }
    match (ones.as_slice(), many.as_slice()) {
        (_, []) => ours!(::std::vec![#(#ones),*]),
        ([], [only]) => only.clone(),
        _ => ours!({
            let mut __cache_targets = ::std::vec![#(#ones),*];
            #(__cache_targets.append(&mut #many);)*
            __cache_targets
        }),
    }
}

/// Tells the check of all keys of a program which patterns stand here.
pub(super) fn patterns(
    private: &TokenStream,
    by: &TokenStream,
    targets: &[Target],
) -> Option<TokenStream> {
    let patterns: Vec<&str> = targets
        .iter()
        .filter_map(|target| match target {
            Target::Pattern(text) => Some(text.template.as_str()),
            _ => None,
        })
        .collect();
    (!patterns.is_empty()).then(|| {
        ours!(#private::submit! { #private::Said::Patterns { by: #by, patterns: &[#(#patterns),*] } })
    })
}

impl<'a> Emitter<'a> {
    pub(super) fn new(private: &'a TokenStream) -> Self {
        Self {
            private,
            before: Vec::new(),
        }
    }

    /// A target whose values are known where it stands.
    pub(super) fn target(&self, target: &Target) -> Item {
        let values = |text: &Text| -> Vec<TokenStream> {
            text.parts
                .iter()
                .map(|given| part(self.private, given))
                .collect()
        };
        Item::One(match target {
            Target::Pattern(text) => self.text("pattern_of", text, &values(text)),
            Target::Tag(text) => self.text("tag", text, &values(text)),
            Target::Call(call) => {
                let arguments = call.arguments.iter().map(argument).collect();
                self.call(call, Some(arguments))
            }
            Target::Event(event) => return Item::Many(self.event(event)),
        })
    }

    /// A target that waits for the answer; what it takes from parameters is computed before.
    pub(super) fn later(&mut self, target: &Target) -> Item {
        let (expr, place) = match target {
            Target::Event(event) => return Item::Many(self.later_event(event)),
            Target::Pattern(text) | Target::Tag(text) => {
                let name = if matches!(target, Target::Tag(_)) {
                    "tag"
                } else {
                    "pattern_of"
                };
                let values: Vec<_> = text
                    .parts
                    .iter()
                    .map(|given| self.later_part(given))
                    .collect();
                (
                    self.text(name, text, &values),
                    text.parts.iter().find(|part| part.mentions_result()),
                )
            }
            Target::Call(call) => {
                let arguments = call
                    .arguments
                    .iter()
                    .map(|given| self.later_argument(given))
                    .collect();
                let place = call.arguments.iter().find_map(|argument| match argument {
                    Argument::Expr(part) if part.mentions_result() => Some(part),
                    _ => None,
                });
                (self.call(call, Some(arguments)), place)
            }
        };
        // The user's own word `result`, with its place and hygiene.
        let span = place.map_or_else(Span::call_site, |part| part.expr.span());
        let result = Ident::new(RESULT, span);
        Item::One(ours!({ let #result = __cache_answer; #expr }))
    }

    /// What stands for a target while some of its values are not known: everything that it might be.
    pub(super) fn unknown(&self, target: &Target, is_unknown: fn(&Part) -> bool) -> Item {
        let private = self.private;
        Item::One(match target {
            Target::Tag(text) if text.parts.iter().any(is_unknown) => {
                ours!(#private::Target::Tags)
            }
            Target::Tag(_) => return self.target(target),
            Target::Pattern(text) => {
                let template = &text.template;
                let parts = text.parts.iter().map(|given| {
                    if is_unknown(given) {
                        return ours!(::core::option::Option::None);
                    }
                    let part = part(private, given);
                    ours!(::core::option::Option::Some(#part))
                });
                ours!(#private::Target::from(#private::pattern_in_doubt(#template, &[#(#parts),*])))
            }
            Target::Call(call) => self.call(call, None),
            Target::Event(event) => return Item::Many(self.any_event(event)),
        })
    }

    fn later_part(&mut self, given: &Part) -> TokenStream {
        let private = self.private;
        let value = part(private, given);
        if given.mentions_result() {
            return value;
        }
        let name = self.keep(&ours!(#private::segment(#value)));
        ours!(#private::part(&#name))
    }

    fn later_argument(&mut self, given: &Argument) -> Value {
        if matches!(given, Argument::Any(_)) || given.mentions_result() {
            return argument(given);
        }
        let Value { tokens, span, .. } = argument(given);
        let name = self.keep(&tokens);
        Value {
            tokens: quote_spanned!(at(span)=> ::core::clone::Clone::clone(&#name)),
            span,
            is_any: false,
        }
    }

    /// Computes a value before the body, and says what it is called.
    pub(super) fn keep(&mut self, value: &TokenStream) -> Ident {
        let name = format_ident!(
            "__cache_kept_{}",
            self.before.len(),
            span = Span::mixed_site()
        );
        self.before.push(ours!(let #name = #value;));
        name
    }

    fn text(&self, function: &str, text: &Text, values: &[TokenStream]) -> TokenStream {
        let private = self.private;
        let function = Ident::new(function, Span::mixed_site());
        let template = &text.template;
        ours!(#private::Target::from(#private::#function(#template, &[#(#values),*])))
    }

    /// `path::f::pattern(…)`, or `path::f::key(…)` when every argument is given: one exact key. Without arguments all keys
    /// of the function.
    fn call(&self, call: &Call, arguments: Option<Vec<Value>>) -> TokenStream {
        let private = self.private;
        let verb = match &arguments {
            None => "any",
            Some(given) if given.iter().any(|argument| argument.is_any) => "pattern",
            Some(_) => "key",
        };
        let arguments = arguments.into_iter().flatten().map(|argument| {
            let (tokens, span) = (argument.tokens, argument.span);
            if verb == "pattern" && !argument.is_any {
                quote_spanned!(at(span)=> ::core::option::Option::Some(#tokens))
            } else {
                tokens
            }
        });
        let (span, named) = member(call, verb, arguments);
        quote_spanned!(span=> #private::Target::from(#named))
    }
}

/// A call of the companion's function `verb`, and its place.
pub(super) fn member(
    call: &Call,
    verb: &str,
    arguments: impl Iterator<Item = TokenStream>,
) -> (Span, TokenStream) {
    match &call.callee {
        Callee::Function(path) => {
            let span = at(path.span());
            let callee = companion_path(path, verb);
            (span, quote_spanned!(span=> #callee(#(#arguments),*)))
        }
        Callee::Associated(path) => {
            let span = at(path.span());
            let callee = associated_path(path, verb);
            (span, quote_spanned!(span=> #callee(#(#arguments),*)))
        }
        Callee::Method(call) => {
            let span = at(call.method.span());
            let (receiver, dot) = (&call.receiver, &call.dot_token);
            let turbofish = call.turbofish.as_ref().filter(|_| verb != "any");
            let method = beside(&call.method, verb);
            let callee = quote!(#receiver #dot #method #turbofish);
            (span, quote_spanned!(span=> #callee(#(#arguments),*)))
        }
    }
}

/// An argument as it is handed over.
pub(super) struct Value {
    pub(super) tokens: TokenStream,
    pub(super) span: Span,
    is_any: bool,
}

pub(super) fn argument(given: &Argument) -> Value {
    match given {
        Argument::Any(underscore) => {
            let span = underscore.span();
            let tokens = quote_spanned!(at(span)=> ::core::option::Option::None);
            Value {
                tokens,
                span,
                is_any: true,
            }
        }
        Argument::Owned(name) => copied(name.span(), &quote!(&#name)),
        Argument::Field(name) => copied(name.span(), &name.to_token_stream()),
        // The answer's value stands behind a reference; alone it is handed over like any other value.
        Argument::Expr(part) if matches!(&part.expr, Expr::Path(path) if path.path.is_ident(RESULT)) => {
            copied(part.expr.span(), &part.expr.to_token_stream())
        }
        Argument::Expr(part) => Value {
            tokens: part.expr.to_token_stream(),
            span: part.expr.span(),
            is_any: false,
        },
    }
}

fn copied(span: Span, reference: &TokenStream) -> Value {
    Value {
        tokens: copy(span, reference),
        span,
        is_any: false,
    }
}

/// A copy, in a statement of its own: a wrong type is then that of the value, not that of the reference to it.
pub(super) fn copy(span: Span, reference: &TokenStream) -> TokenStream {
    quote_spanned!(at(span)=> {
        let __cache_copy = ::core::clone::Clone::clone(#reference);
        __cache_copy
    })
}

/// `goal` to `goal_key`, as the companion of a method is called.
fn beside(method: &Ident, verb: &str) -> Ident {
    let name = method.unraw();
    match is_hidden(verb) {
        true => format_ident!("__{name}_{verb}", span = method.span()),
        false => format_ident!("{name}_{verb}", span = method.span()),
    }
}

/// `Type::f` to `Type::f_key`.
fn associated_path(path: &Path, verb: &str) -> Path {
    let mut path = path.clone();
    if let Some(last) = path.segments.last_mut() {
        last.ident = beside(&last.ident, verb);
        if verb == "any" {
            last.arguments = PathArguments::None;
        }
    }
    path
}

/// `path::f` to `path::f::key`; generics go along to the end.
pub(super) fn companion_path(path: &Path, verb: &str) -> TokenStream {
    let mut path = path.clone();
    let Some(last) = path.segments.last_mut() else {
        return TokenStream::new();
    };
    let span = last.ident.span();
    let generics = std::mem::replace(&mut last.arguments, PathArguments::None);
    let name = match is_hidden(verb) {
        true => format_ident!("__{verb}", span = span),
        false => Ident::new(verb, span),
    };
    match verb {
        "any" => quote!(#path::#name),
        _ => quote!(#path::#name #generics),
    }
}
