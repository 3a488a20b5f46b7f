//! Texts with placeholders: `"agents:{id}"`, `"agent:*:{agent_id}:*"`.
//!
//! A text is a list of segments between colons. A segment holds at most one placeholder, so that no value can be
//! read in two ways, and its letters are those that the encoder of values leaves as they are.

use proc_macro2::Span;
use syn::LitStr;

/// The most segments that may follow the first one.
pub(crate) const MOST_SEGMENTS: usize = 8;

/// What a text is for; each purpose has rules of its own.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Purpose {
    Namespace,
    Key,
    /// A whole key, as `cache_keys!` declares it.
    Declared,
    Tag,
    Pattern,
}

/// A text that keeps the rules.
pub(crate) struct Template {
    pub(crate) segments: Vec<Segment>,
}

/// What stands between two colons.
pub(crate) struct Segment {
    /// The text with `{}` in the place of the placeholder, as the runtime takes it.
    pub(crate) text: String,
    pub(crate) placeholder: Option<Placeholder>,
}

/// `{root}`, `{root.field}`, `{root.0.field}`.
#[derive(Clone)]
pub(crate) struct Placeholder {
    pub(crate) root: String,
    pub(crate) fields: Vec<String>,
    /// The literal: the place inside it is not known on stable compilers.
    pub(crate) span: Span,
}

/// A broken rule.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) rule: String,
    pub(crate) help: String,
    pub(crate) danger: &'static str,
}

impl Template {
    pub(crate) fn parse(literal: &LitStr, purpose: Purpose) -> Result<Self, Broken> {
        parse(&literal.value(), literal.span(), purpose)
    }

    /// The text as the runtime takes it.
    pub(crate) fn text(&self) -> String {
        let texts: Vec<&str> = self.segments.iter().map(|one| one.text.as_str()).collect();
        texts.join(":")
    }

    pub(crate) fn placeholders(&self) -> impl Iterator<Item = &Placeholder> {
        self.segments
            .iter()
            .filter_map(|segment| segment.placeholder.as_ref())
    }
}

fn parse(text: &str, span: Span, purpose: Purpose) -> Result<Template, Broken> {
    if text.is_empty() {
        return Err(purpose.empty());
    }
    if purpose == Purpose::Pattern && text.chars().all(|c| c == '*' || c == ':') {
        return Err(broken(
            format!("`{text}` would clear everything"),
            "name what is to be cleared: `\"agents:*\"`",
            "one write would empty the cache of every namespace, and all loads would hit the database at once",
        ));
    }
    let mut segments = Vec::new();
    let mut rest = text;
    loop {
        let (segment, after) = take_segment(rest, text, span, purpose)?;
        segments.push(segment);
        match after {
            Some(after) => rest = after,
            None => break,
        }
    }
    if matches!(purpose, Purpose::Pattern | Purpose::Declared) {
        check_domain(&segments[0], purpose)?;
    }
    if segments.len() > MOST_SEGMENTS + 1 {
        return Err(match purpose {
            Purpose::Pattern => broken(
                format!("{} segments are too many", segments.len()),
                format!(
                    "no key has more than {MOST_SEGMENTS} after the first; end with `*`: `\"agents:{{id}}:*\"`"
                ),
                "a pattern that is longer than every key matches nothing",
            ),
            _ => too_many_segments(segments.len()),
        });
    }
    Ok(Template { segments })
}

/// The segment at the start of `rest`, and what follows its colon.
fn take_segment<'a>(
    rest: &'a str,
    whole: &str,
    span: Span,
    purpose: Purpose,
) -> Result<(Segment, Option<&'a str>), Broken> {
    let mut text = String::new();
    let mut placeholder = None;
    let mut after = None;
    let mut chars = rest.char_indices();
    while let Some((at, letter)) = chars.next() {
        match letter {
            ':' => {
                after = Some(&rest[at + 1..]);
                break;
            }
            '{' => {
                let inside = inside_braces(&rest[at + 1..], whole)?;
                if purpose == Purpose::Namespace {
                    return Err(broken(
                        format!("a namespace is fixed text, `{{{inside}}}` is not"),
                        format!("put it into the key: `key = \"{{{inside}}}\"`"),
                        "patterns and statistics could not name a namespace that changes from call to call",
                    ));
                }
                if placeholder.is_some() {
                    return Err(broken(
                        format!("`{{{inside}}}` is the second placeholder of its segment"),
                        "separate them with a colon: `{a}:{b}`",
                        "\"1\" beside \"23\" reads like \"12\" beside \"3\": two calls would share one answer",
                    ));
                }
                placeholder = Some(read_placeholder(inside, span)?);
                text.push_str("{}");
                chars.nth(inside.chars().count());
            }
            '}' => return Err(unbalanced(whole)),
            '*' if purpose == Purpose::Pattern => text.push('*'),
            '*' => return Err(purpose.star()),
            letter if is_plain(letter) => text.push(letter),
            letter => return Err(odd_letter(letter)),
        }
    }
    check_segment(&text, placeholder.is_some(), whole)?;
    Ok((Segment { text, placeholder }, after))
}

