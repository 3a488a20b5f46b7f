//! What is recommended, and on what evidence. Each rule is by itself; none speaks without enough of it.

use std::time::Duration;

use super::facts::{Facts, share, times};
use super::figures::{about, bytes, number, percent, time};
use super::{Advice, Recommendation, Severity};
use crate::observe::Stats;
use crate::policy::SingleFlight;

/// Look-ups below which a rate says little: at 1,000 it is off by 3 % at most (two standard deviations).
const LOOKUPS: u64 = 1_000;
/// Loads below which their mean says little.
const LOADS: u64 = 100;
/// Followed answers below which a share of them says little: at 100 one of 80 % is off by 8 % (two standard deviations).
const FOLLOWED: u64 = 100;
/// Single faults are no pattern.
const FAULTS: u64 = 10;

/// What caching is to bring at least on repeated reads (A14).
const HIT_RATE: f64 = 0.6;
/// Shares from which something is the rule and not the exception.
const MOST: f64 = 0.8;
/// Shares from which a fault is worth a look; and when it is urgent.
const FEW: f64 = 0.01;
const MANY: f64 = 0.1;
/// A ttl is not made longer at one time than by so much: further on the estimate is a guess.
const LONGEST_STEP: f64 = 10.0;
/// A load that is shorter costs less than a lease in the fleet and its wait.
const WORTH_A_LEASE: Duration = Duration::from_millis(10);
/// A delivery takes milliseconds, and a failover seconds.
const OVERDUE: Duration = Duration::from_secs(10);

type Found = Option<(Advice, Severity, String)>;

/// What is recommended for one function.
pub(super) fn of_function(
    function: &'static str,
    facts: &Facts,
) -> impl Iterator<Item = Recommendation> {
    let rules: [fn(&Facts) -> Found; 11] = [
        longer_ttl,
        keep_less,
        not_worth_it,
        low_hit_rate,
        too_large,
        refused_stores,
        broad_invalidation,
        degraded,
        fleet_single_flight,
        near_cache,
        stale_if_error,
    ];
    let found = rules.map(|rule| rule(facts));
    found
        .into_iter()
        .flatten()
        .map(move |(advice, severity, text)| Recommendation {
            advice,
            severity,
            function: Some(function),
            text,
        })
}

/// What is recommended for the whole cache.
pub(super) fn of_cache(stats: &Stats) -> Vec<Recommendation> {
    let overdue = stats.oldest_pending.filter(|oldest| *oldest >= OVERDUE);
    let overdue = overdue.map(|oldest| Recommendation {
        advice: Advice::PendingInvalidations,
        severity: Severity::High,
        function: None,
        text: format!(
            "{} invalidations wait to be delivered, the oldest for {}: until then other instances answer what they name as it was. Is Redis reachable from here, and may this user write there?",
            number(stats.pending_invalidations as u64),
            time(oldest)
        ),
    });
    overdue.into_iter().collect()
}

/// Answers change as a Poisson process would: if a share u of them is unchanged after a ttl, half are after ttl × ln ½ / ln u, and n times the ttl
/// saves all loads but one in n.
fn longer_ttl(facts: &Facts) -> Found {
    let fates = &facts.seen.fates;
    let unchanged = share(fates.aged_unchanged, fates.aged).filter(|share| *share >= MOST)?;
    if fates.aged < FOLLOWED {
        return None;
    }
    // None was changed: some will be.
    let step = (0.5_f64.ln() / unchanged.min(0.999).ln())
        .floor()
        .clamp(2.0, LONGEST_STEP);
    let ttl = facts.policy.ttl.or(facts.seen.mean_ttl)?;
    let reloads = part(facts.counts.stores, share(fates.aged, fates.stored)?);
    let saved = part(reloads, 1.0 - 1.0 / step);
    let spared = facts
        .seen
        .mean_load
        .map(|load| format!(" ({})", time(times(load, saved))));
    let text = format!(
        "{} of {} reloads brought what was there before: with a ttl of {} instead of {} some {} of them{} would not have been needed.",
        percent(unchanged),
        about(reloads),
        time(ttl.mul_f64(step)),
        time(ttl),
        about(saved),
        spared.unwrap_or_default()
    );
    Some((Advice::LongerTtl, Severity::Medium, text))
}

/// Where the store is shared, another instance may ask for what this one has stored. Then no more is claimed than the counters say: each used answer has a
/// hit at least, and the instances are alike.
fn keep_less(facts: &Facts) -> Found {
    let (fates, counts) = (&facts.seen.fates, &facts.counts);
    if fates.ended < FOLLOWED {
        return None;
    }
    let ended = counts.stores as f64 * share(fates.ended, fates.stored)?;
    let unused = match facts.shared {
        true => 1.0 - facts.hits() as f64 / ended,
        false => facts.unused()?,
    };
    if unused < MOST {
        return None;
    }
    let size = facts.seen.stored_bytes? as f64 / counts.stores.max(1) as f64;
    let lives = facts.seen.mean_ttl?.as_secs_f64() / facts.age.as_secs_f64();
    let kept = counts.stores as f64 * lives.min(1.0);
    let text = format!(
        "{} of the answers stored are never asked for again before they expire or are replaced: a shorter ttl, or no caching, would free {}.",
        percent(unused),
        bytes((unused * kept * size) as u64)
    );
    Some((Advice::KeepLess, Severity::Medium, text))
}

