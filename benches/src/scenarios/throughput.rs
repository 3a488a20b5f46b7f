use tokio::runtime::Runtime;

use super::servers::{redis, threads};
use super::{Scenario, Size};
use crate::contest::{Contest, Figure, Line, Unit, at_once};
use crate::row::LARGE;
use crate::sides::{
    CachedRedis, Compact, Fred, HitboxBincode, HitboxRedis, MultiTierRedis, Multiplexed, Ours,
    OursCompact, Side, patient, started,
};
use crate::source;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "throughput",
    how: "hits in a second, of 1,000 keys in Redis, with 1, 64 and 1,024 tasks at a time; nothing in memory; 200 B, and 20 KB as JSON and in a compact form. This cache has the deadline of redis-rs here, half a second, so that nobody gives up on Redis",
    run,
};

const KEYS: u64 = 1_000;

fn run(size: Size) -> Vec<Line> {
    let runtime = threads();
    let server = runtime.block_on(redis());
    patient(server.url());
    runtime.block_on(async {
        start::<Multiplexed>(server.url()).await;
        start::<Ours>(server.url()).await;
        start::<Fred>(server.url()).await;
        start::<CachedRedis>(server.url()).await;
        start::<HitboxRedis>(server.url()).await;
        start::<MultiTierRedis>(server.url()).await;
        start::<Compact>(server.url()).await;
        start::<OursCompact>(server.url()).await;
        start::<HitboxBincode>(server.url()).await;
    });

    let mut lines = Vec::new();
    for (tasks, id, calls) in [
        (1, 0, 4_000),
        (64, 0, 65_536),
        (1_024, 0, 131_072),
        (64, LARGE, 6_400),
        (1_024, LARGE, 10_240),
    ] {
        let calls = size.of(calls).max(tasks);
        let how = How {
            runtime: &runtime,
            tasks,
            id,
            calls,
        };
        let value = if id < LARGE { "200 B" } else { "20 KB" };
        let case = match tasks {
            1 => format!("1 task, {value}"),
            tasks => format!("{tasks} tasks, {value}"),
        };
        let mut contest = Contest::new(SCENARIO.name, &case, Unit::PerSecond);
        how.add::<Multiplexed>(&mut contest);
        how.add::<Ours>(&mut contest);
        how.add::<Fred>(&mut contest);
        how.add::<CachedRedis>(&mut contest);
        how.add::<HitboxRedis>(&mut contest);
        how.add::<MultiTierRedis>(&mut contest);
        lines.extend(contest.run(size.rounds));
        if id == LARGE {
            let case = format!("{case}, compact");
            let mut contest = Contest::new(SCENARIO.name, case, Unit::PerSecond);
            how.add::<Compact>(&mut contest);
            how.add::<OursCompact>(&mut contest);
            how.add::<CachedRedis>(&mut contest);
            how.add::<HitboxBincode>(&mut contest);
            lines.extend(contest.run(size.rounds));
        }
    }
    lines
}

async fn start<S: Side>(url: String) {
    started::<S>(url).await;
    for id in 0..KEYS {
        S::read(id).await.expect("a row");
        S::read(LARGE + id).await.expect("a row");
    }
}

struct How<'a> {
    runtime: &'a Runtime,
    tasks: u64,
    /// The first of the keys.
    id: u64,
    calls: u64,
}

impl<'a> How<'a> {
    fn add<S: Side>(&self, contest: &mut Contest<'a>) {
        let Self {
            runtime,
            tasks,
            id,
            calls,
        } = *self;
        contest.add(S::NAME, move || {
            let before = source::loads();
            let read = move |number| S::read(id + number % KEYS);
            let figure = at_once(runtime, tasks, calls, read);
            let loads = source::loads() - before;
            // Whoever gives up on Redis and asks the source is not faster for it.
            if loads * 100 > calls {
                return Figure::from(f64::NAN);
            }
            figure
        });
    }
}