fn check_segment(text: &str, has_placeholder: bool, whole: &str) -> Result<(), Broken> {
    if text.is_empty() {
        return Err(broken(
            format!("`{whole}` has an empty segment"),
            "put text or a placeholder on both sides of every colon: `\"agents:list\"`",
            "an empty segment equals no segment of any key, so it would never match",
        ));
    }
    if text.contains("**") {
        return Err(broken(
            "`**` is not a pattern",
            "one `*` stands for one segment, and at the end for all that follow: `\"agents:*\"`",
            "readers would expect another meaning than the one it has",
        ));
    }
    if has_placeholder && text.contains('*') {
        return Err(broken(
            "a placeholder and `*` share one segment",
            "give the placeholder a segment of its own: `{id}:*`",
            "the star would run on from the value: clearing 1 would clear 12 and 13 too",
        ));
    }
    Ok(())
}

/// A pattern, like a key, names one domain, the first segment, with all its letters.
fn check_domain(first: &Segment, purpose: Purpose) -> Result<(), Broken> {
    if first.placeholder.is_none() && !first.text.contains('*') {
        return Ok(());
    }
    if purpose == Purpose::Declared {
        return Err(broken(
            "a key begins with fixed text",
            "begin with the name of what it is for: `\"agents:{id}\"`",
            "no pattern could name such keys, and they would mix with those of every other function",
        ));
    }
    Err(broken(
        "a pattern begins with fixed text",
        "begin with the first segment of the namespace: `\"agents:*\"`",
        "a pattern without it reaches into every namespace of the cache",
    ))
}

/// The text between `{` and the next `}`.
fn inside_braces<'a>(after: &'a str, whole: &str) -> Result<&'a str, Broken> {
    let end = after
        .find(['{', '}'])
        .filter(|at| after[*at..].starts_with('}'));
    end.map(|end| &after[..end])
        .ok_or_else(|| unbalanced(whole))
}

fn read_placeholder(inside: &str, span: Span) -> Result<Placeholder, Broken> {
    if inside.trim().is_empty() {
        return Err(broken(
            "`{}` names nothing",
            "name a parameter: `{id}`",
            "which value belongs here would depend on the order of the parameters",
        ));
    }
    if let Some((name, _)) = inside.split_once(':') {
        return Err(broken(
            format!("`{{{inside}}}` has a format"),
            format!("values are encoded, not formatted: `{{{name}}}`"),
            "a format such as `{:.1}` gives different values one text, and two calls one answer",
        ));
    }
    let mut names = inside.split('.').map(str::to_owned);
    let root = names.next().unwrap_or_default();
    let fields: Vec<String> = names.collect();
    if !is_name(&root) || !fields.iter().all(|field| is_name(field) || is_index(field)) {
        return Err(broken(
            format!("`{{{inside}}}` is neither a name nor a field"),
            format!("expressions go into the tuple form: `key = ({inside}, …)`"),
            "text in a string is not checked as an expression is",
        ));
    }
    Ok(Placeholder { root, fields, span })
}

fn is_name(text: &str) -> bool {
    let mut letters = text.chars();
    letters
        .next()
        .is_some_and(|c| c == '_' || c.is_alphabetic())
        && letters.all(|c| c == '_' || c.is_alphanumeric())
        && text != "_"
}

fn is_index(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_digit())
}

/// Letters that the encoder of values leaves as they are.
fn is_plain(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "-_.@/+~".contains(letter)
}

