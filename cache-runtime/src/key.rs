//! Keys, patterns and tags: what an answer is stored under, and what an invalidation names.

mod decode;
mod encode;
mod pattern;

use std::cell::Cell;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};

pub(crate) use decode::values;
pub(crate) use encode::{is_plain, shows_itself};
pub use pattern::{Pattern, PatternError};
pub(crate) use pattern::{Reach, is_of_key, meets};
use serde::Serialize;
use xxhash_rust::xxh3::xxh3_64;

use crate::site::Site;

/// Segments that a key may have after its domain, the first segment.
pub(crate) const DEEPEST: usize = 8;

/// A key without the cache's prefix: segments joined by `:`, such as `exec:dashboard:ws12:Week`.
///
/// The first segment is the key's *domain*. Values are encoded so that none can leave its segment. Two keys are equal when they read the same.
#[derive(Clone)]
pub struct Key {
    text: String,
    usable: bool,
    /// The number of the site that it is of: a key has no interior that changes.
    site: usize,
}

impl Key {
    /// The key of `values` under `namespace`, one segment each: `Key::new("agents", [&id])` is what `#[cached("agents", key = id)]`
    /// makes. What is stored there by hand is apart from what functions store, also under a key that reads the same; a key that both are to
    /// use is declared, or made by a function's companion: `agent::key(id)`.
    ///
    /// In `namespace` colons part segments, and whatever cannot stand in a key is encoded. A key with more than 8 segments after the first,
    /// or a value that refuses to be serialized, is not usable: nothing is found or stored under it.
    pub fn new<'a>(namespace: &str, values: impl IntoIterator<Item = &'a dyn KeyPart>) -> Self {
        let mut text = encode::namespace(namespace);
        let site = Site::by_hand(&text).number();
        let mut usable = true;
        for value in values {
            text.push(':');
            usable &= write_or_refuse(value, &mut text);
        }
        usable &= text.split(':').count() <= DEEPEST + 1;
        Self { text, usable, site }
    }

    /// Reads a key as it stands in Redis, without the prefix, such as `agents:7`; for what is stored by hand.
    ///
    /// # Errors
    /// A text that no key has, and a pattern.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let pattern = Pattern::parse(text)?;
        if text.contains('*') {
            return Err(PatternError::of_key(text));
        }
        Ok(Self::parsed(pattern.text))
    }

    /// A key that was read from the store.
    pub(crate) fn parsed(text: String) -> Self {
        Self {
            site: Site::by_hand(crate::generations::domain(&text)).number(),
            text,
            usable: true,
        }
    }

    /// The key as it stands in Redis, behind the prefix.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether every value could be encoded. A call whose key is not usable runs uncached.
    pub(crate) fn is_usable(&self) -> bool {
        self.usable
    }

    /// Who stores under it.
    pub(crate) fn site(&self) -> &'static Site {
        Site::of_number(self.site)
    }

    pub(crate) fn of(site: &'static Site, parts: &[&dyn KeyPart]) -> Self {
        let mut usable = true;
        let text = fill(site.template, parts, |part, out| {
            usable &= write_or_refuse(*part, out);
        });
        Self {
            text,
            usable,
            site: site.number(),
        }
    }

    /// A key that reads so, whatever it stands for.
    #[cfg(test)]
    pub(crate) fn reading(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            usable: true,
            site: Site::by_hand("tests").number(),
        }
    }
}

/// By which a key is found.
#[inline]
pub(crate) fn digest(key: &str) -> u64 {
    xxh3_64(key.as_bytes())
}

thread_local! {
    /// The memory of the key that was dropped last, for the next one: a hit in the near cache needs none of its own.
    static SPARE: Cell<String> = const { Cell::new(String::new()) };
}

/// Bytes of memory that are kept for the next key.
const LARGEST_SPARE: usize = 1 << 10;

