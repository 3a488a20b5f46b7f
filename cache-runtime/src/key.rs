//! Keys, patterns and tags: what an answer is stored under, and what an invalidation names.

mod encode;

use std::fmt;

pub(crate) use encode::is_plain;
use serde::Serialize;

/// Segments that a key may have after its domain, the first segment.
pub(crate) const DEEPEST: usize = 8;

/// A key without the cache's prefix: segments joined by `:`, such as `exec:dashboard:ws12:Week`.
///
/// The first segment is the key's *domain*. Values are encoded so that none can leave its segment.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Key {
    text: String,
    usable: bool,
}

impl Key {
    /// The key as it stands in Redis, behind the prefix.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether every value could be encoded. A call whose key is not usable runs uncached.
    pub(crate) fn is_usable(&self) -> bool {
        self.usable
    }

    pub(crate) fn of(template: &str, parts: &[&dyn KeyPart]) -> Self {
        let mut usable = true;
        let text = fill(template, parts, |part, out| {
            if part.write(out).is_err() {
                usable = false;
                out.push_str("%refused");
            }
        });
        Self { text, usable }
    }
}

/// What an invalidation names: one key, or all keys that agree with it.
///
/// `*` as a whole segment stands for exactly one segment, and at the end for everything that follows. Both cost one write,
/// however many keys there are. A `*` inside a segment (`ws12*`) makes the invalidation walk through all keys of the cache.
///
/// A pattern may invalidate more than it names, never less: one that fixes segments far apart in long keys is widened.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Pattern {
    text: String,
}

/// The kinds of pattern, by what an invalidation costs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reach<'a> {
    /// One key.
    Exact,
    /// Whole segments: the domain, what stands at each position after it (`None` for `*`), and whether more may follow.
    Scope {
        domain: &'a str,
        positions: Vec<Option<&'a str>>,
        open: bool,
    },
    /// A `*` inside a segment.
    Partial,
}

impl Pattern {
    /// Reads a pattern that was written by a person, such as `tasks:*` or `agent:*:7:*`.
    ///
    /// Literal segments are taken as they stand in Redis; a value that contains anything beyond letters, digits and
    /// `-_.@/+~` must be given percent-encoded, as `redis-cli` shows it.
    ///
    /// # Errors
    /// A pattern that could match no key, or that begins with a wildcard.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let wrong = |reason| {
            Err(PatternError {
                pattern: text.to_owned(),
                reason,
            })
        };
        let segments: Vec<&str> = text.split(':').collect();
        if segments[0].contains(['*', '%']) {
            return wrong(
                "it must begin with a literal segment: the first segment chooses the domain whose keys are meant",
            );
        }
        if segments.iter().any(|segment| segment.is_empty()) {
            return wrong("it has an empty segment, which no key has");
        }
        if segments.len() > DEEPEST + 1 {
            return wrong("it has more than 8 segments after the first, which no key has");
        }
        if segments.iter().any(|segment| segment.contains("**")) {
            return wrong(
                "`**` is not a wildcard; a `*` at the end stands for everything that follows",
            );
        }
        let stands = |c: char| {
            c == ':' || c == '*' || "%(),='".contains(c) || !c.is_ascii() || is_plain(c as u8)
        };
        if !text.chars().all(stands) {
            return wrong(
                "it has a character that keys hold percent-encoded, so that it would match nothing",
            );
        }
        Ok(Self {
            text: text.to_owned(),
        })
    }

    /// The pattern as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// A value that refuses to be serialized becomes `*`: too much is invalidated rather than too little.
    pub(crate) fn of(template: &str, parts: &[Option<&dyn KeyPart>]) -> Self {
        let mut any = Vec::new();
        let text = fill(template, parts, |part, out| {
            let known = part.is_some_and(|part| part.write(out).is_ok());
            if !known {
                any.push(out.matches(':').count());
                out.push('*');
            }
        });
        if any.is_empty() {
            return Self { text };
        }
        // Literal text round an unknown value (`v{}`) goes with it.
        let segments = text.split(':').enumerate();
        let text = segments
            .map(|(at, segment)| if any.contains(&at) { "*" } else { segment })
            .collect::<Vec<_>>()
            .join(":");
        // A `*` at the end would also reach longer keys, which is more than was asked and does no harm.
        Self { text }
    }

    /// Whether `key` is meant, segment by segment.
    pub(crate) fn matches(&self, key: &str) -> bool {
        let open = self.text.ends_with(":*");
        let mut segments = key.split(':');
        let fits = self.text.split(':').all(|pattern| {
            segments
                .next()
                .is_some_and(|segment| covers(pattern, segment))
        });
        fits && (open || segments.next().is_none())
    }

    pub(crate) fn reach(&self) -> Reach<'_> {
        if !self.text.contains('*') {
            return Reach::Exact;
        }
        let mut segments = self.text.split(':');
        let domain = segments.next().unwrap_or_default();
        let mut positions: Vec<_> = segments
            .map(|segment| (segment != "*").then_some(segment))
            .collect();
        if positions
            .iter()
            .flatten()
            .any(|segment| segment.contains('*'))
            || domain.contains('*')
        {
            return Reach::Partial;
        }
        let open = positions.last() == Some(&None);
        if open {
            positions.pop();
        }
        Reach::Scope {
            domain,
            positions,
            open,
        }
    }
}

