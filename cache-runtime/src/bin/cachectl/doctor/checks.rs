//! The checks, one function each: what is ok, what is not, why, and what changes it.

use super::probe::Found;
use super::{Check, Level};
use crate::output::bytes;

/// As health has it.
const WELL_MS: f64 = 10.0;

impl Found {
    pub(super) fn checks(&self) -> Vec<Check> {
        vec![
            self.connection(),
            self.switched_on(),
            self.version(),
            self.mode(),
            self.rights(),
            self.pushes(),
            self.memory(),
            self.eviction(),
            self.persistence(),
            self.replicas(),
            self.latency(),
            self.transport(),
            self.password(),
            self.prefix(),
            self.expiry(),
            self.clock(),
        ]
    }

    fn info(&self, name: &str) -> &str {
        self.facts.info.get(name).map_or("", String::as_str)
    }

    fn number(&self, name: &str) -> u64 {
        self.info(name).parse().unwrap_or_default()
    }

    fn connection(&self) -> Check {
        let found = format!("connected to {}", self.facts.address);
        ok(
            "connection",
            found,
            "Without one every call runs its function.",
        )
    }

    fn switched_on(&self) -> Check {
        let why = "What is switched off looks nothing up and stores nothing; it still invalidates.";
        match self.enabled {
            true => ok("switch", "on in this environment", why),
            false => warn(
                "switch",
                "off in this environment",
                why,
                "set ENABLE_CACHE, CACHE_ENABLED and REDIS_ENABLED to true, or unset them",
            ),
        }
    }

    fn version(&self) -> Check {
        let said = ["valkey_version", "redis_version"].map(|name| self.info(name));
        let version = said
            .into_iter()
            .find(|version| !version.is_empty())
            .unwrap_or_default();
        let major = version
            .split('.')
            .next()
            .and_then(|major| major.parse::<u32>().ok());
        let why = "Near caches and waiting loads need RESP3 pushes, which Redis has since 6.0.";
        match major {
            Some(6..) => ok("version", version, why),
            _ => fail("version", version, why, "upgrade to Redis 6 or later"),
        }
    }

    fn mode(&self) -> Check {
        let why =
            "A cluster is named with REDIS_CLUSTER: what is found below is of one of its masters.";
        match self.info("cluster_enabled") {
            "1" => ok("mode", "a cluster", why),
            _ => ok("mode", "one server", why),
        }
    }

    fn rights(&self) -> Check {
        let why = "The commands and scripts of a call: what is refused runs the functions, and invalidations wait until they are not.";
        match &self.refused {
            None => ok("rights", "stored, read and invalidated a key", why),
            Some(refused) if refused.contains("OOM") => fail(
                "rights",
                refused,
                why,
                "CONFIG SET maxmemory-policy allkeys-lfu, or a larger maxmemory",
            ),
            Some(refused) if refused.contains("MISCONF") => fail(
                "rights",
                refused,
                why,
                "make its disk writable, or CONFIG SET stop-writes-on-bgsave-error no",
            ),
            Some(refused) => fail(
                "rights",
                refused,
                why,
                "give the user `~prefix:*` and the commands that docs/security.md lists (ACL SETUSER)",
            ),
        }
    }

    fn pushes(&self) -> Check {
        let why = "Near caches (`local`) hear of others' invalidations by push: without, they are not used, or lag by `local_staleness`, 2 s.";
        let change = "ACL SETUSER … &prefix:* +subscribe +publish";
        match (self.hears, self.pushes) {
            (true, true) => ok("pushes", "heard and sent", why),
            (false, _) => warn("pushes", "cannot be listened to", why, change),
            (true, false) => warn("pushes", "cannot be sent", why, change),
        }
    }

    fn memory(&self) -> Check {
        let why = "Entries expire, but nothing else bounds them: a machine that runs out of memory kills Redis, or swaps.";
        let used = bytes(self.number("used_memory"));
        match self.number("maxmemory") {
            0 => warn(
                "memory",
                format!("{used} used, without a limit"),
                why,
                "CONFIG SET maxmemory 1gb",
            ),
            limit => ok("memory", format!("{used} used of {}", bytes(limit)), why),
        }
    }

    fn eviction(&self) -> Check {
        let policy = self.info("maxmemory_policy");
        let found = format!("{policy}, {} evicted so far", self.info("evicted_keys"));
        let limited = self.number("maxmemory") > 0;
        match policy {
            "noeviction" if limited => warn(
                "eviction",
                found,
                "When memory is full nothing is stored any more until entries expire. Invalidations still work.",
                "CONFIG SET maxmemory-policy allkeys-lfu (volatile-lfu with `crash_safe`, write-behind or jobs, whose names have no expiry)",
            ),
            "allkeys-random" | "volatile-random" | "volatile-ttl" => warn(
                "eviction",
                found,
                "It evicts what is used most as readily as what is not.",
                "CONFIG SET maxmemory-policy allkeys-lfu",
            ),
            _ => ok(
                "eviction",
                found,
                "Any eviction costs misses alone, also that of generations; but `crash_safe` marks and write-behind queues need noeviction or volatile-*.",
            ),
        }
    }

