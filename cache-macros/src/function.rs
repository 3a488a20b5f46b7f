//! The annotated function: what it takes, what it binds, what it answers.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::{
    Attribute, FnArg, GenericArgument, GenericParam, Generics, Pat, PathArguments, Receiver,
    ReceiverKind, ReturnType, Signature, Type, Visibility, WherePredicate,
};

use crate::mentions::{self, Names};

/// A function as the user wrote it, without this crate's `#[skip]`.
pub(crate) struct Function {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
    /// `None` for a declaration in a trait.
    pub(crate) body: Option<TokenStream>,
    pub(crate) parameters: Vec<Parameter>,
    /// `#[skip]` on the receiver.
    pub(crate) receiver_skip: Option<Attribute>,
    mentions_self_type: bool,
}

/// A parameter that is not the receiver.
pub(crate) struct Parameter {
    /// How the companion calls it.
    pub(crate) name: Ident,
    pub(crate) ty: Type,
    pub(crate) skip: Option<Attribute>,
    pub(crate) pieces: Vec<Piece>,
}

/// What the companion asks for in the place of a pattern: `Path((org, id)): Path<(Uuid, String)>` has two pieces.
pub(crate) struct Piece {
    pub(crate) name: Ident,
    /// `None` when the piece is its only binding.
    pub(crate) pattern: Option<Pat>,
    pub(crate) ty: Type,
    pub(crate) bindings: Vec<Ident>,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        let mut sig: Signature = input.parse()?;
        let body = if input.peek(syn::Token![;]) {
            input.parse::<syn::Token![;]>()?;
            None
        } else {
            let group: Group = input.parse()?;
            let (inner, body) = split_inner_attributes(&group)?;
            attrs.extend(inner);
            Some(body)
        };
        let mut receiver_skip = None;
        let mut parameters = Vec::new();
        for (index, input) in sig.inputs.iter_mut().enumerate() {
            match input {
                FnArg::Receiver(receiver) => receiver_skip = take_skip(&mut receiver.attrs),
                FnArg::Typed(typed) => {
                    let skip = take_skip(&mut typed.attrs);
                    parameters.push(Parameter::new(index, &typed.pat, &typed.ty, skip));
                }
            }
        }
        let mentions_self_type = mentions::of_tokens(sig.to_token_stream()).contains("Self")
            || body.clone().is_some_and(mentions::self_type);
        Ok(Self {
            attrs,
            vis,
            sig,
            body,
            parameters,
            receiver_skip,
            mentions_self_type,
        })
    }
}

impl Function {
    pub(crate) fn receiver(&self) -> Option<&Receiver> {
        self.sig.receiver()
    }

    /// Whether `self` is `&mut self`.
    pub(crate) fn has_exclusive_receiver(&self) -> bool {
        self.receiver().is_some_and(|receiver| {
            matches!(&receiver.kind, ReceiverKind::Reference(_, _, Some(_)))
        })
    }

    /// Whether `self` is taken by value.
    pub(crate) fn takes_self(&self) -> bool {
        self.receiver()
            .is_some_and(|receiver| match &receiver.kind {
                ReceiverKind::Reference(..) => false,
                ReceiverKind::Typed(_, ty) => !matches!(&**ty, Type::Reference(_)),
                _ => true,
            })
    }

    /// Takes the attribute's own words into account.
    pub(crate) fn read_attribute(&mut self, tokens: TokenStream) {
        self.mentions_self_type |= mentions::self_type(tokens);
    }

    /// Whether it certainly stands in an `impl` or a trait.
    pub(crate) fn is_method(&self) -> bool {
        self.receiver().is_some() || self.mentions_self_type
    }

    pub(crate) fn pieces(&self) -> impl Iterator<Item = &Piece> {
        self.parameters
            .iter()
            .flat_map(|parameter| &parameter.pieces)
    }

    /// Every name that a parameter binds; `self` first.
    pub(crate) fn bindings(&self) -> Vec<Ident> {
        let receiver = self
            .receiver()
            .map(|receiver| Ident::from(receiver.self_token));
        receiver
            .into_iter()
            .chain(
                self.pieces()
                    .flat_map(|piece| piece.bindings.iter().cloned()),
            )
            .collect()
    }

