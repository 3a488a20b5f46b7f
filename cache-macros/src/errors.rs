//! All mistakes of one attribute, each as rule, help and danger, reported together.

use std::fmt::Display;

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;

/// Collects mistakes; an expansion goes on until it has seen them all.
#[derive(Default)]
pub(crate) struct Mistakes(Option<syn::Error>);

impl Mistakes {
    /// Reports a mistake, underlining `place`.
    pub(crate) fn at(
        &mut self,
        place: impl ToTokens,
        rule: impl Display,
        help: impl Display,
        danger: impl Display,
    ) {
        self.push(syn::Error::new_spanned(
            place,
            message(&rule, &help, &danger),
        ));
    }

    /// Reports a mistake that has no token of its own, such as an option left out.
    pub(crate) fn at_span(
        &mut self,
        span: Span,
        rule: impl Display,
        help: impl Display,
        danger: impl Display,
    ) {
        self.push(syn::Error::new(span, message(&rule, &help, &danger)));
    }

    pub(crate) fn push(&mut self, error: syn::Error) {
        match &mut self.0 {
            Some(first) => first.combine(error),
            none => *none = Some(error),
        }
    }

    pub(crate) fn none(&self) -> bool {
        self.0.is_none()
    }

    /// The `compile_error!` calls, one a mistake.
    pub(crate) fn into_compile_errors(self) -> TokenStream {
        self.0
            .map(syn::Error::into_compile_error)
            .unwrap_or_default()
    }
}

fn message(rule: &dyn Display, help: &dyn Display, danger: &dyn Display) -> String {
    format!("{rule}\nhelp: {help}\ndanger: {danger}")
}
