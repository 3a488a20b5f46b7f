//! `self` under another name: a body that runs with a copy of `self` cannot call it `self`.

use proc_macro2::{Group, Ident, Literal, Spacing, TokenStream, TokenTree};

use crate::mentions;

/// The other name. Like `self` it is the user's, so that texts for `format!` can capture it.
pub(crate) fn renamed(own: &Ident) -> Ident {
    Ident::new(NAME, own.span())
}

const NAME: &str = "__cache_self";

/// The body with each `self` renamed that is the method's own; `None` when it mentions none.
pub(crate) fn rename(body: TokenStream) -> Option<TokenStream> {
    let mut rename = Rename { found: false };
    let body = rename.tokens(body, false);
    rename.found.then_some(body)
}

struct Rename {
    found: bool,
}

impl Rename {
    /// `formats` says whether these are the arguments of a macro like `format!`.
    fn tokens(&mut self, tokens: TokenStream, formats: bool) -> TokenStream {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut renamed = Vec::with_capacity(tokens.len());
        let mut text = formats;
        while let Some(token) = tokens.get(renamed.len()) {
            let at = renamed.len();
            let item = mentions::item(&tokens[at..]).max(imports(&tokens[at..]));
            if item > 0 {
                // What `self` is in there is no matter of the method.
                renamed.extend_from_slice(&tokens[at..at + item]);
                continue;
            }
            renamed.push(match token {
                TokenTree::Group(group) => {
                    let formats = is_format(&tokens[..at]);
                    let mut inner =
                        Group::new(group.delimiter(), self.tokens(group.stream(), formats));
                    inner.set_span(group.span());
                    TokenTree::Group(inner)
                }
                TokenTree::Ident(ident) if ident == "self" && !is_path(&tokens[at + 1..]) => {
                    self.found = true;
                    TokenTree::Ident(self::renamed(ident))
                }
                TokenTree::Literal(literal) if text && begins_argument(&tokens[..at]) => {
                    text = !literal.to_string().ends_with(['"', '#']);
                    TokenTree::Literal(self.text(literal))
                }
                token => token.clone(),
            });
        }
        renamed.into_iter().collect()
    }

    /// `"{self}"`, `"{self:?}"`
    fn text(&mut self, literal: &Literal) -> Literal {
        let text = literal.to_string();
        let mut renamed = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while let Some(brace) = rest.find('{') {
            let (before, after) = rest.split_at(brace + 1);
            renamed.push_str(before);
            rest = after;
            if let Some(after) = rest.strip_prefix('{') {
                renamed.push('{');
                rest = after;
            } else if let Some(after) = rest.strip_prefix("self")
                && after.starts_with(['}', ':'])
            {
                self.found = true;
                renamed.push_str(NAME);
                rest = after;
            }
        }
        renamed.push_str(rest);
        let mut renamed: Literal = renamed.parse().unwrap_or_else(|_| literal.clone());
        renamed.set_span(literal.span());
        renamed
    }
}

/// Whether `self` stands before `::`, where it is a module.
fn is_path(after: &[TokenTree]) -> bool {
    let is_colon = |token: Option<&TokenTree>| matches!(token, Some(TokenTree::Punct(p)) if p.as_char() == ':');
    let joint = matches!(after.first(), Some(TokenTree::Punct(p)) if p.spacing() == Spacing::Joint);
    joint && is_colon(after.first()) && is_colon(after.get(1))
}

/// The length of `use …;`, with which `tokens` begin; else zero.
fn imports(tokens: &[TokenTree]) -> usize {
    let [TokenTree::Ident(word), next, ..] = tokens else {
        return 0;
    };
    // `impl Trait + use<T>` imports nothing.
    if word != "use" || matches!(next, TokenTree::Punct(p) if p.as_char() == '<') {
        return 0;
    }
    let is_end = |token: &TokenTree| matches!(token, TokenTree::Punct(p) if p.as_char() == ';');
    tokens.iter().position(is_end).map_or(0, |end| end + 1)
}

/// Whether `before` ends in `format!` or another macro of its kind. A text for any other may be anything: it stays as it is.
fn is_format(before: &[TokenTree]) -> bool {
    let [.., TokenTree::Ident(name), TokenTree::Punct(bang)] = before else {
        return false;
    };
    bang.as_char() == '!' && FORMATS.iter().any(|format| name == format)
}

const FORMATS: [&str; 22] = [
    "format",
    "format_args",
    "print",
    "println",
    "eprint",
    "eprintln",
    "write",
    "writeln",
    "panic",
    "todo",
    "unimplemented",
    "unreachable",
    "assert",
    "debug_assert",
    "trace",
    "debug",
    "info",
    "warn",
    "error",
    "anyhow",
    "bail",
    "ensure",
];

/// Whether what follows is a whole argument, and not a value behind a name.
fn begins_argument(before: &[TokenTree]) -> bool {
    before
        .last()
        .is_none_or(|token| matches!(token, TokenTree::Punct(p) if p.as_char() == ','))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn renamed(text: &str) -> Option<String> {
        let tokens: TokenStream = text.parse().expect("tokens");
        rename(tokens).map(|renamed| renamed.to_string().replace(NAME, "own"))
    }

    fn same(text: &str) -> String {
        text.parse::<TokenStream>().expect("tokens").to_string()
    }

    #[test]
    fn renames_the_method_s_own_self() {
        let is = |from, to| assert_eq!(renamed(from), Some(same(to)));
        is("self.name(id).await", "own.name(id).await");
        is("f(|x| self.0 + x)", "f(|x| own.0 + x)");
        is("json!({ \"a\": self.a })", "json!({ \"a\": own.a })");
        is("use a::{self, b}; f(self)", "use a::{self, b}; f(own)");
        is(
            "impl X { fn f(&self) { self.x } } self.y",
            "impl X { fn f(&self) { self.x } } own.y",
        );
        is(
            "macro_rules! m { ($f:ident) => { self.a; fn $f(&self) { self.b } } }",
            "macro_rules! m { ($f:ident) => { own.a; fn $f(&self) { self.b } } }",
        );
    }

    #[test]
    fn renames_what_a_format_captures() {
        let is = |from, to| assert_eq!(renamed(from), Some(same(to)));
        is(
            "format!(\"{self} {{self}} {id}\")",
            "format!(\"{own} {{self}} {id}\")",
        );
        is("write!(f, r#\"{self:?}\"#)", "write!(f, r#\"{own:?}\"#)");
        is(
            "warn!(target: \"{self}\", id = 1, \"{self}\")",
            "warn!(target: \"{self}\", id = 1, \"{own}\")",
        );
    }

    #[test]
    fn leaves_everything_else() {
        assert_eq!(renamed("self::f(id); crate::self_f()"), None);
        assert_eq!(renamed("fn f(&self) -> u8 { self.0 } 1"), None);
        assert_eq!(renamed("println!(\"{}\", \"{self}\")"), None);
        assert_eq!(renamed("query!(\"{self}\"); f(\"{self}\")"), None);
    }
}