impl Purpose {
    fn empty(self) -> Broken {
        let (rule, help) = match self {
            Self::Namespace => (
                "the namespace is empty",
                "name it: `namespace = \"agents\"`",
            ),
            Self::Key => (
                "the key is empty text",
                "leave `key` out, or write `key = ()`",
            ),
            Self::Declared => ("the key is empty text", "write the key: `\"agents:{id}\"`"),
            Self::Tag => (
                "the tag is empty",
                "name the group: `\"workspace:{workspace_id}\"`",
            ),
            Self::Pattern => (
                "the pattern is empty",
                "name what is to be cleared: `\"agents:*\"`",
            ),
        };
        broken(
            rule,
            help,
            "what has no name cannot be told apart, nor cleared",
        )
    }

    fn star(self) -> Broken {
        let place = match self {
            Self::Namespace => "a namespace",
            Self::Key | Self::Declared => "a key",
            Self::Tag => "a tag",
            Self::Pattern => "a pattern",
        };
        broken(
            format!("`*` has no place in {place}"),
            match self {
                Self::Tag => "a tag is cleared as a whole: `\"workspace:{workspace_id}\"`",
                _ => "patterns belong into `#[invalidates(\"agents:*\")]`",
            },
            "a star is not a wildcard here: nothing would ever match it",
        )
    }
}

fn odd_letter(letter: char) -> Broken {
    broken(
        format!("`{}` is not allowed in a segment", letter.escape_default()),
        "use letters, digits and `-_.@/+~`, and `:` between segments",
        "values are encoded without this character, so the text would match nothing",
    )
}

fn unbalanced(whole: &str) -> Broken {
    broken(
        format!("the braces of `{whole}` do not match"),
        "write each placeholder as `{name}`",
        "half a placeholder would be read as text, the same text for every call",
    )
}

pub(crate) fn too_many_segments(count: usize) -> Broken {
    broken(
        format!("{count} segments are too many"),
        format!(
            "at most {MOST_SEGMENTS} may follow the first: join parts in a tuple, `key = ((a, b), c)`"
        ),
        "each segment can be invalidated on its own, and every read looks after all of them",
    )
}

fn broken(rule: impl Into<String>, help: impl Into<String>, danger: &'static str) -> Broken {
    Broken {
        rule: rule.into(),
        help: help.into(),
        danger,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, purpose: Purpose) -> Result<Template, Broken> {
        parse(text, Span::call_site(), purpose)
    }

    fn rule(text: &str, purpose: Purpose) -> String {
        read(text, purpose)
            .err()
            .map_or_else(String::new, |broken| broken.rule)
    }

    #[test]
    fn splits_into_segments_and_placeholders() {
        let template = read("v{a.b.0}-x:list:{c}", Purpose::Key).expect("valid");
        assert_eq!(template.text(), "v{}-x:list:{}");
        let roots: Vec<_> = template
            .placeholders()
            .map(|one| one.root.clone())
            .collect();
        assert_eq!(roots, ["a", "c"]);
        assert_eq!(
            template.segments[0]
                .placeholder
                .as_ref()
                .expect("one")
                .fields,
            ["b", "0"]
        );
    }

    #[test]
    fn keeps_stars_in_patterns_only() {
        let template = read("agent:*:{id}:ws12*", Purpose::Pattern).expect("valid");
        assert_eq!(template.text(), "agent:*:{}:ws12*");
        assert_eq!(rule("agent:*", Purpose::Key), "`*` has no place in a key");
    }

    #[test]
    fn names_the_broken_rule() {
        let pattern = |text| rule(text, Purpose::Pattern);
        assert!(pattern("*").contains("clear everything"));
        assert!(pattern("*:x").contains("begins with fixed text"));
        assert!(pattern("{a}:x").contains("begins with fixed text"));
        assert!(pattern("a:{x}*").contains("share one segment"));
        assert!(pattern("a:*{x}").contains("share one segment"));
        assert!(pattern("a:{x}{y}").contains("second placeholder"));
        assert!(pattern("a:**").contains("`**`"));
        assert!(pattern("a::b").contains("empty segment"));
        assert!(pattern(":a").contains("empty segment"));
        assert!(pattern("a:").contains("empty segment"));
        assert!(pattern("a:{").contains("braces"));
        assert!(pattern("a:}").contains("braces"));
        assert!(pattern("a:{b{c}}").contains("braces"));
        assert!(pattern("a:{}").contains("names nothing"));
        assert!(pattern("a:{b:?}").contains("has a format"));
        assert!(pattern("a:{b.len()}").contains("neither a name nor a field"));
        assert!(pattern("a:b c").contains("not allowed"));
        assert!(pattern("a:1:2:3:4:5:6:7:8:9").contains("too many"));
        assert!(rule("a:{b}", Purpose::Namespace).contains("fixed text"));
    }
}
