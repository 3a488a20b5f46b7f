use std::time::{Duration, Instant};

use cache_tests::RedisServer;
use tokio::runtime::Runtime;
use tokio::time::timeout;

use super::servers::{redis, threads};
use super::{Scenario, Size};
use crate::contest::{Contest, Figure, Line, Unit};
use crate::sides::{ByHand, CachedRedis, Fred, HitboxRedis, MultiTierRedis, Ours, Peer};
use crate::source;

pub(crate) const DOWN: Scenario = Scenario {
    name: "redis_down",
    how: "what callers see while Redis is killed and its port refuses: 500 calls one after the other, of keys that are not in memory; none begins after 5 s, and one that takes 20 s counts as failed. The load takes no time, so that all of it is the cache's. Then Redis starts again",
    run: |size| run(Fault::Down, size),
};

pub(crate) const HANG: Scenario = Scenario {
    name: "redis_hang",
    how: "the same while Redis stands still (`SIGSTOP`): connections stay open, and nothing answers",
    run: |size| run(Fault::Hang, size),
};

const CALLS: u64 = 500;
/// After so long no call begins.
const ENOUGH: Duration = Duration::from_secs(5);
/// Nobody waits longer than this.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Clone, Copy)]
enum Fault {
    Down,
    Hang,
}

fn run(fault: Fault, size: Size) -> Vec<Line> {
    let runtime = threads();
    let server = runtime.block_on(redis());
    let server = std::cell::RefCell::new(server);
    let scenario = match fault {
        Fault::Down => DOWN.name,
        Fault::Hang => HANG.name,
    };
    let measures = [
        ("a call, median", Unit::Milliseconds),
        ("a call, 99th percentile", Unit::Milliseconds),
        ("a call, longest", Unit::Milliseconds),
        ("failed calls, in percent", Unit::Count),
        ("a hit again after", Unit::Milliseconds),
    ];
    let measures = measures.map(|(case, unit)| (case.to_owned(), unit));
    let mut contest = Contest::of_several(scenario, measures).cold();
    let mut next = 0;
    for peer in [
        Peer::of::<ByHand>(),
        Peer::of::<Ours>(),
        Peer::of::<Fred>(),
        Peer::of::<CachedRedis>(),
        Peer::of::<HitboxRedis>(),
        Peer::of::<MultiTierRedis>(),
    ] {
        next += 1 << 32;
        let (runtime, server, mut id) = (&runtime, &server, next);
        runtime.block_on(peer.start(server.borrow().url()));
        let calls = size.of(CALLS);
        contest.add_several(peer.name, move || {
            let mut server = server.borrow_mut();
            id += 1 << 20;
            seen(runtime, &mut server, fault, peer, id, calls)
        });
    }
    contest.run(size.at_most(3))
}

fn seen(
    runtime: &Runtime,
    server: &mut RedisServer,
    fault: Fault,
    peer: Peer,
    id: u64,
    calls: u64,
) -> Vec<Figure> {
    runtime.block_on(async {
        until_it_hits(peer, id).await;
        match fault {
            Fault::Down => server.kill(),
            Fault::Hang => server.pause(),
        }
        let (mut times, mut failed) = (Vec::new(), 0);
        let all = Instant::now();
        for call in 1..=calls {
            let began = Instant::now();
            let answer = timeout(PATIENCE, peer.read(id + call)).await;
            times.push(began.elapsed().as_secs_f64() * 1e3);
            failed += usize::from(!matches!(answer, Ok(Ok(_))));
            if all.elapsed() > ENOUGH {
                break;
            }
        }
        match fault {
            Fault::Down => server.restart().await,
            Fault::Hang => server.resume(),
        }
        let again = until_it_hits(peer, id + calls + 1).await;
        times.sort_by(f64::total_cmp);
        let failed = 100.0 * failed as f64 / times.len() as f64;
        let last = times.len() - 1;
        let [median, high, longest] = [last / 2, last * 99 / 100, last].map(|at| times[at]);
        [median, high, longest, failed, again]
            .map(Figure::from)
            .into()
    })
}

/// Milliseconds until a second call of a key needs no load; not a number where it takes more than half a minute.
async fn until_it_hits(peer: Peer, first: u64) -> f64 {
    let began = Instant::now();
    let mut id = first + (1 << 19);
    while began.elapsed() < Duration::from_secs(30) {
        id += 1;
        let hits = async {
            peer.read(id).await?;
            let before = source::loads();
            peer.read(id).await.map(|_| source::loads() == before)
        };
        if timeout(PATIENCE, hits).await == Ok(Ok(true)) {
            return began.elapsed().as_secs_f64() * 1e3;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    f64::NAN
}
