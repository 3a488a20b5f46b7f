use super::*;
use crate::control::Control;
use crate::key::{Pattern, Target, digest};

const ORIGIN: u32 = 7;

fn key(text: &str) -> Key {
    Key::reading(text)
}

fn target(text: &str) -> Target {
    Pattern::parse(text).expect("a pattern").into()
}

fn near() -> Near {
    Near::new(1 << 20, None, Control::new(3))
}

fn keep(near: &Near, key: &Key, tags: &[Tag], stamp: Stamp) {
    let keeping = Keeping {
        stamp,
        age: None,
        ttl: Duration::from_secs(60),
        size: 8,
    };
    near.keep(ORIGIN, key, tags, Some(Arc::new(7_u64)), keeping);
}

fn has(near: &Near, key: &Key, tags: &[Tag]) -> bool {
    near.look(ORIGIN, key, tags, near.now()).is_some()
}

#[test]
fn every_way_of_naming_a_key_makes_it_old() {
    let (row, tag) = (key("rows:a:7"), Tag::new("t", [&7 as _]));
    let tags = [tag.clone()];
    for old in [
        target("rows:a:7"),
        target("rows:*"),
        target("rows:*:7"),
        target("rows:a*:7"),
        tag.clone().into(),
        Target::Tags,
    ] {
        let near = near();
        keep(&near, &row, &tags, near.stamp(&row, &tags));
        assert!(has(&near, &row, &tags));
        near.advance(&[target("rows:a:8"), target("others:*"), target("rows:*:8")]);
        assert!(has(&near, &row, &tags));
        near.advance(std::slice::from_ref(&old));
        assert!(!has(&near, &row, &tags), "{old}");
    }
}

#[test]
fn an_invalidation_between_the_answer_and_the_keeping_is_not_missed() {
    let (near, row) = (near(), key("rows:a:7"));
    let before = near.stamp(&row, &[]);
    near.advance(&[target("rows:a:7")]);
    keep(&near, &row, &[], before);
    assert!(!has(&near, &row, &[]));
}

#[test]
fn a_push_says_what_was_meant() {
    let row = key("rows:a%3Ab:%none");
    let tags = [Tag::new("a b\n", [&"\u{0}\"" as _])];
    for named in [
        Target::from(row.clone()),
        target("rows:*:%none"),
        tags[0].clone().into(),
        Target::Tags,
    ] {
        let (near, last) = (near(), AtomicU64::new(41));
        keep(&near, &row, &tags, near.stamp(&row, &tags));
        near.hear(format!("42 {}", encode(&[target("x:*")])).as_bytes(), &last);
        assert!(has(&near, &row, &tags));
        near.hear(
            format!("43 {}", encode(std::slice::from_ref(&named))).as_bytes(),
            &last,
        );
        assert!(!has(&near, &row, &tags), "{named}");
        let other = key("rows:b:1");
        keep(&near, &other, &[], near.stamp(&other, &[]));
        near.hear(format!("44 {}", encode(&[named])).as_bytes(), &last);
        assert!(near.base.load(Ordering::Relaxed) == 0, "read as a gap");
    }
}

#[test]
fn a_gap_and_whatever_cannot_be_read_make_everything_old() {
    for push in [
        "7 []",
        "4 []",
        "0 []",
        "6 [\"!\"]",
        "6 [\"=\"]",
        "6 [\"?x\"]",
        "6",
        "",
        "6 [\"=rows:b\"",
        "x [\"=rows:b\"]",
        "6 [\"*a b\"]",
    ] {
        let (near, row, last) = (near(), key("rows:a:7"), AtomicU64::new(0));
        near.hear(b"5 []", &last);
        keep(&near, &row, &[], near.stamp(&row, &[]));
        near.hear(push.as_bytes(), &last);
        assert!(!has(&near, &row, &[]), "{push}");
    }
    let (near, last) = (near(), AtomicU64::new(0));
    let many: Vec<_> = (0..2000).map(|id| target(&format!("a:{id}"))).collect();
    let row = key("rows:a:7");
    keep(&near, &row, &[], near.stamp(&row, &[]));
    near.hear(format!("1 {}", encode(&many)).as_bytes(), &last);
    assert!(!has(&near, &row, &[]));
}

#[test]
fn without_a_young_proof_there_are_no_hits() {
    let bound = Duration::from_secs(1000);
    let (near, row) = (
        Near::new(1 << 20, Some(bound), Control::new(3)),
        key("rows:a:7"),
    );
    keep(&near, &row, &[], near.stamp(&row, &[]));
    assert!(has(&near, &row, &[]) && !near.wants_proof(near.now()));
    let after = |time: Duration| Now(nanoseconds(time));
    let later = bound - LATE;
    let is_proven = |time| near.is_proven(after(time));
    assert!(is_proven(later) && !is_proven(later + Duration::from_millis(1)));
    let heard = AtomicU64::new(7);
    near.prove(after(later), 7, &heard);
    assert!(is_proven(later + later));
    near.prove(after(Duration::ZERO), 6, &heard);
    assert!(
        is_proven(later + later),
        "an older proof takes nothing back"
    );
}

