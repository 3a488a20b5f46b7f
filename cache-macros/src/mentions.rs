//! Which names an expression mentions.

use std::collections::BTreeSet;

use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::visit::{self, Visit};
use syn::{Block, Expr, ExprClosure, ExprIf, ExprPath, Macro, Member, Pat, PatIdent, Stmt};

pub(crate) type Names = BTreeSet<String>;

/// The variables, and macros' inline captures, that `expr` reads and does not bind itself.
pub(crate) fn of_expr(expr: &Expr) -> Names {
    let mut reader = Reader::default();
    reader.visit_expr(expr);
    reader.names
}

/// Every identifier and lifetime in `tokens`, for questions about types.
pub(crate) fn of_tokens(tokens: TokenStream) -> Names {
    let mut names = Names::new();
    let mut apostrophe = false;
    for token in tokens {
        let lifetime = std::mem::replace(&mut apostrophe, false);
        match token {
            TokenTree::Group(group) => names.extend(of_tokens(group.stream())),
            TokenTree::Ident(ident) if lifetime => {
                names.insert(format!("'{ident}"));
            }
            TokenTree::Ident(ident) => {
                names.insert(ident.unraw().to_string());
            }
            TokenTree::Punct(punct) => apostrophe = punct.as_char() == '\'',
            TokenTree::Literal(_) => {}
        }
    }
    names
}

/// Every variable that a body may mention: identifiers that are neither fields nor segments of paths, and captures in texts. Some
/// of them may be names of other things.
pub(crate) fn of_body(body: TokenStream) -> Names {
    let mut names = Names::new();
    let tokens: Vec<TokenTree> = body.into_iter().collect();
    for (at, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Group(group) => names.extend(of_body(group.stream())),
            TokenTree::Ident(ident) if !is_member(&tokens, at) => {
                names.insert(ident.unraw().to_string());
            }
            TokenTree::Literal(literal) => captures(&literal.to_string(), |name| {
                names.insert(name.to_owned());
            }),
            _ => {}
        }
    }
    names
}

/// Whether `tokens` mention the `Self` of the `impl` around them: that of an item among them is another.
pub(crate) fn self_type(tokens: TokenStream) -> bool {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match token {
            TokenTree::Group(group) if self_type(group.stream()) => return true,
            TokenTree::Ident(ident) if ident == "Self" => return true,
            _ => at += item(&tokens[at..]).max(1),
        }
    }
    false
}

/// The length of the item with which `tokens` begin, where it has another `self` and `Self`; zero when there is none.
pub(crate) fn item(tokens: &[TokenTree]) -> usize {
    let Some(TokenTree::Ident(ident)) = tokens.first() else {
        return 0;
    };
    let named = match tokens.get(1) {
        Some(TokenTree::Ident(_)) => true,
        // In a macro's rules.
        Some(TokenTree::Punct(punct)) => punct.as_char() == '$',
        _ => false,
    };
    let is_item = ["impl", "trait", "struct", "enum"]
        .iter()
        .any(|item| ident == item)
        || (["fn", "mod", "union"].iter().any(|item| ident == item) && named);
    if !is_item {
        return 0;
    }
    let mut last = ' ';
    for (at, token) in tokens.iter().enumerate() {
        match token {
            // Not the braces of `impl Trait<{ N }>`.
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace && last != '<' => {
                return at + 1;
            }
            TokenTree::Punct(punct) if punct.as_char() == ';' => return at + 1,
            TokenTree::Punct(punct) => last = punct.as_char(),
            _ => last = ' ',
        }
    }
    tokens.len()
}

/// The names that a pattern binds, in order.
pub(crate) fn bound_by(pattern: &Pat) -> Vec<Ident> {
    let mut reader = Bound::default();
    reader.visit_pat(pattern);
    reader.0
}

#[derive(Default)]
struct Bound(Vec<Ident>);

