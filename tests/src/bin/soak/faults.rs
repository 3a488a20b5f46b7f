//! What is done to Redis, to the network and to the processes, one after the other.

use std::fs;
use std::time::Duration;

use cache_tests::{Direction, Proxy, RedisServer, eventually};
use clap::ValueEnum;
use fastrand::Rng;
use serde::Serialize;

use crate::cluster_faults;
use crate::fleet::{Behind, Fleet, One};

/// A kind of fault. Each lasts up to about two seconds and heals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Fault {
    /// Redis is killed, and comes back empty.
    Kill,
    /// Redis is killed, and comes back as it was some time before.
    Snapshot,
    /// Another Redis that lags behind takes its place.
    Failover,
    /// Redis hangs (`SIGSTOP`).
    Stop,
    /// `FLUSHALL`.
    Flush,
    /// `SCRIPT FLUSH`.
    Scripts,
    /// Out of memory: Redis refuses writes.
    Starve,
    /// Short of memory: Redis evicts anything.
    Evict,
    /// Redis refuses writes of this user.
    ReadOnly,
    /// Redis closes all connections.
    Clients,
    /// The network closes connections, and lets new ones in.
    Cut,
    /// The network closes connections, and lets none in for a while.
    Refuse,
    /// Connections are silently dead for a while, one way.
    Hold,
    /// What processes send is late.
    SlowRequests,
    /// What Redis answers and pushes is late.
    SlowPushes,
    /// Slots of a cluster move to other nodes.
    Reshard,
    /// A replica takes its master's place, in agreement with it.
    Promote,
    /// A master of a cluster is killed, and its replica takes its place, which may not have heard the last of it.
    Loss,
    /// A process is killed, and another one takes its place. What it had committed and not yet invalidated is lost with it, and is not
    /// held against anybody; what it was storing is judged like the rest.
    Process,
}

/// Which faults are injected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Faults(pub(crate) Vec<Fault>);

impl Faults {
    /// `all`, `none`, or kinds with commas between.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let kinds = Fault::value_variants().iter().copied();
        match text {
            "all" => Ok(Self(kinds.collect())),
            "none" => Ok(Self(Vec::new())),
            some => {
                let named = some.split(',').map(|name| {
                    Fault::from_str(name, false).map_err(|_| {
                        let names: Vec<_> = kinds.clone().map(Fault::name).collect();
                        format!("`{name}` is none of all, none, {}", names.join(", "))
                    })
                });
                named.collect::<Result<_, _>>().map(Self)
            }
        }
    }
}

impl Fault {
    pub(crate) fn name(self) -> String {
        let value = self.to_possible_value().expect("none is hidden");
        value.get_name().to_owned()
    }

    /// Whether it can be done to a cluster, or else to a server by itself.
    pub(crate) fn is_for(self, cluster: bool) -> bool {
        match self {
            Self::Reshard | Self::Promote | Self::Loss => cluster,
            Self::Stop | Self::Flush | Self::Scripts | Self::Clients | Self::Process => true,
            _ => !cluster,
        }
    }

    /// Does it, lets it last, and heals it.
    pub(crate) async fn strike(self, fleet: &mut Fleet, dice: &mut Rng) {
        if self == Self::Process {
            let number = dice.usize(..fleet.processes());
            fleet.replace(number).expect("a process can be started");
            return last(dice, 50..500).await;
        }
        match &mut fleet.behind {
            Behind::One(one) => self.strike_one(one, dice).await,
            Behind::Cluster(cluster) => cluster_faults::strike(self, cluster, dice).await,
        }
    }

    async fn strike_one(self, fleet: &mut One, dice: &mut Rng) {
        match self {
            Self::Kill => {
                fleet.server.kill();
                last(dice, 50..1500).await;
                forget_snapshot(&fleet.server);
                fleet.server.restart().await;
            }
            Self::Snapshot => {
                tell(&fleet.server, "SAVE").await;
                last(dice, 100..1000).await;
                fleet.server.kill();
                last(dice, 10..500).await;
                fleet.server.restart().await;
            }
            Self::Failover => failover(fleet, dice).await,
            Self::Stop => {
                fleet.server.pause();
                last(dice, 50..2000).await;
                fleet.server.resume();
            }
            Self::Flush => repeat(&fleet.server, "FLUSHALL", dice).await,
            Self::Scripts => repeat(&fleet.server, "SCRIPT FLUSH", dice).await,
            Self::Starve => {
                tell(&fleet.server, "CONFIG SET maxmemory 1").await;
                last(dice, 200..1500).await;
                tell(&fleet.server, "CONFIG SET maxmemory 0").await;
            }
            Self::Evict => evict(&fleet.server, dice).await,
            Self::ReadOnly => {
                tell(&fleet.server, "ACL SETUSER default -@write").await;
                last(dice, 200..1500).await;
                tell(&fleet.server, "ACL SETUSER default +@all").await;
            }
            Self::Clients => repeat(&fleet.server, "CLIENT KILL TYPE normal", dice).await,
            Self::Cut => {
                for _ in 0..dice.u8(1..5) {
                    some(&fleet.proxies, dice).for_each(Proxy::cut);
                    last(dice, 10..200).await;
                }
            }
            Self::Refuse => {
                some(&fleet.proxies, dice).for_each(|proxy| {
                    proxy.refuse(true);
                    proxy.cut();
                });
                last(dice, 100..1500).await;
                fleet.proxies.iter().for_each(|proxy| proxy.refuse(false));
            }
            Self::Hold => {
                let direction = *dice.choice(&Direction::BOTH).expect("two");
                some(&fleet.proxies, dice).for_each(|proxy| proxy.hold(direction, true));
                last(dice, 50..1500).await;
                fleet
                    .proxies
                    .iter()
                    .for_each(|proxy| proxy.hold(direction, false));
            }
            Self::SlowRequests => slow(fleet, Direction::ToServer, dice).await,
            Self::SlowPushes => slow(fleet, Direction::ToClient, dice).await,
            Self::Reshard | Self::Promote | Self::Loss | Self::Process => {
                unreachable!("not for a server by itself")
            }
        }
    }
}

