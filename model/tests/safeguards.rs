//! Leaving out any one safeguard breaks the promise: each search here must find out how.

use cache_model::{Action, Config, Safeguard, counterexample, prove};
use clap::ValueEnum;

/// The shortest way to break the promise with so many faults, which the reduced search must find as well.
fn broken(safeguard: Safeguard, faults: u8) -> Vec<Action> {
    let config = Config::new(safeguard.variant())
        .without(safeguard)
        .faults(faults);
    let outcome = counterexample(config.clone(), |_, _| {});
    let trace = outcome.trace.expect("a counterexample");
    eprintln!("{safeguard:?}, {} states:", outcome.states);
    for action in &trace {
        eprintln!("    {action}");
    }
    let reduced = prove(config, |_, _| {});
    assert!(reduced.trace.is_some(), "the reduction hides it");
    trace
}

macro_rules! caught {
    ($($test:ident: $safeguard:ident with $faults:literal faults;)*) => {
        $(
            #[test]
            fn $test() {
                let trace = broken(Safeguard::$safeguard, $faults);
                let faults = trace.iter().filter(|action| matches!(action, Action::Fault(_)));
                assert_eq!(faults.count(), $faults, "how many it takes");
            }
        )*

        const CAUGHT: &[Safeguard] = &[$(Safeguard::$safeguard),*];
    };
}

caught! {
    leaving_out_the_incarnation_is_caught: Incarnation with 2 faults;
    leaving_out_the_incarnation_of_keys_is_caught: IncarnationOfKeys with 2 faults;
    leaving_out_the_incarnation_of_generations_is_caught: IncarnationOfGenerations with 2 faults;
    leaving_out_the_root_is_caught: Root with 1 faults;
    leaving_out_the_fill_check_is_caught: FillCheck with 0 faults;
    believing_a_replica_without_its_master_is_caught: HeadOfMaster with 0 faults;
    leaving_out_the_creation_of_fences_is_caught: FenceCreation with 0 faults;
    leaving_out_the_removal_of_fences_is_caught: FenceRemovalByInvalidation with 0 faults;
    leaving_out_the_removal_of_fences_by_fills_is_caught: FenceRemovalByFill with 0 faults;
    leaving_out_the_early_stamp_is_caught: StampBeforeLoad with 0 faults;
    leaving_out_the_early_fence_is_caught: FenceBeforeLoad with 0 faults;
    leaving_out_the_ticket_before_an_update_is_caught: TicketBeforeUpdate with 0 faults;
    leaving_out_the_invalidation_of_what_is_not_stored_is_caught: InvalidationOfUnstored with 0 faults;
    leaving_out_the_ticket_in_flight_is_caught: TicketInFlight with 0 faults;
    leaving_out_the_bypass_of_the_queue_is_caught: QueueBypass with 0 faults;
    leaving_out_the_arrivals_of_the_queue_is_caught: QueueArrivals with 0 faults;
    leaving_out_the_early_near_stamp_is_caught: NearStampFirst with 0 faults;
    leaving_out_the_own_bump_is_caught: OwnBump with 0 faults;
    leaving_out_the_push_of_an_update_is_caught: PushOfUpdate with 0 faults;
    leaving_out_the_bump_on_a_gap_is_caught: BumpOnGap with 1 faults;
    leaving_out_the_bump_on_unreadable_pushes_is_caught: BumpOnUnreadable with 1 faults;
    leaving_out_the_bump_on_a_new_connection_is_caught: BumpOnReconnect with 1 faults;
    leaving_out_the_number_in_replies_is_caught: NumberInReplies with 1 faults;
    leaving_out_the_suspension_is_caught: Suspension with 0 faults;
    leaving_out_confirmation_as_of_sending_is_caught: ConfirmationAsOfSending with 0 faults;
    leaving_out_the_busy_check_is_caught: BusyCheck with 0 faults;
    leaving_out_lonely_loads_while_busy_is_caught: BusyLoadsAlone with 0 faults;
    leaving_out_a_mark_for_each_writer_is_caught: MarkPerWriter with 0 faults;
    leaving_out_the_invalidation_at_the_announcement_is_caught: InvalidationAtAnnouncement with 0 faults;
    leaving_out_the_hold_off_is_caught: HoldOff with 0 faults;
    asking_for_marks_before_the_fence_is_caught: FenceBeforeMarks with 0 faults;
    removing_fences_before_the_marks_is_caught: MarksBeforeRemoval with 0 faults;
}

#[test]
fn every_safeguard_is_tried() {
    for safeguard in Safeguard::value_variants() {
        let tried = CAUGHT.contains(safeguard) || *safeguard == Safeguard::LastInvalidation;
        assert!(tried, "{safeguard:?}");
    }
}