#[test]
fn it_is_bounded_by_weight_and_time() {
    let near = Near::new(100_000, None, Control::new(3));
    for id in 0..10_000 {
        let row = key(&format!("rows:{id}"));
        keep(&near, &row, &[], near.stamp(&row, &[]));
    }
    let (values, weight) = near.size();
    assert!(values > 100 && weight <= 100_000, "{near:?}");
    let (near, row) = (Near::new(100_000, None, Control::new(3)), key("rows:1"));
    let keeping = Keeping {
        stamp: near.stamp(&row, &[]),
        age: None,
        ttl: Duration::ZERO,
        size: 8,
    };
    near.keep(ORIGIN, &row, &[], None, keeping);
    assert!(!has(&near, &row, &[]));
}

#[test]
fn a_proof_that_counts_more_than_was_heard_makes_everything_old() {
    let (near, row, heard) = (near(), key("rows:a:7"), AtomicU64::new(7));
    keep(&near, &row, &[], near.stamp(&row, &[]));
    near.prove(near.now(), 7, &heard);
    assert!(has(&near, &row, &[]));
    near.prove(near.now(), 8, &heard);
    assert!(!has(&near, &row, &[]));
    keep(&near, &row, &[], near.stamp(&row, &[]));
    near.prove(near.now(), 8, &heard);
    assert!(has(&near, &row, &[]));
}

/// The number that is shown of `key`.
fn shown(near: &Near, key: &Key) -> Option<u64> {
    let mut number = None;
    near.show(
        ORIGIN,
        (key, digest(key.as_str())),
        &[],
        near.now(),
        &mut |kept| {
            let kept = kept.value().as_ref();
            number = kept.and_then(|kept| kept.downcast_ref::<u64>().copied());
            number.is_some()
        },
    );
    number
}

fn keep_number(near: &Near, key: &Key, number: u64, size: usize) {
    let keeping = Keeping {
        stamp: near.stamp(key, &[]),
        age: None,
        ttl: Duration::from_secs(60),
        size,
    };
    near.keep(ORIGIN, key, &[], Some(Arc::new(number)), keeping);
}

#[test]
fn what_a_thread_finds_again_is_what_the_table_has() {
    let (one, other) = (near(), near());
    let (row, next) = (key("rows:1"), key("rows:2"));
    keep_number(&one, &row, 1, 8);
    keep_number(&other, &row, 2, 8);
    for _ in 0..200 {
        assert_eq!(shown(&one, &row), Some(1));
        assert_eq!(shown(&other, &row), Some(2));
        assert_eq!(shown(&one, &next), None);
    }
    for number in 3..9 {
        assert!((0..number).all(|_| shown(&one, &row).is_some()));
        keep_number(&one, &row, number, 8);
        assert_eq!(shown(&one, &row), Some(number), "loaded anew");
    }
    one.advance(&[target("rows:1")]);
    assert_eq!(shown(&one, &row), None, "invalidated");
    assert_eq!(shown(&other, &row), Some(2));
    keep_number(&one, &row, 4, 100_000);
    assert_eq!(shown(&one, &row), Some(4));
}

#[test]
fn what_was_evicted_is_soon_shown_no_more() {
    let (near, row) = (Near::new(10_000, None, Control::new(3)), key("rows:1"));
    keep_number(&near, &row, 1, 8);
    assert_eq!(shown(&near, &row), Some(1));
    // Without `look`, which would make it hot again.
    let is_kept = || near.values.contains_key(&Named((ORIGIN, row.as_str())));
    for id in 0..100_000 {
        let other = key(&format!("others:{}", id % 1_000));
        keep_number(&near, &other, id, 8);
        has(&near, &other, &[]);
    }
    assert!(!is_kept());
    let hits = (0..1_000).take_while(|_| shown(&near, &row).is_some());
    assert!(hits.count() < 100);
}

#[test]
fn a_value_may_ask_for_others_while_it_is_shown() {
    let (near, row, next) = (near(), key("rows:1"), key("rows:2"));
    keep_number(&near, &row, 1, 8);
    keep_number(&near, &next, 2, 8);
    for _ in 0..3 {
        let mut inside = Vec::new();
        let found = near.show(
            ORIGIN,
            (&row, digest(row.as_str())),
            &[],
            near.now(),
            &mut |_| {
                inside.push(shown(&near, &next));
                inside.push(shown(&near, &row));
                true
            },
        );
        assert!(found);
        assert_eq!(inside, [Some(2), Some(1)]);
    }
}
