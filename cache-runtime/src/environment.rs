//! Configuration by environment, under all the names that services use for it: `environment.md` lists them.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use crate::builder::Builder;
use crate::codec::Codec;
use crate::compression::Compression;
use crate::policy::ReadFrom;
use crate::protection::{Protection, Secrets};
use crate::store::redis::server::{At, Server};
use crate::store::redis::tls::Certificates;

const SWITCHES: [&str; 2] = ["ENABLE_CACHE", "CACHE_ENABLED"];
const TTLS: [&str; 2] = ["CACHE_TTL", "CACHE_TTL_SECONDS"];
const USERS: [&str; 2] = ["REDIS_USER", "REDIS_USERNAME"];
const CLUSTER: &str = "REDIS_CLUSTER";
const READ_FROM: &str = "REDIS_READ_FROM";
const SECRETS: &str = "CACHE_SECRETS";
const CODECS: [(&str, Codec); 3] = [
    ("json", Codec::Json),
    ("msgpack", Codec::MessagePack),
    ("postcard", Codec::Postcard),
];
const COMPRESSIONS: [(&str, Compression); 3] = [
    ("off", Compression::Off),
    ("lz4", Compression::Lz4),
    ("zstd", Compression::Zstd),
];
const PROTECTIONS: [(&str, Protection); 3] = [
    ("off", Protection::Off),
    ("signed", Protection::Signed),
    ("encrypted", Protection::Encrypted),
];
/// Who says where the master is, and by which name they know it.
const SENTINELS: &str = "REDIS_SENTINELS";
const MASTER: &str = "REDIS_MASTER";
/// Of the CA, the certificate and its key.
const PEM_FILES: [&str; 3] = ["REDIS_TLS_CA", "REDIS_TLS_CERT", "REDIS_TLS_KEY"];

/// What `variable` gives, read into a builder. Whatever is wrong is left out and told; where it is the server's address or a
/// switch or the prefix, the cache is switched off, since caching on its own would keep this instance from hearing of the others' writes.
pub(crate) fn read(variable: impl Fn(&str) -> Option<String>) -> (Builder, Vec<String>) {
    let mut environment = Environment {
        variable,
        problems: Vec::new(),
    };
    let mut builder = Builder::new();
    for name in SWITCHES {
        if let Some(enabled) = environment.switch(name) {
            builder.enabled &= enabled;
        }
    }
    // A wrong word leaves the server known, so that this instance's writes still reach the fleet.
    let before = environment.problems.len();
    let redis_enabled = environment.switch("REDIS_ENABLED").unwrap_or(true);
    let unused = !redis_enabled && environment.problems.len() == before;
    builder.enabled &= redis_enabled;
    match environment.server() {
        Ok(server) if !unused => builder.server = server,
        Ok(_) => {}
        Err(()) => {
            builder.enabled = false;
            builder.severed = !unused;
        }
    }
    if let Some(ttl) = environment.ttl() {
        builder = builder.default_ttl(ttl);
    }
    if let Some(prefix) = environment.text("CACHE_PREFIX") {
        match Builder::check_prefix(&prefix) {
            Ok(()) => builder = builder.prefix(prefix),
            Err(problem) => {
                environment
                    .problems
                    .push(format!("CACHE_PREFIX: {problem}"));
                builder.enabled = false;
            }
        }
    }
    if let Some(codec) = environment.word("CACHE_CODEC", &CODECS)
        && environment.has("CACHE_CODEC", codec.missing_feature())
    {
        builder = builder.codec(codec);
    }
    if let Some(compression) = environment.word("CACHE_COMPRESSION", &COMPRESSIONS)
        && environment.has("CACHE_COMPRESSION", compression.missing_feature())
    {
        builder = builder.compression(compression);
    }
    let before = environment.problems.len();
    builder.packing.secrets = environment.secrets();
    if let Some(protection) = environment.word("CACHE_PROTECTION", &PROTECTIONS)
        && environment.has("CACHE_PROTECTION", protection.missing_feature())
    {
        if protection > Protection::Off && builder.packing.secrets.is_none() {
            // Where there are wrong ones, that was said.
            let problem = "CACHE_PROTECTION: there are no secrets: set CACHE_SECRETS";
            if environment.problems.len() == before {
                environment.problems.push(problem.to_owned());
            }
        } else {
            builder = builder.protection(protection);
        }
    }
    // What was to be hidden from others must not be shown to them. The server stays known, so that this instance's writes still reach the fleet.
    builder.enabled &= environment.problems.len() == before;
    if let Some(server) = &mut builder.server {
        server.read_from = environment.read_from(server);
    }
    if let Some(timeout) = environment.seconds("REDIS_SOCKET_TIMEOUT") {
        builder = builder.operation_timeout(timeout);
    }
    if let Some(budget) = environment.seconds("CACHE_BUDGET") {
        builder = builder.call_budget(budget);
    }
    if let Some(timeout) = environment.seconds("REDIS_CONNECT_TIMEOUT") {
        builder = builder.connect_timeout(timeout);
    }
    if let Some(connections) = environment.number(
        "REDIS_MAX_CONNECTIONS",
        "a whole number of at least 1",
        |n: &usize| *n > 0,
    ) {
        builder = builder.max_connections(connections);
    }
    (builder, environment.problems)
}

