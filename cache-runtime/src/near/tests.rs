use super::*;
use crate::key::{Pattern, Target};

const ORIGIN: u32 = 7;

fn key(text: &str) -> Key {
    Key::reading(text)
}

fn target(text: &str) -> Target {
    Pattern::parse(text).expect("a pattern").into()
}

fn near() -> Near {
    Near::new(1 << 20, None)
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
    let (near, row) = (Near::new(1 << 20, Some(bound)), key("rows:a:7"));
    keep(&near, &row, &[], near.stamp(&row, &[]));
    assert!(has(&near, &row, &[]) && !near.wants_proof(near.now()));
    let later = near.epoch + bound;
    let is_proven = |instant| near.is_proven(near.at(instant));
    assert!(is_proven(later) && !is_proven(later + Duration::from_millis(1)));
    let heard = AtomicU64::new(7);
    near.prove(later, 7, &heard);
    assert!(is_proven(later + bound));
    near.prove(near.epoch, 6, &heard);
    assert!(
        is_proven(later + bound),
        "an older proof takes nothing back"
    );
}

#[test]
fn it_is_bounded_by_weight_and_time() {
    let near = Near::new(100_000, None);
    for id in 0..10_000 {
        let row = key(&format!("rows:{id}"));
        keep(&near, &row, &[], near.stamp(&row, &[]));
    }
    let (values, weight) = near.size();
    assert!(values > 100 && weight <= 100_000, "{near:?}");
    let (near, row) = (Near::new(100_000, None), key("rows:1"));
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
    near.prove(Instant::now(), 7, &heard);
    assert!(has(&near, &row, &[]));
    near.prove(Instant::now(), 8, &heard);
    assert!(!has(&near, &row, &[]));
    keep(&near, &row, &[], near.stamp(&row, &[]));
    near.prove(Instant::now(), 8, &heard);
    assert!(has(&near, &row, &[]));
}
