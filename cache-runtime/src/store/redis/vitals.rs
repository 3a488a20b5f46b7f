//! How the server is.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Redis;
use super::link::{self, Live};
use crate::health::ServerHealth;
use crate::store::{StoreError, Vitals};

/// Sections of `INFO`. Each on its own: servers before 7 take but one.
const SECTIONS: [&str; 4] = ["server", "clients", "memory", "stats"];

impl Redis {
    pub(crate) async fn vitals(&self, patience: Duration) -> Result<Vitals, StoreError> {
        let ask = async |live: Arc<Live>| {
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
            })
        };
        self.attempt(patience, ask).await
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
