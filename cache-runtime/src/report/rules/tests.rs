//! Each rule by itself: what makes it speak, what it says, and what keeps it silent.

use super::*;
use crate::analytics::{Fates, Figures};
use crate::observe::Counts;
use crate::policy::Policy;

const HOUR: Duration = Duration::from_secs(3600);

/// A function that does well.
fn well() -> Facts {
    Facts {
        counts: Counts {
            hits: 9_000,
            misses: 1_000,
            loads: 1_000,
            stores: 1_000,
            ..Counts::default()
        },
        policy: Policy {
            ttl: Some(HOUR),
            ..Policy::new()
        },
        shared: true,
        age: 10 * HOUR,
        seen: Figures {
            mean_lookup: Some(Duration::from_micros(400)),
            mean_load: Some(Duration::from_millis(10)),
            mean_ttl: Some(HOUR),
            keys: Some(200),
            stored_bytes: Some(1_000 * 4_096),
            read_bytes: Some(9_000 * 4_096),
            fates: Fates {
                stored: 1_000,
                ended: 900,
                unused: 100,
                aged: 700,
                aged_unchanged: 350,
                early: 100,
                early_unchanged: 20,
            },
            hottest: Some(0.05),
        },
    }
}

fn advice(facts: &Facts) -> Vec<Advice> {
    let found = of_function("f", facts);
    found.map(|recommendation| recommendation.advice).collect()
}

/// Exactly this is recommended, in these words.
#[track_caller]
fn says(facts: &Facts, expected: Advice, text: &str) {
    let found: Vec<_> = of_function("f", facts).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].advice, found[0].text.as_str()), (expected, text));
}

#[track_caller]
fn is_silent(facts: &Facts) {
    assert_eq!(advice(facts), []);
}

#[test]
fn a_function_that_does_well_gets_nothing() {
    is_silent(&well());
    let new = Facts {
        counts: Counts::default(),
        seen: Figures::default(),
        ..well()
    };
    is_silent(&new);
}

#[test]
fn answers_that_stay_the_same_are_worth_a_longer_ttl() {
    let mut facts = well();
    facts.seen.fates.aged_unchanged = 644;
    says(
        &facts,
        Advice::LongerTtl,
        "92 % of 700 reloads brought what was there before: with a ttl of 8 h instead of 1 h some 610 of them (6.1 s) would not have been needed.",
    );
    facts.seen.fates.aged_unchanged = 700;
    assert!(of_function("f", &facts).any(|found| found.text.contains("ttl of 10 h")));
    facts.seen.fates.aged = 99;
    facts.seen.fates.aged_unchanged = 99;
    is_silent(&facts);
}

#[test]
fn answers_that_nobody_asks_for_again_are_not_worth_their_memory() {
    let mut facts = well();
    facts.shared = false;
    facts.seen.fates.unused = 783;
    says(
        &facts,
        Advice::KeepLess,
        "87 % of the answers stored are never asked for again before they expire or are replaced: a shorter ttl, or no caching, would free 348 KB.",
    );
    // Another instance may have asked for them.
    facts.shared = true;
    is_silent(&facts);
    facts.counts = Counts {
        hits: 1_000,
        misses: 10_000,
        loads: 10_000,
        stores: 10_000,
        ..Counts::default()
    };
    assert_eq!(advice(&facts), [Advice::KeepLess, Advice::LowHitRate]);
    facts.seen.fates.ended = 99;
    assert_eq!(advice(&facts), [Advice::LowHitRate]);
}

#[test]
fn what_is_loaded_faster_than_looked_up_is_not_worth_caching() {
    let mut facts = well();
    facts.seen.mean_load = Some(Duration::from_micros(300));
    says(
        &facts,
        Advice::NotWorthIt,
        "the load takes 0.3 ms, the look-up 0.4 ms: the cache costs more than it saves.",
    );
    // The near cache answers most of it.
    facts.counts.near_hits = 20_000;
    is_silent(&facts);
    facts.counts.near_hits = 0;
    facts.counts.loads = 99;
    is_silent(&facts);
}

#[test]
fn a_low_hit_rate_is_told() {
    let mut facts = well();
    facts.counts.hits = 1_000;
    says(
        &facts,
        Advice::LowHitRate,
        "50 % of 2,000 look-ups of some 200 keys were hits, and 60 % are to be expected of repeated reads: is there a part in the key that does not change the answer, or is the ttl shorter than the time between two calls?",
    );
    facts.counts.hits = 1_500;
    is_silent(&facts);
    (facts.counts.hits, facts.counts.misses) = (300, 699);
    is_silent(&facts);
}