struct Environment<V> {
    variable: V,
    problems: Vec<String>,
}

impl<V: Fn(&str) -> Option<String>> Environment<V> {
    fn text(&self, name: &str) -> Option<String> {
        (self.variable)(name)
            .map(|value| value.trim().to_owned())
            .filter(|value| !value.is_empty())
    }

    /// Whether what `name` asks for is there; else it is left out.
    fn has(&mut self, name: &str, missing: Option<&str>) -> bool {
        if let Some(feature) = missing {
            self.problems.push(format!(
                "{name}: the feature `{feature}` of cache-runtime is needed and not there"
            ));
        }
        missing.is_none()
    }

    /// A wrong switch counts as off.
    fn switch(&mut self, name: &str) -> Option<bool> {
        let value = self.text(name)?;
        match value.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Some(true),
            "false" | "0" | "no" | "off" => Some(false),
            _ => {
                self.wrong(name, &value, "`true` or `false`");
                Some(false)
            }
        }
    }

    fn number<T: FromStr>(
        &mut self,
        name: &str,
        right: &str,
        fits: impl Fn(&T) -> bool,
    ) -> Option<T> {
        let value = self.text(name)?;
        let number = value.parse().ok().filter(fits);
        if number.is_none() {
            self.wrong(name, &value, right);
        }
        number
    }

    fn seconds(&mut self, name: &str) -> Option<Duration> {
        let value = self.text(name)?;
        let seconds = value
            .parse()
            .ok()
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let seconds = seconds.filter(|duration| !duration.is_zero());
        if seconds.is_none() {
            self.wrong(name, &value, "a number of seconds above 0");
        }
        seconds
    }

    fn ttl(&mut self) -> Option<Duration> {
        let mut ttls = TTLS
            .into_iter()
            .filter_map(|name| self.seconds(name))
            .collect::<Vec<_>>();
        ttls.dedup();
        if let [a, b] = ttls[..] {
            self.problems.push(format!(
                "{} is {a:?} and {} is {b:?}: set one of them",
                TTLS[0], TTLS[1]
            ));
            return Some(a.min(b));
        }
        ttls.pop()
    }

    fn word<T: Copy>(&mut self, name: &str, words: &[(&str, T)]) -> Option<T> {
        let value = self.text(name)?;
        let known = words.iter().find(|(word, _)| *word == value);
        if known.is_none() {
            let words: Vec<_> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
            self.wrong(name, &value, format!("one of {}", words.join(", ")));
        }
        known.map(|(_, meaning)| *meaning)
    }

    #[cfg(feature = "encryption")]
    fn secrets(&mut self) -> Option<Secrets> {
        let read = Secrets::parse(&self.text(SECRETS)?);
        read.map_err(|error| {
            let problems = error.problems().iter();
            self.problems
                .extend(problems.map(|problem| format!("{SECRETS}: {problem}")));
        })
        .ok()
    }

    #[cfg(not(feature = "encryption"))]
    fn secrets(&mut self) -> Option<Secrets> {
        if self.text(SECRETS).is_some() {
            self.problems.push(format!(
                "{SECRETS} needs the feature `encryption` of cache-runtime"
            ));
        }
        None
    }

    fn server(&mut self) -> Result<Option<Server>, ()> {
        let before = self.problems.len();
        let port = self.number("REDIS_PORT", "a port from 1 to 65535", |port: &u16| {
            *port > 0
        });
        let database = self.number(
            "REDIS_DB",
            "a database number such as 0",
            |database: &i64| *database >= 0,
        );
        let tls = self.switch("REDIS_TLS");
        let (url, cluster) = (self.text("REDIS_URL"), self.text(CLUSTER));
        if url.is_some() && cluster.is_some() {
            self.problems.push(format!(
                "REDIS_URL names a server and {CLUSTER} a cluster: set one of them"
            ));
        }
        let address = match (cluster, url, self.text("REDIS_HOST")) {
            (Some(nodes), ..) => Some(At::Cluster(nodes_of(&nodes, tls.unwrap_or(false)))),
            (None, Some(url), _) => Some(At::Url(url)),
            (None, None, Some(name)) => Some(At::Host {
                name,
                port: port.unwrap_or(6379),
                tls: tls.unwrap_or(false),
            }),
            (None, None, None) => None,
        };
        let watched = self.watched(tls.unwrap_or(false));
        let one = address.map(Server::new);
        if one.is_some() && watched.is_some() {
            self.problems.push(format!(
                "{SENTINELS} beside REDIS_URL, {CLUSTER} or REDIS_HOST: it is one of them that says where the server is"
            ));
        }
        let (user, password) = (self.user(), self.text("REDIS_PASSWORD"));
        let certificates = self.certificates();
        let server = watched.or(one).map(|server| Server {
            user,
            password,
            database,
            certificates,
            ..server
        });
        let usable = |server: &Server| server.servers().and_then(|_| server.sentinels());
        self.problems
            .extend(server.as_ref().and_then(|server| usable(server).err()));
        let contradicted = |tls| server.as_ref()?.over_tls().map(|over| over != tls);
        if tls.and_then(contradicted).unwrap_or(false) {
            self.problems.push(
                "REDIS_TLS and the server's URL or REDIS_CLUSTER contradict each other: the URL says it, by `rediss://`"
                    .to_owned(),
            );
        }
        if self.problems.len() > before {
            Err(())
        } else {
            Ok(server)
        }
    }

    /// What is wrong is left out: the master answers.
    fn read_from(&mut self, server: &Server) -> ReadFrom {
        let text = self.text(READ_FROM).unwrap_or_default();
        let servers = match text.as_str() {
            "" | "master" => ReadFrom::Master,
            "replicas" => ReadFrom::Replicas,
            addresses => {
                let addresses = addresses
                    .split(',')
                    .map(|address| address.trim().to_owned());
                ReadFrom::ReplicasAt(addresses.collect())
            }
        };
        match server.reading(&servers) {
            Ok(_) => servers,
            Err(problem) => {
                // The text is not repeated: it may be a URL with a password.
                self.problems.push(format!(
                    "{READ_FROM} is neither `master` nor `replicas`, nor what else it may be: {problem}"
                ));
                ReadFrom::Master
            }
        }
    }

    /// The master that sentinels watch over, without what is its own.
    fn watched(&mut self, tls: bool) -> Option<Server> {
        let (user, password) = (
            self.text("REDIS_SENTINEL_USER"),
            self.text("REDIS_SENTINEL_PASSWORD"),
        );
        let (sentinels, master) = match (self.text(SENTINELS), self.text(MASTER)) {
            (Some(sentinels), Some(master)) => (sentinels, master),
            (None, None) => return None,
            _ => {
                self.problems.push(format!(
                    "{SENTINELS} and {MASTER} belong together: set both or none"
                ));
                return None;
            }
        };
        let sentinels = sentinels.split(',').map(str::trim);
        let sentinel = |text| Server {
            user: user.clone(),
            password: password.clone(),
            ..Server::sentinel(text)
        };
        let sentinels = sentinels.filter(|text| !text.is_empty()).map(sentinel);
        Some(Server::watched(master, tls, sentinels.collect()))
    }

    fn user(&mut self) -> Option<String> {
        let mut users = USERS
            .into_iter()
            .filter_map(|name| self.text(name))
            .collect::<Vec<_>>();
        users.dedup();
        if users.len() > 1 {
            self.problems.push(format!(
                "{} and {} differ: set one of them",
                USERS[0], USERS[1]
            ));
        }
        users.pop()
    }

    /// Those that can be used.
    fn certificates(&mut self) -> Certificates {
        let [_, certificate, key] = PEM_FILES;
        if self.text(certificate).is_some() != self.text(key).is_some() {
            self.problems.push(format!(
                "{certificate} and {key} belong together: set both or none"
            ));
        }
        let [ca, certificate, key] = PEM_FILES.map(|name| self.file(name));
        let certificates = Certificates {
            ca,
            client: certificate.zip(key).map(<[_; 2]>::from),
        };
        let unfit = certificates.problems(PEM_FILES);
        if unfit.is_empty() {
            return certificates;
        }
        self.problems.extend(unfit);
        Certificates::default()
    }

    /// The path is not told: it may be the PEM itself, by mistake.
    fn file(&mut self, name: &str) -> Option<Vec<u8>> {
        let read = std::fs::read(self.text(name)?);
        if let Err(error) = &read {
            self.problems.push(format!(
                "{name} must be the path of a readable file: {}",
                error.kind()
            ));
        }
        read.ok()
    }

    fn wrong(&mut self, name: &str, value: &str, right: impl Display) {
        self.problems.push(format!(
            "{name} is `{}`, which is not {right}",
            value.escape_debug()
        ));
    }
}

/// URLs of nodes with commas between, where `host:port` will do.
fn nodes_of(nodes: &str, tls: bool) -> Vec<String> {
    let scheme = if tls { "rediss" } else { "redis" };
    let named = nodes
        .split(',')
        .map(str::trim)
        .filter(|node| !node.is_empty());
    named
        .map(|node| match node.contains("://") {
            true => node.to_owned(),
            false => format!("{scheme}://{node}"),
        })
        .collect()
}

#[cfg(test)]
mod tests;
