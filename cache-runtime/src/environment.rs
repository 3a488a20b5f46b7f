//! Configuration by environment, under all the names that services use for it: `environment.md` lists them.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use crate::builder::Builder;
use crate::codec::Codec;
use crate::compression::Compression;
use crate::protection::{Protection, Secrets};
use crate::store::redis::server::{At, Server};
use crate::store::redis::tls::Certificates;

const SWITCHES: [&str; 2] = ["ENABLE_CACHE", "CACHE_ENABLED"];
const TTLS: [&str; 2] = ["CACHE_TTL", "CACHE_TTL_SECONDS"];
const USERS: [&str; 2] = ["REDIS_USER", "REDIS_USERNAME"];
const CLUSTER: &str = "REDIS_CLUSTER";
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
mod tests {
    use super::*;

    fn with(variables: &[(&str, &str)]) -> (Builder, Vec<String>) {
        read(|name| {
            variables
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    fn right(variables: &[(&str, &str)]) -> Builder {
        let (builder, problems) = with(variables);
        assert_eq!(problems, [""; 0]);
        builder
    }

    /// Else its invalidations would reach nobody.
    #[test]
    fn what_is_wrong_with_how_values_are_stored_leaves_the_server_known() {
        let url = ("REDIS_URL", "redis://cache");
        let (builder, problems) = with(&[url, ("CACHE_PROTECTION", "signed")]);
        assert!(!builder.enabled && builder.server.is_some() && !builder.severed);
        assert_eq!(problems.len(), 1, "{problems:?}");
        builder.build().expect("what is wrong is left out");
        for name in ["CACHE_CODEC", "CACHE_COMPRESSION"] {
            let (builder, problems) = with(&[url, (name, "nonsense")]);
            assert!(builder.enabled && builder.server.is_some(), "{name}");
            assert_eq!(problems.len(), 1, "{problems:?}");
            builder.build().expect("what is wrong is left out");
        }
        #[cfg(not(feature = "msgpack"))]
        {
            let (builder, problems) = with(&[url, ("CACHE_CODEC", "msgpack")]);
            assert!(builder.enabled && problems.len() == 1, "{problems:?}");
            builder.build().expect("what is wrong is left out");
        }
    }

    /// Whom it concerns cannot be told, and that is not kept secret.
    #[tokio::test]
    async fn invalidations_without_the_server_that_was_meant_are_errors() {
        let (builder, problems) = with(&[("REDIS_URL", "nonsense")]);
        assert!(builder.severed && problems.len() == 1, "{problems:?}");
        let cache = builder.build().expect("what is wrong is left out");
        let told = cache.try_invalidate([crate::Tag::new("all", [])]).await;
        let told = told.expect_err("nobody was told");
        assert_eq!(told.kind(), crate::ErrorKind::Unreachable);
        assert_eq!(cache.stats().pending_invalidations, 0);
    }

    /// A wrong word must not leave values readable that were to be hidden.
    #[test]
    fn what_is_wrong_with_secrets_switches_off_and_tells_none() {
        let secret = "ab".repeat(32);
        // Without the feature each of the two needs it.
        let both = if cfg!(feature = "encryption") { 1 } else { 2 };
        for (variables, expected) in [
            ([("CACHE_PROTECTION", "encrypt"), ("CACHE_SECRETS", "")], 1),
            (
                [
                    ("CACHE_PROTECTION", "encrypted"),
                    ("CACHE_SECRETS", &secret),
                ],
                both,
            ),
        ] {
            let (builder, problems) = with(&variables);
            assert!(!builder.enabled, "{problems:?}");
            assert_eq!(problems.len(), expected, "{problems:?}");
            assert!(!problems.concat().contains(&secret), "{problems:?}");
        }
    }

    #[test]
    #[cfg(feature = "encryption")]
    fn values_are_stored_as_the_environment_says() {
        let secrets = format!("1:{}", "ab".repeat(32));
        let packing = right(&[
            ("CACHE_CODEC", "json"),
            ("CACHE_COMPRESSION", "off"),
            ("CACHE_PROTECTION", "encrypted"),
            ("CACHE_SECRETS", &secrets),
        ])
        .packing;
        assert_eq!(packing.protection, Protection::Encrypted);
        assert_eq!(packing.problems(), [""; 0]);
    }

    /// A12, C4, D9, E4
    #[test]
    fn every_name_is_heard() {
        assert!(right(&[]).enabled && right(&[]).server.is_none());
        for name in ["ENABLE_CACHE", "CACHE_ENABLED", "REDIS_ENABLED"] {
            assert!(!right(&[(name, "False")]).enabled, "{name}");
            assert!(right(&[(name, "1")]).enabled, "{name}");
        }
        for name in TTLS {
            assert_eq!(
                right(&[(name, "60")]).default_ttl,
                Duration::from_secs(60),
                "{name}"
            );
        }
        assert_eq!(
            right(&[("REDIS_SOCKET_TIMEOUT", "0.05")]).operation_timeout,
            Duration::from_millis(50)
        );
        assert_eq!(
            right(&[("CACHE_BUDGET", "0.2")]).call_budget,
            Duration::from_millis(200)
        );
        assert_eq!(
            right(&[("REDIS_CONNECT_TIMEOUT", "5")]).connect_timeout,
            Duration::from_secs(5)
        );
        assert_eq!(
            right(&[("REDIS_MAX_CONNECTIONS", "50")]).max_connections,
            50
        );
        assert_eq!(
            right(&[("CACHE_PREFIX", "shop:staging")]).prefix,
            "shop:staging"
        );
        assert!(
            right(&[("REDIS_URL", " "), ("CACHE_TTL", "")])
                .server
                .is_none()
        );
    }

    #[test]
    fn the_server_is_given_whole_or_in_parts() {
        let client = |variables: &[(&str, &str)]| {
            right(variables)
                .server
                .expect("a server")
                .client()
                .expect("a client")
        };
        let parts = client(&[
            ("REDIS_HOST", "cache"),
            ("REDIS_PORT", "6380"),
            ("REDIS_PASSWORD", "a:b@c/d"),
            ("REDIS_DB", "2"),
        ]);
        let info = parts.get_connection_info();
        assert_eq!(info.addr().to_string(), "cache:6380");
        assert_eq!(
            (info.redis_settings().password(), info.redis_settings().db()),
            (Some("a:b@c/d"), 2)
        );
        let url = client(&[
            ("REDIS_URL", "redis://cache/"),
            ("REDIS_PASSWORD", "secret"),
            ("REDIS_DB", "1"),
        ]);
        assert_eq!(
            (
                url.get_connection_info().redis_settings().password(),
                url.get_connection_info().redis_settings().db()
            ),
            (Some("secret"), 1)
        );
        let url = client(&[
            ("REDIS_URL", "redis://:own@cache/3"),
            ("REDIS_PASSWORD", "secret"),
            ("REDIS_DB", "1"),
        ]);
        assert_eq!(
            (
                url.get_connection_info().redis_settings().password(),
                url.get_connection_info().redis_settings().db()
            ),
            (Some("own"), 3)
        );
    }

    #[test]
    fn a_master_is_known_by_its_sentinels() {
        let told = |variables: &[(&str, &str)]| {
            let server = right(variables).server.expect("a server");
            let sentinels = server.sentinels().expect("usable").expect("sentinels");
            (server.client().expect("a client"), sentinels.to_string())
        };
        let (client, sentinels) = told(&[
            ("REDIS_SENTINELS", "one, two:1,redis://:own@[::1]:2/"),
            ("REDIS_MASTER", "my.Master_1"),
            ("REDIS_PASSWORD", "secret"),
            ("REDIS_DB", "3"),
            ("REDIS_SENTINEL_USER", "eve"),
            ("REDIS_SENTINEL_PASSWORD", "hunter2"),
        ]);
        assert_eq!(
            sentinels,
            "master my.Master_1 of sentinels one:26379, two:1, ::1:2"
        );
        let settings = client.get_connection_info().redis_settings();
        assert_eq!((settings.password(), settings.db()), (Some("secret"), 3));
        let (client, _) = told(&[
            ("REDIS_SENTINELS", "one"),
            ("REDIS_MASTER", "redis://ada:own@my.Master_1/2"),
            ("REDIS_PASSWORD", "secret"),
        ]);
        let settings = client.get_connection_info().redis_settings();
        assert_eq!((settings.password(), settings.db()), (Some("own"), 2));

        for (wrong, named) in [
            (&[("REDIS_SENTINELS", "one")][..], "REDIS_MASTER"),
            (&[("REDIS_MASTER", "shop")], "REDIS_SENTINELS"),
            (
                &[
                    ("REDIS_SENTINELS", "one"),
                    ("REDIS_MASTER", "shop"),
                    ("REDIS_HOST", "cache"),
                ],
                "REDIS_HOST",
            ),
            (
                &[("REDIS_SENTINELS", ","), ("REDIS_MASTER", "shop")],
                "needs a sentinel",
            ),
            (
                &[
                    ("REDIS_SENTINELS", "redis://:hunter2@one/1"),
                    ("REDIS_MASTER", "shop"),
                ],
                "no databases",
            ),
            (
                &[
                    ("REDIS_SENTINELS", "redis://hunter2@one"),
                    ("REDIS_MASTER", "shop"),
                ],
                "a sentinel: ",
            ),
        ] {
            let (builder, problems) = with(wrong);
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert!(problems[0].contains(named), "{problems:?}");
            assert!(
                !problems[0].contains("hunter2") && builder.severed,
                "{problems:?}"
            );
        }
    }

    #[test]
    fn a_cluster_is_named_by_some_of_its_nodes() {
        let seeds = |variables: &[(&str, &str)]| {
            let server = right(variables).server.expect("a cluster");
            format!("{server:?}")
        };
        let told = seeds(&[("REDIS_CLUSTER", "redis://a:7000, b:7001,")]);
        assert!(told.contains("a:7000,b:7001"), "{told}");
        for wrong in [
            &[("REDIS_CLUSTER", "a:7000"), ("REDIS_URL", "redis://b")][..],
            &[("REDIS_CLUSTER", "a:7000"), ("REDIS_DB", "1")],
            &[("REDIS_CLUSTER", ",")],
            &[("REDIS_CLUSTER", "redis://:hunter2@a:7000/2")],
        ] {
            let (builder, problems) = with(wrong);
            assert!(!builder.enabled && problems.len() == 1, "{problems:?}");
            assert!(!problems[0].contains("hunter2"), "{problems:?}");
        }
    }

    #[test]
    fn the_user_is_heard_by_both_names() {
        for name in USERS {
            let server = right(&[
                ("REDIS_HOST", "cache"),
                (name, "ada"),
                ("REDIS_PASSWORD", "x"),
            ])
            .server;
            let client = server.expect("a server").client().expect("a client");
            assert_eq!(
                client.get_connection_info().redis_settings().username(),
                Some("ada"),
                "{name}"
            );
        }
        let own = [
            ("REDIS_URL", "redis://eve:own@cache"),
            ("REDIS_USER", "ada"),
        ];
        let client = right(&own)
            .server
            .expect("a server")
            .client()
            .expect("a client");
        assert_eq!(
            client.get_connection_info().redis_settings().username(),
            Some("eve")
        );

        for wrong in [
            &[("REDIS_HOST", "cache"), ("REDIS_USER", "ada")][..],
            &[("REDIS_URL", "redis://ada@cache")],
            &[
                ("REDIS_HOST", "cache"),
                ("REDIS_USER", "ada"),
                ("REDIS_USERNAME", "eve"),
                ("REDIS_PASSWORD", "x"),
            ],
        ] {
            let (builder, problems) = with(wrong);
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert!(
                !problems[0].contains("ada") && !problems[0].contains("eve"),
                "{problems:?}"
            );
            assert!(!builder.enabled);
        }
    }

    #[cfg(feature = "tls")]
    #[test]
    fn tls_is_asked_for_by_url_or_in_parts() {
        let tls =
            |variables: &[(&str, &str)]| right(variables).server.expect("a server").over_tls();
        assert_eq!(tls(&[("REDIS_HOST", "cache")]), Some(false));
        assert_eq!(
            tls(&[("REDIS_HOST", "cache"), ("REDIS_TLS", "yes")]),
            Some(true)
        );
        assert_eq!(
            tls(&[("REDIS_URL", "rediss://cache"), ("REDIS_TLS", "true")]),
            Some(true)
        );
        for contradiction in [
            [("REDIS_URL", "redis://cache"), ("REDIS_TLS", "true")],
            [("REDIS_URL", "rediss://cache"), ("REDIS_TLS", "false")],
        ] {
            let problems = with(&contradiction).1;
            assert!(problems[0].contains("REDIS_TLS"), "{problems:?}");
        }
    }

    #[test]
    fn each_wrong_pem_file_is_named_and_nothing_of_it_told() {
        let key = "-----BEGIN PRIVATE KEY----- hunter2";
        let (builder, problems) = with(&[
            ("REDIS_URL", "redis://cache"),
            ("REDIS_TLS_CA", "/dev/null"),
            ("REDIS_TLS_CERT", " "),
            ("REDIS_TLS_KEY", key),
        ]);
        let told = problems.concat();
        assert_eq!(problems.len(), 3, "{problems:?}");
        for name in PEM_FILES {
            assert!(told.contains(name), "{name}: {problems:?}");
        }
        assert!(!told.contains("hunter2"));
        assert!(!builder.enabled);
    }

    #[cfg(not(feature = "tls"))]
    #[test]
    fn without_the_feature_tls_is_refused() {
        for wrong in [
            &[("REDIS_URL", "rediss://:hunter2@cache")][..],
            &[("REDIS_URL", "VALKEYS://:hunter2@cache")],
            &[("REDIS_HOST", "cache"), ("REDIS_TLS", "1")],
            &[("REDIS_TLS_CA", "/dev/null")],
        ] {
            let (builder, problems) = with(wrong);
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert!(
                problems[0].contains("feature `tls`") && !problems[0].contains("hunter2"),
                "{problems:?}"
            );
            assert!(!builder.enabled);
        }
    }

    #[test]
    fn all_that_is_wrong_is_told_and_no_secret() {
        let (builder, problems) = with(&[
            ("CACHE_TTL", "5 minutes"),
            ("REDIS_SOCKET_TIMEOUT", "-1"),
            ("REDIS_MAX_CONNECTIONS", "0"),
            ("CACHE_PREFIX", "a b"),
            ("REDIS_URL", "http://:hunter2@cache"),
        ]);
        assert_eq!(problems.len(), 5, "{problems:?}");
        assert!(!problems.concat().contains("hunter2"));
        assert_eq!(builder.default_ttl, Duration::from_secs(300));
        assert!(
            !builder.enabled,
            "without its server this instance would not hear of the others' writes"
        );
        assert!(!with(&[("ENABLE_CACHE", "flase")]).0.enabled);
        assert_eq!(
            with(&[("CACHE_TTL", "60"), ("CACHE_TTL_SECONDS", "30")])
                .1
                .len(),
            1
        );
    }
}