    fn persistence(&self) -> Check {
        let why = "After a restart nothing stored is believed (`on_restart`), so answers need none; write-behind queues, the history of jobs and the audit log do.";
        for (status, what) in [
            ("rdb_last_bgsave_status", "the last snapshot failed"),
            (
                "aof_last_write_status",
                "the last write of the append-only file failed",
            ),
        ] {
            if self.info(status) == "err" {
                let why = "A server that cannot save refuses writes: nothing is stored, and invalidations wait.";
                return fail(
                    "persistence",
                    what,
                    why,
                    "make its disk writable, or CONFIG SET save '' and CONFIG SET appendonly no",
                );
            }
        }
        match self.info("aof_enabled") {
            "1" => ok("persistence", "append-only file", why),
            _ => ok("persistence", "snapshots at most", why),
        }
    }

    fn replicas(&self) -> Check {
        let found = match self.number("connected_slaves") {
            0 => "a primary without replicas".to_owned(),
            n => format!("a primary with {n} replicas"),
        };
        ok(
            "role",
            found,
            "A replica is refused, since it lags. After a failover every answer is loaded anew, once.",
        )
    }

    fn latency(&self) -> Check {
        let median = self.times.median_ms;
        let found = format!("median {median:.3} ms, max {:.3} ms", self.times.max_ms);
        let change = "bring server and services nearer together, look at SLOWLOG GET and LATENCY DOCTOR, or raise REDIS_SOCKET_TIMEOUT";
        if median >= self.operation_timeout.as_secs_f64() * 1e3 {
            return fail(
                "latency",
                found,
                "It is over the time that an operation may take (REDIS_SOCKET_TIMEOUT, 50 ms): calls give Redis up.",
                change,
            );
        }
        let why = "Each hit costs a round trip, and health calls 10 ms and more degraded.";
        if median >= WELL_MS {
            return warn("latency", found, why, change);
        }
        ok("latency", found, why)
    }

    fn transport(&self) -> Check {
        let why =
            "Values and the password can be read, and answers forged, by whoever is on the way.";
        match (self.facts.tls, self.facts.local) {
            (true, _) => ok("transport", "TLS", why),
            (false, true) => ok("transport", "in the clear, on this machine", why),
            (false, false) => warn(
                "transport",
                "in the clear, over a network",
                why,
                "use rediss://, or REDIS_TLS=true",
            ),
        }
    }

    fn password(&self) -> Check {
        let why = "Whoever reaches the port can read the entries and make some up; CACHE_PROTECTION=signed or encrypted helps against both.";
        match self.facts.password {
            true => ok("password", "shown to the server", why),
            false => warn(
                "password",
                "none is asked for",
                why,
                "ACL SETUSER with a user of its own, or CONFIG SET requirepass",
            ),
        }
    }

    fn prefix(&self) -> Check {
        let why = "It parts programs and environments. Without one, clearing leaves entries to expire, keys cannot be listed, and names of others may be taken for entries.";
        match self.facts.prefix.as_str() {
            "" => warn(
                "prefix",
                "none",
                why,
                "set CACHE_PREFIX, such as shop:staging",
            ),
            prefix => ok("prefix", prefix, why),
        }
    }

    fn expiry(&self) -> Check {
        let why = "Nothing of this library has no expiry: another program stores under the prefix, and what it stores stays for ever.";
        let lasting: u64 = self
            .sample
            .namespaces
            .values()
            .map(|of| of.without_expiry)
            .sum();
        let found = format!("{lasting} of {} keys have none", self.sample.keys);
        match lasting {
            0 => ok("expiry", found, why),
            _ => warn(
                "expiry",
                found,
                why,
                "give the other program a prefix of its own; `Job::clean` removes these keys",
            ),
        }
    }

    /// Not compared with ours: it would say something of this machine alone.
    fn clock(&self) -> Check {
        let found = "not compared, as it need not agree with others";
        ok(
            "clock",
            found,
            "No decision about freshness asks a clock. Leases, marks, limits and jobs go by the server's alone.",
        )
    }
}

pub(super) fn no_connection(problem: String) -> Check {
    let change = match () {
        () if ["password", "WRONGPASS", "NOAUTH"]
            .iter()
            .any(|said| problem.contains(said)) =>
        {
            "give the right user and password, in REDIS_URL or REDIS_USER and REDIS_PASSWORD"
        }
        () if problem.contains("replica") => {
            "name the primary: a replica lags, and cannot be invalidated"
        }
        () if problem.contains("NOPERM") => {
            "give the user `~prefix:*`, INFO and the commands that docs/security.md lists (ACL SETUSER)"
        }
        () if problem.contains("LOADING") => "wait until the server has read its data",
        () => "start the server, or correct REDIS_URL; look at firewalls, TLS and certificates",
    };
    fail(
        "connection",
        problem,
        "Without one every call runs its function, and invalidations wait.",
        change,
    )
}

fn ok(name: &'static str, found: impl Into<String>, why: &'static str) -> Check {
    Check {
        name,
        level: Level::Ok,
        found: found.into(),
        why,
        change: None,
    }
}

fn warn(
    name: &'static str,
    found: impl Into<String>,
    why: &'static str,
    change: &'static str,
) -> Check {
    Check {
        level: Level::Warn,
        change: Some(change),
        ..ok(name, found, why)
    }
}

fn fail(
    name: &'static str,
    found: impl Into<String>,
    why: &'static str,
    change: &'static str,
) -> Check {
    Check {
        level: Level::Fail,
        ..warn(name, found, why, change)
    }
}
