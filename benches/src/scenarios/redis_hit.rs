use tokio::runtime::Runtime;

use super::servers::{one_thread, redis};
use super::{Scenario, Size};
use crate::contest::{Contest, Line, Unit, in_turn};
use crate::sides::{
    CachedRedis, Fred, HitboxRedis, MultiTierRedis, Multiplexed, Ours, Side, started,
};
use crate::source;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "redis_hit",
    how: "one task, one hit after the other, of 100 keys in Redis; nothing in memory; 200 B. Time and allocations a call",
    run,
};

const KEYS: u64 = 100;

fn run(size: Size) -> Vec<Line> {
    let runtime = one_thread();
    let server = runtime.block_on(redis());
    let mut contest = Contest::new(SCENARIO.name, "one task", Unit::Nanoseconds);
    let (calls, url) = (size.of(4_000), server.url());
    add::<Multiplexed>(&mut contest, &runtime, calls, &url);
    add::<Ours>(&mut contest, &runtime, calls, &url);
    add::<Fred>(&mut contest, &runtime, calls, &url);
    add::<CachedRedis>(&mut contest, &runtime, calls, &url);
    add::<HitboxRedis>(&mut contest, &runtime, calls, &url);
    add::<MultiTierRedis>(&mut contest, &runtime, calls, &url);
    contest.run(size.rounds)
}

fn add<'a, S: Side>(contest: &mut Contest<'a>, runtime: &'a Runtime, calls: u64, url: &str) {
    runtime.block_on(async {
        started::<S>(url.to_owned()).await;
        for id in 0..KEYS {
            S::read(id).await.expect("a row");
        }
    });
    contest.add(S::NAME, move || {
        let before = source::loads();
        let figure = in_turn(runtime, calls, |number| S::read(number % KEYS));
        assert_eq!(source::loads(), before, "{}: all are hits", S::NAME);
        figure
    });
}
