use std::collections::{BTreeMap, HashMap, HashSet};

use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::*;

/// A bit of everything that services store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Page {
    id: u64,
    title: String,
    rating: Option<f64>,
    state: State,
    tags: HashSet<String>,
    counts: HashMap<String, i32>,
    sorted: BTreeMap<u16, Option<bool>>,
    parts: Vec<State>,
    pair: (char, i128),
    #[serde(skip)]
    _local: (),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum State {
    Draft,
    Shown(u32),
    Moved { to: String, at: i64 },
    Within(Box<Self>),
}

fn states() -> impl Strategy<Value = State> {
    let leaf = prop_oneof![
        Just(State::Draft),
        any::<u32>().prop_map(State::Shown),
        (any::<String>(), any::<i64>()).prop_map(|(to, at)| State::Moved { to, at }),
    ];
    leaf.prop_recursive(3, 4, 1, |inner| {
        inner.prop_map(|inner| State::Within(inner.into()))
    })
}

fn pages() -> impl Strategy<Value = Page> {
    let scalars = (
        any::<u64>(),
        any::<String>(),
        any::<Option<f64>>(),
        states(),
        any::<(char, i128)>(),
    );
    let lists = (
        any::<HashSet<String>>(),
        any::<HashMap<String, i32>>(),
        any::<BTreeMap<u16, Option<bool>>>(),
        prop::collection::vec(states(), 0..5),
    );
    (scalars, lists).prop_map(
        |((id, title, rating, state, pair), (tags, counts, sorted, parts))| Page {
            id,
            title,
            rating,
            state,
            tags,
            counts,
            sorted,
            parts,
            pair,
            _local: (),
        },
    )
}

const CODECS: [Codec; 3] = [Codec::Json, Codec::MessagePack, Codec::Postcard];

fn built_in() -> impl Iterator<Item = Codec> {
    CODECS
        .into_iter()
        .filter(|codec| codec.missing_feature().is_none())
}

/// What comes back, and by which codec.
fn there_and_back<T: Storable>(value: &T, codec: Codec) -> (Option<Codec>, Option<T>) {
    let mut out = b"before".to_vec();
    let used = value.encode(codec, &mut out);
    assert!(out.starts_with(b"before"));
    (used, used.and_then(|used| T::decode(used, &out[6..])))
}

/// What a program makes of the bytes after its type was changed.
fn read_as<A: Storable, B: Storable>(value: &A, codec: Codec) -> Option<B> {
    let mut out = Vec::new();
    let used = value.encode(codec, &mut out).expect("it can be written");
    B::decode(used, &out)
}

proptest! {
    #[test]
    fn every_value_comes_back(page in pages()) {
        for codec in built_in() {
            // JSON has no `i128` beyond what its numbers hold, and is exact for floats.
            let (used, back) = there_and_back(&page, codec);
            prop_assert!(used.is_some(), "{codec:?}");
            prop_assert_eq!(back.as_ref(), Some(&page), "{:?} by {:?}", codec, used);
        }
    }

    #[test]
    fn foreign_bytes_are_no_value_or_one(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for codec in CODECS {
            let _ = Page::decode(codec, &bytes);
        }
    }

    #[test]
    #[cfg(feature = "postcard")]
    fn a_damaged_postcard_is_not_taken_for_another_shape(page in pages(), at in any::<prop::sample::Index>(), bit in 0..8) {
        let mut out = Vec::new();
        page.encode(Codec::Postcard, &mut out);
        let at = at.index(out.len());
        out[at] ^= 1_u8 << bit;
        if let Some(read) = Page::decode(Codec::Postcard, &out) {
            prop_assert_eq!(outline::of(&read), outline::of(&page));
        }
    }
}

#[test]
fn a_codec_that_is_not_built_in_writes_json() {
    for codec in CODECS {
        let (used, back) = there_and_back(&7_u32, codec);
        let expected = if codec.missing_feature().is_none() {
            codec
        } else {
            Codec::Json
        };
        assert_eq!((used, back), (Some(expected), Some(7)));
    }
}

macro_rules! versions {
    ($name:ident { $($field:ident: $type:ty),* }) => {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct $name { $($field: $type),* }
    };
}

/// postcard has no names: only the outline tells these apart.
#[test]
#[cfg(feature = "postcard")]
fn a_changed_type_reads_nothing_wrong_from_postcard() {
    versions!(Old { a: u32, b: u32 });
    versions!(Swapped { b: u32, a: u32 });
    versions!(Renamed { a: u32, c: u32 });
    versions!(Signed { a: u32, b: i32 });
    versions!(Less { a: u32 });
    versions!(More { a: u32, b: u32, c: Option<u32> });
    let old = Old { a: 1, b: 2 };
    fn none<T: Storable + std::fmt::Debug>(old: &impl Storable) {
        assert!(read_as::<_, T>(old, Codec::Postcard).is_none());
    }
    none::<Swapped>(&old);
    none::<Renamed>(&old);
    none::<Signed>(&old);
    none::<Less>(&old);
    none::<More>(&old);
    none::<(u32, u32)>(&old);
    assert_eq!(
        read_as::<_, Old>(&old, Codec::Postcard),
        Some(Old { a: 1, b: 2 })
    );

    #[derive(Debug, Serialize, Deserialize)]
    enum Before {
        One,
        Two,
    }
    #[derive(Debug, Serialize, Deserialize)]
    enum After {
        Two,
        One,
    }
    none::<After>(&Before::One);
    none::<After>(&vec![Before::Two]);
    none::<Vec<Option<u8>>>(&vec![Some(0_u16)]);
    none::<String>(&vec![b'x']);
    none::<Vec<u8>>(&"x".to_owned());
}

