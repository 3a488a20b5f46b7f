//! Keys, patterns and tags: what an answer is stored under, and what an invalidation names.

mod encode;
mod pattern;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

pub(crate) use encode::{is_plain, shows_itself};
pub(crate) use pattern::Reach;
pub use pattern::{Pattern, PatternError};
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
    /// All answers that carry any tag.
    Tags,
}

impl Target {
    /// Whether it means `key`, or an answer with one of `tags`.
    pub(crate) fn names(&self, key: &Key, tags: &[Tag]) -> bool {
        match self {
            Self::Pattern(pattern) => pattern.matches(key.as_str()),
            Self::Tag(tag) => tags.contains(tag),
            Self::Tags => !tags.is_empty(),
        }
    }
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
        let start = out.len();
        let written = catch_unwind(AssertUnwindSafe(|| encode::segment(self, out)));
        written.ok().and_then(Result::ok).ok_or_else(|| {
            out.truncate(start);
            Unencodable
        })
    }
}

/// A value's `Serialize` implementation reported an error, or panicked.
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
            Self::Tags => f.write_str("all tags"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