fn not_worth_it(facts: &Facts) -> Found {
    let (load, lookup) = (facts.seen.mean_load?, facts.seen.mean_lookup?);
    let counts = &facts.counts;
    // What the near cache answers needs no look-up.
    let asked = counts.lookups() - counts.near_hits;
    let costs = times(lookup, asked) >= times(load, facts.hits());
    if asked < LOOKUPS || counts.loads < LOADS || lookup < load || !costs {
        return None;
    }
    let text = format!(
        "the load takes {}, the look-up {}: the cache costs more than it saves.",
        time(load),
        time(lookup)
    );
    Some((Advice::NotWorthIt, Severity::Medium, text))
}

fn low_hit_rate(facts: &Facts) -> Found {
    let lookups = facts.counts.lookups();
    let rate = facts.counts.hit_rate().filter(|rate| *rate < HIT_RATE)?;
    let keys = facts
        .seen
        .keys
        .map(|keys| format!(" of some {} keys", about(keys)));
    let text = format!(
        "{} of {} look-ups{} were hits, and {} are to be expected of repeated reads: is there a part in the key that does not change the answer, or is the ttl shorter than the time between two calls?",
        percent(rate),
        number(lookups),
        keys.unwrap_or_default(),
        percent(HIT_RATE)
    );
    (lookups >= LOOKUPS).then_some((Advice::LowHitRate, Severity::Medium, text))
}

fn too_large(facts: &Facts) -> Found {
    let counts = &facts.counts;
    let answers = counts.stores + counts.too_large;
    let large = share(counts.too_large, answers).filter(|share| *share >= FEW)?;
    let text = format!(
        "{} of {} answers were larger than `max_size`, and not kept: each call of them loads. Answer less, or set `max_size` higher.",
        percent(large),
        number(answers)
    );
    (counts.too_large >= FAULTS).then_some((Advice::TooLarge, Severity::Medium, text))
}

fn refused_stores(facts: &Facts) -> Found {
    let counts = &facts.counts;
    let answers = counts.stores + counts.refused_stores;
    let refused = share(counts.refused_stores, answers).filter(|share| *share >= MANY)?;
    let text = format!(
        "{} of {} answers were invalidated while they were loaded, and not kept: name less in `#[invalidates]`, or write less often.",
        percent(refused),
        number(answers)
    );
    (answers >= LOADS).then_some((Advice::RefusedStores, Severity::Low, text))
}

fn broad_invalidation(facts: &Facts) -> Found {
    let fates = &facts.seen.fates;
    let unchanged = share(fates.early_unchanged, fates.early).filter(|share| *share >= MOST)?;
    // It loads before the end of the ttl by itself.
    if fates.early < FOLLOWED || facts.policy.refresh_ahead.is_some() {
        return None;
    }
    let reloads = part(facts.counts.stores, share(fates.early, fates.stored)?);
    let text = format!(
        "{} of {} answers that were invalidated, evicted or refreshed within their ttl were the same when they were loaded again: name less in `#[invalidates]`, or give the cache more memory.",
        percent(unchanged),
        about(reloads)
    );
    Some((Advice::BroadInvalidation, Severity::Medium, text))
}

fn degraded(facts: &Facts) -> Found {
    let counts = &facts.counts;
    let calls = counts.lookups() + counts.degraded;
    let degraded = share(counts.degraded, calls).filter(|share| *share >= FEW)?;
    let severity = if degraded < MANY {
        Severity::Medium
    } else {
        Severity::High
    };
    let text = format!(
        "{} of {} calls could not use the cache, and the source bore them: is Redis away, or slower than the operation timeout?",
        percent(degraded),
        number(calls)
    );
    (counts.degraded >= FAULTS).then_some((Advice::Degraded, severity, text))
}

fn fleet_single_flight(facts: &Facts) -> Found {
    let counts = &facts.counts;
    let load = facts.seen.mean_load.filter(|load| *load >= WORTH_A_LEASE)?;
    let crowded = counts.loads >= LOADS && counts.coalesced >= counts.loads;
    if !facts.shared || facts.policy.single_flight != SingleFlight::Process || !crowded {
        return None;
    }
    let text = format!(
        "{} callers waited for {} loads of {} that others of this process had begun: with `single_flight = fleet` one instance loads for all.",
        number(counts.coalesced),
        number(counts.loads),
        time(load)
    );
    Some((Advice::FleetSingleFlight, Severity::Low, text))
}

fn near_cache(facts: &Facts) -> Found {
    let lookups = facts.counts.lookups();
    let hottest = facts.seen.hottest.filter(|share| *share >= MANY)?;
    if !facts.shared || facts.policy.local.is_some() || lookups < LOOKUPS {
        return None;
    }
    let text = format!(
        "one key takes {} of {} look-ups: with `local = \"1s\"` this process answers it without a round trip.",
        percent(hottest),
        number(lookups)
    );
    Some((Advice::NearCache, Severity::Low, text))
}

fn stale_if_error(facts: &Facts) -> Found {
    let counts = &facts.counts;
    let failed = share(counts.failed_loads, counts.loads).filter(|share| *share >= FEW)?;
    if counts.failed_loads < FAULTS || facts.policy.stale_if_error.is_some() {
        return None;
    }
    let text = format!(
        "{} of {} loads failed: with `stale_if_error` the last answer would have stood in for the error, where there was one.",
        percent(failed),
        number(counts.loads)
    );
    Some((Advice::StaleIfError, Severity::Medium, text))
}

fn part(of: u64, share: f64) -> u64 {
    (of as f64 * share).round() as u64
}

#[cfg(test)]
mod tests;
