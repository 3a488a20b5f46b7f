//! What a key's parts are called and of what type they are, as text: for keys that are made in other languages.

use quote::ToTokens;
use syn::ext::IdentExt;
use syn::{Expr, Member, Type};

use crate::function::Function;
use crate::model::Part;

/// `workspace_id: str, user_id: _`: a part that is more than a parameter has no type that is known here.
pub(super) fn described(function: &Function, parts: &[Part]) -> String {
    let described = parts.iter().map(|part| {
        let name = name(&part.expr).unwrap_or_else(|| "part".to_owned());
        let ty = ty(function, &part.expr).unwrap_or_else(|| "_".to_owned());
        format!("{name}: {ty}")
    });
    described.collect::<Vec<_>>().join(", ")
}

/// `user_id` of `user.id`
fn name(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Path(path) => Some(path.path.segments.last()?.ident.unraw().to_string()),
        Expr::Field(field) => {
            let base = name(&field.base)?;
            let member = match &field.member {
                Member::Named(member) => member.unraw().to_string(),
                Member::Unnamed(index) => index.index.to_string(),
            };
            Some(format!("{base}_{member}"))
        }
        Expr::MethodCall(call) => name(&call.receiver),
        Expr::Reference(reference) => name(&reference.expr),
        Expr::Unary(unary) => name(&unary.expr),
        Expr::Paren(paren) => name(&paren.expr),
        _ => None,
    }
}

fn ty(function: &Function, expr: &Expr) -> Option<String> {
    let Expr::Path(path) = expr else {
        return None;
    };
    let name = path.path.get_ident()?;
    let mut pieces = function.pieces();
    let piece = pieces.find(|piece| piece.pattern.is_none() && piece.name == *name)?;
    let mut ty = &piece.ty;
    while let Type::Reference(reference) = ty {
        ty = &reference.elem;
    }
    let text = ty.to_token_stream().to_string();
    // Commas part the parts.
    (!text.contains(',')).then(|| text.replace(' ', ""))
}