#[test]
fn answers_that_are_too_large_are_told() {
    let mut facts = well();
    facts.counts.too_large = 250;
    says(
        &facts,
        Advice::TooLarge,
        "20 % of 1,250 answers were larger than `max_size`, and not kept: each call of them loads. Answer less, or set `max_size` higher.",
    );
    facts.counts.too_large = 9;
    is_silent(&facts);
}

#[test]
fn answers_that_are_invalidated_half_way_are_told() {
    let mut facts = well();
    facts.counts.refused_stores = 250;
    says(
        &facts,
        Advice::RefusedStores,
        "20 % of 1,250 answers were invalidated while they were loaded, and not kept: name less in `#[invalidates]`, or write less often.",
    );
    facts.counts.refused_stores = 100;
    is_silent(&facts);
}

#[test]
fn invalidations_that_change_nothing_are_told() {
    let mut facts = well();
    facts.seen.fates.early_unchanged = 85;
    says(
        &facts,
        Advice::BroadInvalidation,
        "85 % of 100 answers that were invalidated, evicted or refreshed within their ttl were the same when they were loaded again: name less in `#[invalidates]`, or give the cache more memory.",
    );
    facts.policy.refresh_ahead = Some(1.0);
    is_silent(&facts);
    facts.policy.refresh_ahead = None;
    (facts.seen.fates.early, facts.seen.fates.early_unchanged) = (99, 99);
    is_silent(&facts);
}

#[test]
fn calls_without_the_cache_are_told_and_many_are_urgent() {
    let mut facts = well();
    facts.counts.degraded = 200;
    says(
        &facts,
        Advice::Degraded,
        "2.0 % of 10,200 calls could not use the cache, and the source bore them: is Redis away, or slower than the operation timeout?",
    );
    let severity = |facts: &Facts| of_function("f", facts).next().map(|found| found.severity);
    assert_eq!(severity(&facts), Some(Severity::Medium));
    facts.counts.degraded = 2_000;
    assert_eq!(severity(&facts), Some(Severity::High));
    facts.counts.degraded = 9;
    is_silent(&facts);
}

#[test]
fn many_that_wait_for_one_load_could_wait_for_one_of_the_fleet() {
    let mut facts = well();
    (facts.counts.coalesced, facts.counts.misses) = (1_500, 2_500);
    says(
        &facts,
        Advice::FleetSingleFlight,
        "1,500 callers waited for 1,000 loads of 10 ms that others of this process had begun: with `single_flight = fleet` one instance loads for all.",
    );
    facts.shared = false;
    is_silent(&facts);
    facts.shared = true;
    facts.policy.single_flight = SingleFlight::Fleet;
    is_silent(&facts);
}

#[test]
fn a_hot_key_is_worth_a_near_cache() {
    let mut facts = well();
    facts.seen.hottest = Some(0.43);
    says(
        &facts,
        Advice::NearCache,
        "one key takes 43 % of 10,000 look-ups: with `local = \"1s\"` this process answers it without a round trip.",
    );
    facts.policy.local = Some(Duration::from_secs(1));
    is_silent(&facts);
    facts.policy.local = None;
    facts.shared = false;
    is_silent(&facts);
}

#[test]
fn loads_that_fail_are_worth_an_old_answer() {
    let mut facts = well();
    facts.counts.failed_loads = 30;
    says(
        &facts,
        Advice::StaleIfError,
        "3.0 % of 1,000 loads failed: with `stale_if_error` the last answer would have stood in for the error, where there was one.",
    );
    facts.policy.stale_if_error = Some(HOUR);
    is_silent(&facts);
}

#[test]
fn invalidations_that_wait_are_urgent() {
    let stats = |oldest| Stats {
        audit_dropped: 0,
        replicas: None,
        callers: Vec::new(),
        pending_invalidations: 3,
        oldest_pending: Some(Duration::from_secs(oldest)),
        near_values: 0,
        near_bytes: 0,
        total: Counts::default(),
        functions: Vec::new(),
    };
    let found = of_cache(&stats(42));
    assert_eq!(found[0].severity, Severity::High);
    assert!(
        found[0]
            .text
            .starts_with("3 invalidations wait to be delivered, the oldest for 42 s")
    );
    assert!(of_cache(&stats(9)).is_empty());
}
