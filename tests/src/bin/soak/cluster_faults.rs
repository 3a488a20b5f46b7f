//! What is done to a cluster.

use cache_tests::{RedisCluster, eventually, slot_of};
use fastrand::Rng;

use crate::faults::{Fault, last, repeat};

pub(crate) async fn strike(fault: Fault, cluster: &mut RedisCluster, dice: &mut Rng) {
    let slot = dice.u16(..1 << 14);
    let master = cluster.master_of(slot).await;
    let node = &cluster.nodes()[master];
    match fault {
        Fault::Stop => {
            node.pause();
            last(dice, 50..2000).await;
            node.resume();
        }
        Fault::Flush => repeat(node, "FLUSHALL", dice).await,
        Fault::Scripts => repeat(node, "SCRIPT FLUSH", dice).await,
        Fault::Clients => repeat(node, "CLIENT KILL TYPE normal", dice).await,
        Fault::Reshard => {
            for _ in 0..dice.u8(3..12) {
                move_some_slot(cluster, dice).await;
            }
        }
        Fault::Promote => {
            cluster.fail_over(master).await;
            cluster.settled().await;
        }
        Fault::Loss => lose(cluster, master, dice).await,
        _ => unreachable!("not for a cluster"),
    }
}

/// Of one that has a name in it, from one master to another, with time for callers in all stages.
async fn move_some_slot(cluster: &RedisCluster, dice: &mut Rng) {
    let masters = [
        cluster.master_of(0).await,
        cluster.master_of(8_000).await,
        cluster.master_of((1 << 14) - 1).await,
    ];
    let from = *dice.choice(&masters).expect("three");
    let name: Option<String> = cluster.tell(from, "RANDOMKEY").await;
    // A name as the library makes it has no spaces.
    let Some(name) = name else { return };
    let slot = slot_of(&name);
    let from = cluster.master_of(slot).await;
    let others: Vec<_> = masters.into_iter().filter(|to| *to != from).collect();
    let Some(to) = dice.choice(&others) else {
        return;
    };
    let moving = cluster.begin_moving(slot, *to).await;
    last(dice, 1..100).await;
    while cluster.move_names(moving, 1).await {
        last(dice, 0..30).await;
    }
    cluster.end_moving(moving).await;
    last(dice, 1..50).await;
}

/// A master is gone, and its replica takes its place; half of the time it has not heard the last.
async fn lose(cluster: &mut RedisCluster, master: usize, dice: &mut Rng) {
    let replica = cluster.replica_of(master).await;
    let lags = dice.bool();
    if lags {
        cluster.hold_back(replica).await;
        last(dice, 50..1500).await;
    }
    cluster.node_mut(master).kill();
    if lags {
        cluster.node_mut(replica).restart().await;
    }
    last(dice, 1..300).await;
    cluster.take_over(replica).await;
    last(dice, 100..1000).await;
    cluster.node_mut(master).restart().await;
    eventually("the one that was lost follows its successor", async || {
        let info: String = cluster.tell(master, "INFO replication").await;
        info.contains("role:slave")
    })
    .await;
    cluster.settled().await;
}