impl From<Key> for Pattern {
    fn from(key: Key) -> Self {
        Self { text: key.text }
    }
}

/// A group of answers across namespaces, named by `tags = ["workspace:{workspace_id}"]`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Tag {
    text: String,
}

impl Tag {
    /// The tag `name`, with `values` encoded behind it, one segment each: `Tag::new("workspace", [&id])` is what
    /// `tags = ["workspace:{id}"]` names.
    pub fn new<'a>(name: &str, values: impl IntoIterator<Item = &'a dyn KeyPart>) -> Self {
        let mut text = name.to_owned();
        for value in values {
            text.push(':');
            write_or_refuse(value, &mut text);
        }
        Self { text }
    }

    /// The tag as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn of(template: &str, parts: &[&dyn KeyPart]) -> Self {
        Self {
            text: fill(template, parts, |part, out| write_or_refuse(*part, out)),
        }
    }
}

/// One thing that an invalidation names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Target {
    /// A key, or all keys of a pattern.
    Pattern(Pattern),
    /// All answers that carry a tag.
    Tag(Tag),
}

impl From<Pattern> for Target {
    fn from(pattern: Pattern) -> Self {
        Self::Pattern(pattern)
    }
}

impl From<Key> for Target {
    fn from(key: Key) -> Self {
        Self::Pattern(key.into())
    }
}

impl From<Tag> for Target {
    fn from(tag: Tag) -> Self {
        Self::Tag(tag)
    }
}

/// A value that can be one segment of a key: everything that implements [`serde::Serialize`].
///
/// A `HashSet` has no order, so that two equal sets give two keys: sort it, or take a `BTreeSet`. Maps are sorted here.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be part of a cache key",
    label = "a key part must implement `serde::Serialize`",
    note = "derive `Serialize` for it, name one of its fields in the key, or mark the parameter `#[skip]` if it cannot change the answer"
)]
pub trait KeyPart: Sealed {
    #[doc(hidden)]
    fn write(&self, out: &mut String) -> Result<(), Unencodable>;
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + ?Sized> KeyPart for T {
    fn write(&self, out: &mut String) -> Result<(), Unencodable> {
        encode::segment(self, out).map_err(|_| Unencodable)
    }
}

/// A value's `Serialize` implementation reported an error.
#[doc(hidden)]
#[derive(Debug)]
pub struct Unencodable;

#[doc(hidden)]
pub trait Sealed {}

impl<T: ?Sized> Sealed for T {}

/// A value that was encoded earlier, for a pattern that is completed after the value has been moved away.
#[derive(Debug, Clone)]
pub struct Segment(Option<String>);

impl Segment {
    pub(crate) fn of(value: &dyn KeyPart) -> Self {
        let mut text = String::new();
        Self(value.write(&mut text).is_ok().then_some(text))
    }
}

impl KeyPart for Segment {
    fn write(&self, out: &mut String) -> Result<(), Unencodable> {
        out.push_str(self.0.as_ref().ok_or(Unencodable)?);
        Ok(())
    }
}

/// All values that refuse to be serialized share one segment: an invalidation that names one reaches them all.
fn write_or_refuse(value: &dyn KeyPart, out: &mut String) {
    if value.write(out).is_err() {
        out.push_str("%refused");
    }
}

/// Whether the `*` of `pattern` can be filled so that it reads `segment`.
fn covers(pattern: &str, segment: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == segment;
    };
    let Some(mut left) = segment.strip_prefix(head) else {
        return false;
    };
    let mut pieces: Vec<&str> = rest.split('*').collect();
    let Some(tail) = pieces.pop() else {
        return false;
    };
    for piece in pieces {
        match left.find(piece) {
            Some(at) => left = &left[at + piece.len()..],
            None => return false,
        }
    }
    left.len() >= tail.len() && left.ends_with(tail)
}

