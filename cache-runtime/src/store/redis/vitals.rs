//! How the server is.

use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::Redis;
use super::link;
use super::nodes::{Place, Reached};
use crate::health::ServerHealth;
use crate::store::{StoreError, Vitals};

/// Sections of `INFO`. Each on its own: servers before 7 take but one.
const SECTIONS: [&str; 4] = ["server", "clients", "memory", "stats"];

impl Redis {
    /// Of a cluster what its masters say together, as far as they answer.
    pub(crate) async fn vitals(&self, patience: Duration) -> Result<Vitals, StoreError> {
        let ask = async |live: Reached| {
            let mut connection = live.connection();
            let asked = Instant::now();
            redis::cmd("PING").exec_async(&mut connection).await?;
            let latency = asked.elapsed();
            let mut commands = redis::pipe();
            commands.cmd("DBSIZE");
            for section in SECTIONS {
                commands.cmd("INFO").arg(section);
            }
            let (keys, server, clients, memory, stats): (u64, String, String, String, String) =
                commands.query_async(&mut connection).await?;
            let info = [server, clients, memory, stats].concat();
            Ok(Vitals {
                latency,
                server: described(keys, &info),
                missing: None,
            })
        };
        let masters = self.masters(patience).await?;
        let of = masters.len();
        let each = masters
            .into_iter()
            .map(|node| self.attempt(Place::Node(node), patience, ask));
        let answers = join_all(each).await;
        let well = answers.iter().filter(|answer| answer.is_ok()).count();
        let problem = answers.iter().find_map(|answer| answer.as_ref().err());
        let missing = problem
            .filter(|_| well > 0)
            .map(|error| format!("{} of {of} masters do not answer: {error}", of - well));
        let together = answers
            .into_iter()
            .reduce(|one, other| match (one, other) {
                (Ok(one), Ok(other)) => Ok(Vitals {
                    latency: one.latency.max(other.latency),
                    server: together(one.server, other.server),
                    missing: None,
                }),
                (one, other) => one.or(other),
            })
            .unwrap_or(Err(StoreError::Unreachable));
        together.map(|vitals| Vitals { missing, ..vitals })
    }
}

/// Sums where they make sense.
fn together(one: ServerHealth, other: ServerHealth) -> ServerHealth {
    let sum = |a: Option<u64>, b: Option<u64>| Some(a? + b?);
    ServerHealth {
        version: one.version.min(other.version),
        uptime: one.uptime.min(other.uptime),
        connected_clients: sum(one.connected_clients, other.connected_clients),
        operations_per_second: sum(one.operations_per_second, other.operations_per_second),
        used_memory: one.used_memory + other.used_memory,
        peak_memory: sum(one.peak_memory, other.peak_memory),
        system_memory: sum(one.system_memory, other.system_memory),
        memory_limit: sum(one.memory_limit, other.memory_limit),
        eviction_policy: one.eviction_policy,
        keys: one.keys + other.keys,
        evicted_keys: sum(one.evicted_keys, other.evicted_keys),
        evictions_per_minute: None,
    }
}

fn described(keys: u64, info: &str) -> ServerHealth {
    let text = |name| link::field(info, name).map(str::to_owned);
    let number = |name| link::field(info, name).and_then(|text| text.parse().ok());
    ServerHealth {
        version: text("valkey_version").or_else(|| text("redis_version")),
        uptime: number("uptime_in_seconds").map(Duration::from_secs),
        connected_clients: number("connected_clients"),
        operations_per_second: number("instantaneous_ops_per_sec"),
        used_memory: number("used_memory").unwrap_or_default(),
        peak_memory: number("used_memory_peak"),
        system_memory: number("total_system_memory"),
        memory_limit: number("maxmemory").filter(|limit| *limit > 0),
        eviction_policy: text("maxmemory_policy"),
        keys,
        evicted_keys: number("evicted_keys"),
        evictions_per_minute: None,
    }
}