    /// The binding of this name.
    pub(crate) fn binding(&self, name: &str) -> Option<Ident> {
        self.bindings()
            .into_iter()
            .find(|binding| binding.unraw() == name)
    }

    /// What the function answers; `None` for nothing.
    pub(crate) fn answer(&self) -> Option<&Type> {
        match &self.sig.output {
            ReturnType::Type(_, ty) => match &**ty {
                Type::Tuple(tuple) if tuple.elems.is_empty() => None,
                ty => Some(ty),
            },
            ReturnType::Default => None,
        }
    }

    /// Whether it is `-> Pin<Box<dyn Future<…>>>`, as `#[async_trait]` leaves it.
    pub(crate) fn answers_boxed_future(&self) -> bool {
        self.answer().is_some_and(|answer| {
            last_segment(answer).is_some_and(|segment| segment.ident == "Pin")
                && mentions::of_tokens(answer.to_token_stream()).contains("Future")
        })
    }

    /// Attributes that decide whether the function exists at all.
    pub(crate) fn conditions(&self) -> Vec<&Attribute> {
        self.attrs
            .iter()
            .filter(|attr| attr.path().is_ident("cfg"))
            .collect()
    }

    pub(crate) fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attrs.iter().find(|attr| {
            attr.path()
                .segments
                .last()
                .is_some_and(|segment| segment.ident == name)
        })
    }

    /// The function's generics, without those that none of `names` needs.
    pub(crate) fn generics_for(&self, mut names: Names) -> Generics {
        let generics = &self.sig.generics;
        let predicates = || {
            generics
                .where_clause
                .iter()
                .flat_map(|clause| &clause.predicates)
        };
        let known: Names = generics.params.iter().map(generic_name).collect();
        // What a predicate says of `F` in `F: Fn() -> T` is no matter of `T`.
        let bounded = |predicate: &WherePredicate| {
            let tokens = match predicate {
                WherePredicate::Type(predicate) => predicate.bounded_ty.to_token_stream(),
                predicate => predicate.to_token_stream(),
            };
            let mentioned = mentions::of_tokens(tokens);
            &mentioned & &known
        };
        loop {
            let before = names.len();
            for param in &generics.params {
                if names.contains(&generic_name(param)) {
                    names.extend(mentions::of_tokens(param.to_token_stream()));
                }
            }
            for predicate in predicates() {
                if !bounded(predicate).is_disjoint(&names) {
                    names.extend(mentions::of_tokens(predicate.to_token_stream()));
                }
            }
            if names.len() == before {
                break;
            }
        }
        let mut kept = generics.clone();
        kept.params = generics
            .params
            .iter()
            .filter(|param| names.contains(&generic_name(param)))
            .cloned()
            .collect();
        if let Some(clause) = &mut kept.where_clause {
            clause.predicates = predicates()
                .filter(|predicate| !bounded(predicate).is_disjoint(&names))
                .cloned()
                .collect();
        }
        kept
    }
}

/// The name of a generic parameter as [`mentions::of_tokens`] reports it.
pub(crate) fn generic_name(param: &GenericParam) -> String {
    match param {
        GenericParam::Lifetime(lifetime) => lifetime.lifetime.to_string(),
        GenericParam::Type(ty) => ty.ident.unraw().to_string(),
        GenericParam::Const(constant) => constant.ident.unraw().to_string(),
    }
}

impl Piece {
    pub(crate) fn binds_one_of(&self, names: &Names) -> bool {
        self.bindings
            .iter()
            .any(|binding| names.contains(&binding.unraw().to_string()))
    }

    /// Whether its type is written `&mut …`.
    pub(crate) fn is_exclusive(&self) -> bool {
        matches!(&self.ty, Type::Reference(reference) if reference.mutability.is_some())
    }

    /// Whether its type is not written as a reference.
    pub(crate) fn is_by_value(&self) -> bool {
        !matches!(&self.ty, Type::Reference(_))
    }
}

impl Parameter {
    fn new(index: usize, pattern: &Pat, ty: &Type, skip: Option<Attribute>) -> Self {
        let mut pieces = Vec::new();
        split(index, pattern, ty, &mut pieces);
        let name = match pieces.as_slice() {
            [only] if matches!(pattern, Pat::Ident(_)) => only.name.clone(),
            _ => format_ident!("arg{index}", span = Span::mixed_site()),
        };
        Self {
            name,
            ty: ty.clone(),
            skip,
            pieces,
        }
    }
}