/// Fills the `{}` of `template` in order.
fn fill<P>(template: &str, parts: &[P], mut write: impl FnMut(&P, &mut String)) -> String {
    let mut out = String::with_capacity(template.len() + 24 * parts.len());
    let mut literals = template.split("{}");
    out.push_str(literals.next().unwrap_or_default());
    for (part, literal) in parts.iter().zip(literals) {
        write(part, &mut out);
        out.push_str(literal);
    }
    out
}

macro_rules! shown {
    ($($type:ident),*) => {$(
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.text)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($type)).field(&self.text).finish()
            }
        }
    )*};
}

shown!(Key, Pattern, Tag);

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pattern(pattern) => pattern.fmt(f),
            Self::Tag(tag) => write!(f, "tag {tag}"),
        }
    }
}

/// Why a text is not a [`Pattern`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatternError {
    pattern: String,
    reason: &'static str,
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is not a pattern of keys: {}",
            self.pattern.escape_debug(),
            self.reason
        )
    }
}

impl std::error::Error for PatternError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_reaches_what_it_says() {
        let reach = |text| match Pattern::parse(text).expect(text).text.clone() {
            text => format!("{:?}", Pattern { text }.reach()),
        };
        assert_eq!(reach("tasks"), "Exact");
        assert_eq!(reach("tasks:7"), "Exact");
        assert_eq!(
            reach("tasks:*"),
            r#"Scope { domain: "tasks", positions: [], open: true }"#
        );
        assert_eq!(
            reach("a:*:7"),
            r#"Scope { domain: "a", positions: [None, Some("7")], open: false }"#
        );
        assert_eq!(
            reach("a:*:7:*"),
            r#"Scope { domain: "a", positions: [None, Some("7")], open: true }"#
        );
        assert_eq!(reach("a:ws12*"), "Partial");
    }

    #[test]
    fn a_pattern_that_matches_nothing_is_refused() {
        for text in [
            "",
            "*",
            "*:a",
            "a*:b",
            "a::b",
            ":a",
            "a:",
            "a:**",
            "a:b c",
            "a:{b}",
            "a:?",
            "a:b:c:d:e:f:g:h:i:j",
        ] {
            assert!(Pattern::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_pattern_matches_segment_by_segment() {
        let matches =
            |pattern: &str, key: &str| Pattern::parse(pattern).expect("a pattern").matches(key);
        assert!(
            matches("a:ws12*", "a:ws123")
                && !matches("a:ws12*", "a:ws1")
                && !matches("a:ws12*", "a:ws12:x")
        );
        assert!(matches("a:ws12*:*", "a:ws123:x:y") && !matches("a:ws12*:*", "a:ws123"));
        assert!(
            matches("a:*b*d", "a:abcd")
                && matches("a:*b*d", "a:bd")
                && !matches("a:*b*bd", "a:abd")
        );
        assert!(matches("a:*:c", "a:b:c") && !matches("a:*:c", "a:b:b:c"));
    }

    #[test]
    fn a_hole_is_a_wildcard_and_takes_its_literal_with_it() {
        let pattern = |parts: &[Option<&dyn KeyPart>]| Pattern::of("d:v{}:{}", parts).text;
        assert_eq!(pattern(&[Some(&1), Some(&"a:b")]), "d:v1:a%3Ab");
        assert_eq!(pattern(&[None, Some(&"x")]), "d:*:x");
        assert_eq!(pattern(&[Some(&1), None]), "d:v1:*");
    }

    #[test]
    fn what_cannot_be_encoded_widens_the_pattern_and_spoils_the_key() {
        struct Refuses;
        impl Serialize for Refuses {
            fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
                Err(serde::ser::Error::custom("no"))
            }
        }
        assert!(!Key::of("a:{}", &[&Refuses]).is_usable());
        assert_eq!(Pattern::of("a:{}:b", &[Some(&Refuses)]).text, "a:*:b");
        let early = Segment::of(&Refuses);
        assert_eq!(Pattern::of("a:{}:b", &[Some(&early)]).text, "a:*:b");
    }
}
