//! With nothing left out there is no violation, whatever happens.

use cache_model::{Config, Safeguard, Variant, prove};

/// Searches everything; whether it finds nothing.
fn is_fresh(config: Config) -> bool {
    let name = format!("{config:?}");
    let outcome = prove(config, |_, _| {});
    eprintln!(
        "{name}: {} states, {} deep, {:?}",
        outcome.states, outcome.depth, outcome.took
    );
    for action in outcome.trace.iter().flatten() {
        eprintln!("    {action}");
    }
    outcome.trace.is_none()
}

fn variant(variant: Variant, faults: u8) -> bool {
    is_fresh(Config::new(variant).faults(faults))
}

#[test]
fn calls_are_fresh_through_evictions_and_restarts() {
    assert!(variant(Variant::Plain, 2));
}

#[test]
fn shared_loads_are_fresh() {
    assert!(variant(Variant::Flight, 0));
}

#[test]
fn undelivered_invalidations_count_where_they_were_made() {
    assert!(variant(Variant::Queue, 0));
}

#[test]
fn near_hits_are_fresh_with_what_was_heard_and_what_is_overdue() {
    assert!(variant(Variant::Near, 0));
}

#[test]
fn commits_of_announced_writers_are_seen_at_once_even_when_they_are_killed() {
    assert!(variant(Variant::Announced, 0));
}

#[test]
fn what_is_stored_is_fresh_though_the_replica_lags() {
    assert!(variant(Variant::HoldOff, 1));
}

#[test]
fn it_is_also_where_fences_and_marks_stand_on_two_nodes() {
    assert!(variant(Variant::HoldOffApart, 1));
}

#[test]
fn entries_and_generations_may_stand_on_two_nodes() {
    assert!(variant(Variant::Cluster, 1));
}

#[test]
fn entries_may_come_from_a_replica_that_lags() {
    assert!(variant(Variant::Replica, 0));
}

/// What is not needed is known, so that nobody builds on it.
#[test]
fn an_announced_writer_need_not_invalidate_in_the_end() {
    let config = Config::new(Variant::Announced).without(Safeguard::LastInvalidation);
    assert!(is_fresh(config.faults(0)));
}
