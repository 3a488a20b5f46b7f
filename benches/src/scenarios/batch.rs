use redis::AsyncCommands;

use super::servers::{one_thread, redis};
use super::{Scenario, Size};
use crate::contest::{Contest, Line, Unit, in_turn};
use crate::row::Row;
use crate::sides::{Multiplexed, Ours, Side, rows, started};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "batch",
    how: "100 cached keys of 200 B in one call of a function with `batch`, beside `MGET` and serde_json by hand, and beside 100 calls one after the other. None of the peers has batches",
    run,
};

const KEYS: u64 = 100;

fn run(size: Size) -> Vec<Line> {
    let runtime = one_thread();
    let (server, connection) = runtime.block_on(async {
        let server = redis().await;
        started::<Multiplexed>(server.url()).await;
        started::<Ours>(server.url()).await;
        for id in 0..KEYS {
            Multiplexed::read(id).await.expect("a row");
            Ours::read(id).await.expect("a row");
        }
        let connection = server.connection().await;
        (server, connection)
    });
    let ids: Vec<u64> = (0..KEYS).collect();
    let keys: Vec<String> = ids.iter().map(|id| format!("raw:{id}")).collect();
    let calls = size.of(200);
    let mut contest = Contest::new(SCENARIO.name, "100 keys", Unit::Nanoseconds);
    contest.add("redis-rs MGET, serde_json", || {
        in_turn(&runtime, calls, async |_| {
            let rows: Vec<Vec<u8>> = connection.clone().mget(&keys).await.expect("it is up");
            let rows = rows.iter().map(|json| serde_json::from_slice(json));
            rows.collect::<Result<Vec<Row>, _>>().expect("rows")
        })
    });
    contest.add("cache-runtime, `batch`", || {
        in_turn(&runtime, calls, |_| rows(&ids))
    });
    contest.add("redis-rs GET 100 times", || {
        in_turn(&runtime, calls, async |_| {
            for id in &ids {
                Multiplexed::read(*id).await.expect("a row");
            }
        })
    });
    contest.add("cache-runtime 100 times", || {
        in_turn(&runtime, calls, async |_| {
            for id in &ids {
                Ours::read(*id).await.expect("a row");
            }
        })
    });
    let lines = contest.run(size.rounds);
    drop(server);
    lines
}