/// What leaves fields out, or asks what comes next, is not for postcard: it is written as JSON.
#[test]
#[cfg(feature = "postcard")]
fn variants_that_change_places_are_not_taken_for_each_other() {
    #[derive(Debug, Serialize, Deserialize)]
    enum Before {
        Admin,
        Guest(u8),
        User { id: u8 },
    }
    #[derive(Debug, Serialize, Deserialize)]
    enum After {
        Guest(u8),
        User { id: u8 },
        Admin,
    }
    let all = || vec![Before::Admin, Before::Guest(1), Before::User { id: 1 }];
    let named: BTreeMap<_, _> = ["a", "b", "c"]
        .map(str::to_owned)
        .into_iter()
        .zip(all())
        .collect();
    assert!(read_as::<_, Vec<After>>(&all(), Codec::Postcard).is_none());
    assert!(read_as::<_, BTreeMap<String, After>>(&named, Codec::Postcard).is_none());
    let two = vec![Before::Admin, Before::Guest(1)];
    #[derive(Debug, Serialize, Deserialize)]
    enum Swapped {
        Guest(u8),
        Admin,
    }
    assert!(read_as::<_, Vec<Swapped>>(&two, Codec::Postcard).is_none());
}

#[cfg(feature = "postcard")]
#[test]
fn what_postcard_would_spoil_is_written_as_json() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Skips {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        a: Option<u8>,
        b: u8,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Untagged {
        Number(u64),
        Text(String),
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Half {
        #[serde(skip_serializing, default)]
        a: u8,
        b: u8,
    }

    fn as_json<T: Storable + PartialEq + std::fmt::Debug>(value: &T) {
        let (used, back) = there_and_back(value, Codec::Postcard);
        assert_eq!((used, back.as_ref()), (Some(Codec::Json), Some(value)));
    }
    as_json(&Skips { a: None, b: 5 });
    as_json(&Untagged::Text("x".to_owned()));
    as_json(&Half { a: 0, b: 5 });
    as_json(&serde_json::json!({ "a": [1, null] }));
    let whole = Skips { a: Some(1), b: 5 };
    assert_eq!(
        there_and_back(&whole, Codec::Postcard),
        (Some(Codec::Postcard), Some(whole))
    );
}

/// JSON and MessagePack know names: a field more or less does no harm where it has a default.
#[test]
fn what_knows_names_forgives() {
    versions!(Old { a: u32, b: u32 });
    versions!(Less { b: u32 });
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct More {
        #[serde(default)]
        c: u8,
        b: u32,
        a: u32,
    }
    for codec in built_in().filter(|codec| *codec != Codec::Postcard) {
        let old = Old { a: 1, b: 2 };
        assert_eq!(
            read_as::<_, Less>(&old, codec),
            Some(Less { b: 2 }),
            "{codec:?}"
        );
        assert_eq!(
            read_as::<_, More>(&old, codec),
            Some(More { c: 0, b: 2, a: 1 }),
            "{codec:?}"
        );
        assert_eq!(read_as::<_, u32>(&old, codec), None, "{codec:?}");
    }
}

#[test]
#[cfg(feature = "postcard")]
fn an_outline_forgets_values_and_nothing_else() {
    let of = |value: &dyn Fn() -> Option<u32>| value().expect("an outline");
    fn outline_of<T: Serialize>(value: T) -> impl Fn() -> Option<u32> {
        move || outline::of(&value)
    }
    assert_eq!(
        of(&outline_of((1_u8, "a".to_owned()))),
        of(&outline_of((2_u8, "b".to_owned())))
    );
    assert_ne!(of(&outline_of(vec![1_u8])), of(&outline_of(vec![1_u8, 1])));
    assert_ne!(
        of(&outline_of(vec![vec![1_u8], vec![]])),
        of(&outline_of(vec![vec![1_u8, 1], vec![]]))
    );
    assert_ne!(of(&outline_of(Some(1_u8))), of(&outline_of(None::<u8>)));
    // Sets and maps are read in any order.
    let set: HashSet<u32> = (0..100).collect();
    let again: HashSet<u32> = set.iter().copied().collect();
    assert_eq!(of(&outline_of(set)), of(&outline_of(again)));
}