/// Takes wrappers such as `Path(…): Path<…>` and tuples apart as far as the types allow.
fn split(index: usize, pattern: &Pat, ty: &Type, pieces: &mut Vec<Piece>) {
    match (pattern, ty) {
        (Pat::Paren(paren), ty) => return split(index, &paren.pat, ty, pieces),
        (pattern, Type::Paren(paren)) => return split(index, pattern, &paren.elem, pieces),
        (pattern, Type::Group(group)) => return split(index, pattern, &group.elem, pieces),
        (Pat::TupleStruct(wrapper), Type::Path(path)) if wrapper.elems.len() == 1 => {
            if let Some(inner) = wrapped(&wrapper.path, &path.path) {
                return split(index, &wrapper.elems[0], inner, pieces);
            }
        }
        (Pat::Tuple(tuple), Type::Tuple(types))
            if tuple.elems.len() == types.elems.len()
                && !tuple
                    .elems
                    .iter()
                    .any(|element| matches!(element, Pat::Rest(_))) =>
        {
            for (element, ty) in tuple.elems.iter().zip(&types.elems) {
                split(index, element, ty, pieces);
            }
            return;
        }
        _ => {}
    }
    let bindings = mentions::bound_by(pattern);
    let Some(first) = bindings.first() else {
        return;
    };
    let plain = matches!(pattern, Pat::Ident(ident) if ident.subpat.is_none());
    let name = if plain {
        first.clone()
    } else {
        // Hygienic, so that it is no other parameter's name.
        format_ident!("arg{}_{}", index, first.unraw(), span = Span::mixed_site())
    };
    pieces.push(Piece {
        name,
        pattern: (!plain).then(|| pattern.clone()),
        ty: ty.clone(),
        bindings,
    });
}

/// `T`, when the pattern `X(…)` stands before the type `X<T>`.
fn wrapped<'a>(pattern: &syn::Path, ty: &'a syn::Path) -> Option<&'a Type> {
    let segment = ty.segments.last()?;
    if pattern.segments.last()?.ident != segment.ident {
        return None;
    }
    only_type_argument(segment)
}

fn only_type_argument(segment: &syn::PathSegment) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else {
        return None;
    };
    match arguments.args.first() {
        Some(GenericArgument::Type(ty)) if arguments.args.len() == 1 => Some(ty),
        _ => None,
    }
}

/// The last segment of a type's path, seen through references.
pub(crate) fn last_segment(ty: &Type) -> Option<&syn::PathSegment> {
    match ty {
        Type::Path(path) => path.path.segments.last(),
        Type::Reference(reference) => last_segment(&reference.elem),
        Type::Paren(paren) => last_segment(&paren.elem),
        Type::Group(group) => last_segment(&group.elem),
        _ => None,
    }
}

/// Removes the first `#[skip]`; a second one is left for the compiler to reject.
fn take_skip(attrs: &mut Vec<Attribute>) -> Option<Attribute> {
    let at = attrs.iter().position(|attr| attr.path().is_ident("skip"))?;
    Some(attrs.remove(at))
}

/// Inner attributes of a body may not stand in the middle of a block: they move up to the function.
fn split_inner_attributes(body: &Group) -> syn::Result<(Vec<Attribute>, TokenStream)> {
    if body.delimiter() != Delimiter::Brace {
        return Err(syn::Error::new(body.span(), "expected a function body"));
    }
    let tokens: Vec<TokenTree> = body.stream().into_iter().collect();
    let is = |at: usize, character| matches!(tokens.get(at), Some(TokenTree::Punct(p)) if p.as_char() == character);
    let mut at = 0;
    let mut outer = TokenStream::new();
    while is(at, '#') && is(at + 1, '!') && matches!(tokens.get(at + 2), Some(TokenTree::Group(_)))
    {
        outer.extend([tokens[at].clone(), tokens[at + 2].clone()]);
        at += 3;
    }
    let attributes = syn::parse::Parser::parse2(Attribute::parse_outer, outer)?;
    Ok((attributes, tokens.into_iter().skip(at).collect()))
}