impl<'ast> Visit<'ast> for Bound {
    fn visit_pat_ident(&mut self, pattern: &'ast PatIdent) {
        // `None` and other constants look like bindings.
        let constant = pattern.subpat.is_none()
            && pattern
                .ident
                .unraw()
                .to_string()
                .starts_with(char::is_uppercase);
        if !constant {
            self.0.push(pattern.ident.clone());
        }
        visit::visit_pat_ident(self, pattern);
    }

    fn visit_expr(&mut self, _: &'ast Expr) {}
}

/// Walks an expression with the names that it binds itself put aside.
#[derive(Default)]
struct Reader {
    names: Names,
    shadowed: Vec<String>,
}

impl Reader {
    fn mention(&mut self, name: String) {
        if !self.shadowed.contains(&name) {
            self.names.insert(name);
        }
    }

    fn shadow(&mut self, pattern: &Pat) {
        let bound = bound_by(pattern);
        self.shadowed
            .extend(bound.iter().map(|ident| ident.unraw().to_string()));
    }

    fn scope(&mut self, walk: impl FnOnce(&mut Self)) {
        let depth = self.shadowed.len();
        walk(self);
        self.shadowed.truncate(depth);
    }

    /// Reads a macro's tokens: identifiers that are no fields or paths, and captures in its strings.
    fn read_tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let named = named_arguments(&tokens);
        for (at, token) in tokens.iter().enumerate() {
            match token {
                TokenTree::Group(group) => self.read_tokens(group.stream()),
                TokenTree::Ident(ident) => {
                    let field = is_field(&tokens, at);
                    let path = is_punct(&tokens, at, 1, ':') && is_punct(&tokens, at, 2, ':');
                    if !field && !path && !is_argument_name(&tokens, at) {
                        self.mention(ident.unraw().to_string());
                    }
                }
                TokenTree::Literal(literal) => {
                    let text = literal.to_string();
                    if text.starts_with(['"', 'r']) {
                        captures(&text, |name| {
                            if !named.contains(name) {
                                self.mention(name.to_owned());
                            }
                        });
                    }
                }
                TokenTree::Punct(_) => {}
            }
        }
    }
}

/// `name = …`, which gives a macro's `{name}` another meaning.
fn named_arguments(tokens: &[TokenTree]) -> Names {
    tokens
        .iter()
        .enumerate()
        .filter(|(at, _)| is_argument_name(tokens, *at))
        .filter_map(|(_, token)| match token {
            TokenTree::Ident(ident) => Some(ident.unraw().to_string()),
            _ => None,
        })
        .collect()
}

/// Whether the token at `at` stands before a single `=`.
fn is_argument_name(tokens: &[TokenTree], at: usize) -> bool {
    let is = |at: usize, character| matches!(tokens.get(at), Some(TokenTree::Punct(p)) if p.as_char() == character);
    is(at + 1, '=') && !is(at + 2, '=') && !is(at + 2, '>')
}

/// Whether the token at `at` is a field, written behind a dot or before a colon, or a segment of a path.
fn is_member(tokens: &[TokenTree], at: usize) -> bool {
    let colon =
        |at: usize| matches!(tokens.get(at), Some(TokenTree::Punct(p)) if p.as_char() == ':');
    let path = is_punct(tokens, at, 1, ':') && is_punct(tokens, at, 2, ':');
    is_field(tokens, at) || path || colon(at + 1)
}

/// Whether the token at `at` stands behind a dot, and not behind those of a range.
fn is_field(tokens: &[TokenTree], at: usize) -> bool {
    is_punct(tokens, at, 1, '.') && !is_punct(tokens, at, 2, '.')
}

/// Whether the token `back` places before `at` is this character.
fn is_punct(tokens: &[TokenTree], at: usize, back: usize, character: char) -> bool {
    at.checked_sub(back)
        .is_some_and(|at| matches!(&tokens[at], TokenTree::Punct(p) if p.as_char() == character))
}