/// All processes, or one: then the others go on, and know more than it does.
fn some<'a>(proxies: &'a [Proxy], dice: &mut Rng) -> impl Iterator<Item = &'a Proxy> {
    let one = dice.bool().then(|| dice.usize(..proxies.len()));
    proxies
        .iter()
        .enumerate()
        .filter(move |(number, _)| one.is_none_or(|one| one == *number))
        .map(|(_, proxy)| proxy)
}

/// Longer than callers wait, or shorter.
async fn slow(fleet: &One, direction: Direction, dice: &mut Rng) {
    let delay = Duration::from_millis(if dice.bool() {
        dice.u64(1..50)
    } else {
        dice.u64(50..400)
    });
    some(&fleet.proxies, dice).for_each(|proxy| proxy.delay(direction, delay));
    last(dice, 300..2000).await;
    fleet
        .proxies
        .iter()
        .for_each(|proxy| proxy.delay(direction, Duration::ZERO));
}

pub(crate) async fn repeat(server: &RedisServer, command: &str, dice: &mut Rng) {
    for _ in 0..dice.u8(1..6) {
        tell(server, command).await;
        last(dice, 1..200).await;
    }
}

/// Half of the keys go, time and again.
async fn evict(server: &RedisServer, dice: &mut Rng) {
    tell(server, "CONFIG SET maxmemory-policy allkeys-random").await;
    for _ in 0..dice.u8(1..8) {
        let mut connection = server.connection().await;
        let info: redis::RedisResult<String> = redis::cmd("INFO")
            .arg("memory")
            .query_async(&mut connection)
            .await;
        let info = info.expect("INFO");
        let bytes = |name: &str| -> u64 {
            let value = |line: &str| line.strip_prefix(name)?.strip_prefix(':')?.parse().ok();
            info.lines()
                .find_map(value)
                .expect("a figure of INFO memory")
        };
        let limit = bytes("used_memory").saturating_sub(bytes("used_memory_dataset") / 2);
        tell(server, &format!("CONFIG SET maxmemory {limit}")).await;
        last(dice, 20..300).await;
        tell(server, "CONFIG SET maxmemory 0").await;
        last(dice, 1..50).await;
    }
    tell(server, "CONFIG SET maxmemory-policy noeviction").await;
}

/// A replica is promoted that has not heard the last of its master. The master is gone before anybody talks to its successor.
async fn failover(fleet: &mut One, dice: &mut Rng) {
    let replica = One::server().await;
    tell(
        &replica,
        &format!("REPLICAOF 127.0.0.1 {}", fleet.server.port()),
    )
    .await;
    eventually("the replica is in step", async || {
        let mut connection = replica.connection().await;
        let info: redis::RedisResult<String> = redis::cmd("INFO")
            .arg("replication")
            .query_async(&mut connection)
            .await;
        info.is_ok_and(|info| info.contains("master_link_status:up"))
    })
    .await;
    last(dice, 1..300).await;
    tell(&replica, "REPLICAOF NO ONE").await;
    last(dice, 1..500).await;
    fleet.server.kill();
    forget_snapshot(&replica);
    fleet.server = replica;
    for proxy in &fleet.proxies {
        proxy.lead_to(fleet.server.port());
        proxy.cut();
    }
    last(dice, 100..500).await;
}

/// So that the next restart is an empty one.
fn forget_snapshot(server: &RedisServer) {
    // There may be none.
    let _ = fs::remove_file(server.folder().join("dump.rdb"));
}

/// Rather short than long: most happens when a fault begins and when it ends.
pub(crate) async fn last(dice: &mut Rng, milliseconds: std::ops::Range<u64>) {
    let (from, to) = (milliseconds.start as f64, milliseconds.end as f64);
    let time = from + (to - from) * dice.f64().powi(2);
    tokio::time::sleep(Duration::from_millis(time as u64)).await;
}

async fn tell(server: &RedisServer, command: &str) {
    let mut connection = server.connection().await;
    let mut words = command.split(' ');
    let mut sent = redis::cmd(words.next().expect("a command"));
    sent.arg(words.collect::<Vec<_>>());
    let answer = sent.exec_async(&mut connection).await;
    answer.unwrap_or_else(|error| panic!("{command}: {error}"));
}
