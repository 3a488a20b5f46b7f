//! Tags of answers, and answers without a body for who has it already (RFC 9110, 8.8.3, 13.1.2 and 15.4.5).

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
    ETAG, TRANSFER_ENCODING,
};
use http::{HeaderValue, Method, Response, StatusCode};
use http_body::Body;
use sha2::{Digest, Sha256};

use super::asked::Asked;
use super::body::CacheBody;

/// What a 304 does not say: what describes the body that it leaves out.
const OF_BODY: [http::header::HeaderName; 6] = [
    CONTENT_ENCODING,
    CONTENT_LANGUAGE,
    CONTENT_LENGTH,
    CONTENT_RANGE,
    CONTENT_TYPE,
    TRANSFER_ENCODING,
];

/// Tags an answer to `asked` whose body has up to `most` bytes, or spares it.
///
/// Safe to drop at any time.
pub(super) async fn answer<B>(
    asked: &Asked,
    most: usize,
    response: Response<B>,
) -> Response<CacheBody<B>>
where
    B: Body<Data = Bytes> + Unpin,
{
    let readable = asked.is_read() && response.status() == StatusCode::OK;
    let tags =
        readable && !response.headers().contains_key(ETAG) && may_tag(asked, most, &response);
    let (mut parts, body) = response.into_parts();
    let body = match tags {
        true => {
            let body = CacheBody::read(body, most).await;
            if let Some(tag) = body.whole().map(tag) {
                parts.headers.insert(ETAG, tag);
            }
            body
        }
        false => CacheBody::untouched(body),
    };
    if readable && parts.headers.get(ETAG).is_some_and(|tag| asked.has(tag)) {
        parts.status = StatusCode::NOT_MODIFIED;
        for header in OF_BODY {
            parts.headers.remove(header);
        }
        return Response::from_parts(parts, CacheBody::empty());
    }
    Response::from_parts(parts, body)
}

impl Asked {
    /// Whether the client says that it has the answer with this tag.
    fn has(&self, tag: &HeaderValue) -> bool {
        let mut lists = self.if_none_match.iter();
        lists.any(|list| names(list.as_bytes(), tag.as_bytes()))
    }
}

fn may_tag<B: Body>(asked: &Asked, most: usize, response: &Response<B>) -> bool {
    let kept = response.headers().get_all(CACHE_CONTROL).iter();
    let kept = kept
        .filter_map(|value| value.to_str().ok())
        .all(|value| !value.to_ascii_lowercase().contains("no-store"));
    let size = response.body().size_hint().exact();
    let fits = size.is_some_and(|size| size <= most as u64) && most > 0;
    // Of the answer to a HEAD it may have been cut off.
    let is_there = asked.method != Method::HEAD || size != Some(0);
    kept && fits && is_there
}

/// By 128 bits of SHA-256: who can choose a part of a body cannot make two with one tag.
fn tag<'a>(bytes: impl Iterator<Item = &'a Bytes>) -> HeaderValue {
    let mut hash = Sha256::new();
    bytes.for_each(|bytes| hash.update(bytes));
    let hash = hash.finalize();
    let half = hash.first_chunk().expect("it has 32 bytes");
    let half = u128::from_be_bytes(*half);
    HeaderValue::try_from(format!("\"{half:032x}\"")).expect("hexadecimal digits")
}

/// Whether `list`, a value of `If-None-Match`, names `tag`, by the weak comparison. What is not of its form names nothing more.
///
/// Written by hand: the crate `headers` panics, in debug builds, at a tag with a space.
pub(crate) fn names(list: &[u8], tag: &[u8]) -> bool {
    let Some((tag, _)) = tag_of(tag) else {
        return false;
    };
    if list.trim_ascii() == b"*" {
        return true;
    }
    let mut rest = list;
    while let Some((listed, after)) = tag_of(past_commas(rest)) {
        if listed == tag {
            return true;
        }
        rest = after;
    }
    false
}

/// A list may have empty places (RFC 9110, 5.6.1).
fn past_commas(list: &[u8]) -> &[u8] {
    let first = |byte: &u8| !matches!(byte, b' ' | b'\t' | b',');
    let first = list.iter().position(first).unwrap_or(list.len());
    &list[first..]
}

/// What stands between the quotes of the tag that `text` begins with, and what comes after it.
fn tag_of(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = text.strip_prefix(b"W/").unwrap_or(text);
    let text = text.strip_prefix(b"\"")?;
    let end = text.iter().position(|byte| *byte == b'"')?;
    Some((&text[..end], &text[end + 1..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TAG: &[u8] = b"\"a\"";

    #[test]
    fn lists_are_read_as_they_are_written() {
        for list in [
            "\"a\"",
            "W/\"a\"",
            "*",
            " * ",
            "\"b\", \"a\"",
            "\"b\",\"a\"",
            "W/\"b\" ,\t W/\"a\"",
            ", ,\"b\",, \"a\"",
            "\"b,\", \"a\"",
            "\"b c\", \"a\"",
            "\"\", \"a\"",
        ] {
            assert!(names(list.as_bytes(), TAG), "{list}");
            assert!(names(list.as_bytes(), b"W/\"a\""), "{list}");
        }
        for list in [
            "",
            " ",
            "a",
            "\"A\"",
            "\"a",
            "a\"",
            "\"b\"",
            "\"*\"",
            "*, \"b\"",
            "w/\"a\"",
            "W/ \"a\"",
            "\"b, \"a\"",
            "'a'",
            "\"b\"x, \"a\"",
        ] {
            assert!(!names(list.as_bytes(), TAG), "{list}");
        }
        assert!(!names(b"\"a\"", b"a"));
    }

    fn tags() -> impl Strategy<Value = Vec<(bool, Vec<u8>)>> {
        let byte = prop_oneof![Just(0x21_u8), 0x23_u8..=0x7e, 0x80_u8..];
        prop::collection::vec((any::<bool>(), prop::collection::vec(byte, 0..3)), 1..8)
    }

    proptest! {
        /// Of a list in the right form it names what stands there, and nothing else.
        #[test]
        fn what_is_listed_is_named(tags in tags(), at in any::<prop::sample::Index>(), comma in "[ \t]{0,2},[ \t,]{0,3}") {
            let write = |(weak, tag): &(bool, Vec<u8>)| [if *weak { &b"W/\""[..] } else { b"\"" }, &tag[..], b"\""].concat();
            let list = tags.iter().map(write).collect::<Vec<_>>().join(comma.as_bytes());
            prop_assert!(names(&list, &write(at.get(&tags))));
            prop_assert!(!names(&list, b"\"long one\""));
        }

        /// Whatever is sent, it does not panic, and names only what it holds.
        #[test]
        fn hostile_lists_are_read(list in any::<Vec<u8>>()) {
            crate::fuzzing::if_none_match(&list);
        }
    }
}