impl Drop for Key {
    fn drop(&mut self) {
        let mut text = std::mem::take(&mut self.text);
        if (1..=LARGEST_SPARE).contains(&text.capacity()) {
            text.clear();
            // A thread that ends has no next key.
            let _ = SPARE.try_with(|spare| spare.set(text));
        }
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl From<Key> for Pattern {
    fn from(key: Key) -> Self {
        let mut key = key;
        Self {
            text: std::mem::take(&mut key.text),
        }
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
            text: fill(template, parts, |part, out| {
                write_or_refuse(*part, out);
            }),
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
    /// Everything under the cache's prefix.
    All,
}

impl Target {
    /// Whether it means `key`, or an answer with one of `tags`.
    pub(crate) fn names(&self, key: &Key, tags: &[Tag]) -> bool {
        match self {
            Self::Pattern(pattern) => pattern.matches(key.as_str()),
            Self::Tag(tag) => tags.contains(tag),
            Self::Tags => !tags.is_empty(),
            Self::All => true,
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

/// All values that refuse to be serialized share one segment: an invalidation that names one reaches them all. Says whether `value` has one
/// of its own.
fn write_or_refuse(value: &dyn KeyPart, out: &mut String) -> bool {
    let written = value.write(out).is_ok();
    if !written {
        out.push_str("%refused");
    }
    written
}

/// Fills the `{}` of `template` in order.
fn fill<P>(template: &str, parts: &[P], mut write: impl FnMut(&P, &mut String)) -> String {
    let mut out = SPARE.try_with(|spare| spare.take()).unwrap_or_default();
    out.reserve(template.len() + 24 * parts.len());
    let (literal, mut rest) = to_brace(template);
    out.push_str(literal);
    for part in parts {
        let Some(behind) = rest else {
            break;
        };
        write(part, &mut out);
        let literal;
        (literal, rest) = to_brace(behind.strip_prefix('}').unwrap_or(behind));
        out.push_str(literal);
    }
    out
}

/// What stands before the first `{`, and behind it. Templates are short: a search of bytes is faster than a search of text.
fn to_brace(template: &str) -> (&str, Option<&str>) {
    let at = template.bytes().position(|byte| byte == b'{');
    match at {
        Some(at) => (&template[..at], Some(&template[at + 1..])),
        None => (template, None),
    }
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
            Self::All => f.write_str("everything"),
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
    fn a_key_by_hand_stays_in_its_segments() {
        let key = |namespace, values: &[&dyn KeyPart]| {
            let key = Key::new(namespace, values.iter().copied());
            (key.text.clone(), key.is_usable())
        };
        assert_eq!(key("agents", &[&7]), ("agents:7".to_owned(), true));
        assert_eq!(key("a:b", &[&"x:*"]), ("a:b:x%3A%2A".to_owned(), true));
        assert_eq!(key("a *::%", &[]), ("a%20%2A:%empty:%25".to_owned(), true));
        assert!(!key("a", &[&1, &2, &3, &4, &5, &6, &7, &8, &9]).1);
        assert_eq!(Key::parse("a:b%3A").expect("a key").text, "a:b%3A");
        assert!(Key::parse("a:*").is_err() && Key::parse("a::b").is_err());
    }

    #[test]
    fn what_cannot_be_encoded_widens_the_pattern_and_spoils_the_key() {
        struct Refuses;
        impl Serialize for Refuses {
            fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
                Err(serde::ser::Error::custom("no"))
            }
        }
        static SITE: Site = Site::new("f", "a:{}");
        assert!(!Key::of(&SITE, &[&Refuses]).is_usable());
        assert!(!Key::new("a", [&Refuses as _]).is_usable());
        assert_eq!(Pattern::of("a:{}:b", &[Some(&Refuses)]).text, "a:*:b");
        let early = Segment::of(&Refuses);
        assert_eq!(Pattern::of("a:{}:b", &[Some(&early)]).text, "a:*:b");
    }
}