/// The names in `{name}` and `{name:?}` of a format string.
fn captures(text: &str, mut found: impl FnMut(&str)) {
    for part in text.replace("{{", "").split('{').skip(1) {
        let end = part.find(['}', ':']).unwrap_or(0);
        let name = &part[..end];
        if !name.is_empty() && name.chars().all(|c| c == '_' || c.is_alphanumeric()) {
            found(name);
        }
    }
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_expr_path(&mut self, path: &'ast ExprPath) {
        if path.qself.is_none()
            && let Some(ident) = path.path.get_ident()
        {
            self.mention(ident.unraw().to_string());
        }
        visit::visit_expr_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        self.read_tokens(call.tokens.clone());
    }

    fn visit_member(&mut self, _: &'ast Member) {}

    fn visit_expr_closure(&mut self, closure: &'ast ExprClosure) {
        self.scope(|reader| {
            closure.inputs.iter().for_each(|input| reader.shadow(input));
            reader.visit_expr(&closure.body);
        });
    }

    fn visit_block(&mut self, block: &'ast Block) {
        self.scope(|reader| visit::visit_block(reader, block));
    }

    fn visit_stmt(&mut self, stmt: &'ast Stmt) {
        visit::visit_stmt(self, stmt);
        if let Stmt::Local(local) = stmt {
            self.shadow(&local.pat);
        }
    }

    fn visit_expr_if(&mut self, branch: &'ast ExprIf) {
        self.scope(|reader| visit::visit_expr_if(reader, branch));
    }

    fn visit_expr_let(&mut self, binding: &'ast syn::ExprLet) {
        self.visit_expr(&binding.expr);
        self.shadow(&binding.pat);
    }

    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        self.scope(|reader| {
            reader.shadow(&arm.pat);
            visit::visit_arm(reader, arm);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        let expr = syn::parse_str(text).expect("an expression");
        of_expr(&expr).into_iter().collect()
    }

    #[test]
    fn finds_variables_but_not_fields_paths_and_methods() {
        assert_eq!(
            names("a.b.c(d) + e::f + g(h..i)"),
            ["a", "d", "g", "h", "i"]
        );
        assert_eq!(names("Page { limit, after: x }"), ["limit", "x"]);
        assert_eq!(names("self.tenant"), ["self"]);
    }

    #[test]
    fn finds_captures_in_macros() {
        assert_eq!(
            names(r#"format!("{id}-{x:?}-{{no}}-{}", y.z, q = w)"#),
            ["id", "w", "x", "y"]
        );
        assert_eq!(names(r#"format!("{id}", id = id.simple())"#), ["id"]);
        assert_eq!(names(r#"format!("{id}", id = page)"#), ["page"]);
    }

    #[test]
    fn finds_what_a_body_may_mention() {
        let body = r#"let a = X { c: b.c }; d = 1; log!("{e:?}", f..g); c::i(); h::c()"#;
        let names = of_body(body.parse().expect("tokens"));
        for name in ["b", "d", "e", "f", "g"] {
            assert!(names.contains(name), "{name}");
        }
        assert!(!names.contains("c"));
    }

    #[test]
    fn finds_the_outer_self() {
        let is = |text: &str| self_type(text.parse().expect("tokens"));
        assert!(is("let a: Option<Self> = { Self::new() };"));
        assert!(is("let f: fn(u8) -> u8 = Self::f;"));
        assert!(is("impl X { fn new() -> Self { X } } Self::f()"));
        assert!(is("struct X(u8); Self::f()"));
        assert!(!is("struct X; impl X { fn new() -> Self { X } } X::new()"));
        assert!(!is("struct Node { next: Option<Box<Self>> } 1"));
        assert!(!is("impl A<{ 1 }> for X { fn new() -> Self { X } } 1"));
    }

    #[test]
    fn leaves_out_what_the_expression_binds_itself() {
        assert_eq!(names("ids.iter().map(|id| id.0)"), ["ids"]);
        assert_eq!(names("{ let a = b; a }"), ["b"]);
        assert_eq!(names("match x { Some(y) => y, None => z }"), ["x", "z"]);
        assert_eq!(names("if let Some(y) = x { y } else { z }"), ["x", "z"]);
    }
}
