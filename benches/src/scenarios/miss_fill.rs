use std::sync::atomic::{AtomicU64, Ordering};

use tokio::runtime::Runtime;

use super::servers::{one_thread, redis};
use super::{Scenario, Size};
use crate::contest::{Contest, Line, Unit, in_turn};
use crate::sides::{ByHand, CachedRedis, Fred, HitboxRedis, MultiTierRedis, Ours, Side, started};
use crate::source;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "miss_fill",
    how: "one task, one call after the other of keys that nobody has asked for yet: what looking, and storing what was loaded, takes. The load itself takes no time; 200 B. Time and allocations a call",
    run,
};

fn run(size: Size) -> Vec<Line> {
    let runtime = one_thread();
    let server = runtime.block_on(redis());
    let mut contest = Contest::new(SCENARIO.name, "one task", Unit::Nanoseconds);
    let (calls, url) = (size.of(2_000), server.url());
    add::<ByHand>(&mut contest, &runtime, calls, &url);
    add::<Ours>(&mut contest, &runtime, calls, &url);
    add::<Fred>(&mut contest, &runtime, calls, &url);
    add::<CachedRedis>(&mut contest, &runtime, calls, &url);
    add::<HitboxRedis>(&mut contest, &runtime, calls, &url);
    add::<MultiTierRedis>(&mut contest, &runtime, calls, &url);
    contest.run(size.rounds)
}

fn add<'a, S: Side>(contest: &mut Contest<'a>, runtime: &'a Runtime, calls: u64, url: &str) {
    runtime.block_on(started::<S>(url.to_owned()));
    let next = AtomicU64::new(0);
    contest.add(S::NAME, move || {
        let before = source::loads();
        let figure = in_turn(runtime, calls, |_| {
            S::read(next.fetch_add(1, Ordering::Relaxed))
        });
        assert_eq!(source::loads() - before, calls, "{}: all miss", S::NAME);
        figure
    });
}
