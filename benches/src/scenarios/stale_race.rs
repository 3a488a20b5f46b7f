use std::time::Duration;

use tokio::time::timeout;

use super::servers::{redis, threads};
use super::{Scenario, Size};
use crate::contest::{Contest, Figure, Line, Unit};
use crate::sides::{
    ByHand, CachedMemory, CachedRedis, CachedSharded, ClientSide, Fred, HitboxMoka, HitboxRedis,
    Moka, MultiTier, Ours, OursFleet, OursNear, Peer, QuickCache,
};
use crate::source;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "stale_race",
    how: "a reader has loaded the old row; a writer commits and invalidates; the reader goes on, and may store. In how many of 100 trials a call that begins then gets the old row",
    run,
};

const TRIALS: u64 = 100;
/// Nothing here waits for anything else.
const DEADLINE: Duration = Duration::from_secs(10);

fn run(size: Size) -> Vec<Line> {
    let runtime = threads();
    let server = runtime.block_on(redis());
    let mut contest = Contest::new(SCENARIO.name, "old rows served", Unit::Count).cold();
    for peer in [
        Peer::of::<ByHand>(),
        Peer::of::<Ours>(),
        Peer::of::<OursNear>(),
        Peer::of::<OursFleet>(),
        Peer::of::<Fred>(),
        Peer::of::<ClientSide>(),
        Peer::of::<CachedRedis>(),
        Peer::of::<CachedMemory>(),
        Peer::of::<CachedSharded>(),
        Peer::of::<HitboxRedis>(),
        Peer::of::<HitboxMoka>(),
        Peer::of::<MultiTier>(),
        Peer::of::<Moka>(),
        Peer::of::<QuickCache>(),
    ] {
        runtime.block_on(peer.start(server.url()));
        let (runtime, mut id) = (&runtime, 0);
        contest.add(peer.name, move || {
            let mut stale = 0;
            for _ in 0..size.of(TRIALS) {
                id += 1;
                let trial = async { timeout(DEADLINE, is_stale(peer, id)).await };
                stale += u64::from(runtime.block_on(trial).expect(peer.name));
            }
            Figure::from(stale as f64)
        });
    }
    contest.run(size.at_most(3))
}

async fn is_stale(peer: Peer, id: u64) -> bool {
    source::hold();
    let reader = tokio::spawn(peer.read(id));
    source::has_read().await;
    let committed = source::commit();
    peer.invalidate(id).await.expect("it is up");
    source::go_on();
    reader.await.expect("it does not panic").expect("a row");
    let row = peer.read(id).await.expect("a row");
    row.version < committed
}
