//! Which server, and as whom.

use std::fmt;

use redis::{Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo};

use super::sentinel::{Place, Sentinels};
use super::tls::Certificates;
use crate::policy::ReadFrom;

/// Where sentinels listen unless it is said.
const SENTINEL_PORT: u16 = 26379;

/// A Redis server, by URL or in parts.
#[derive(Clone)]
pub(crate) struct Server {
    /// Where there are sentinels, with the master's name in place of the host.
    pub(crate) address: At,
    /// Who is asked where it is.
    pub(crate) sentinels: Option<Vec<Self>>,
    /// Beside a URL these three fill in what it leaves out.
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) database: Option<i64>,
    pub(crate) certificates: Certificates,
    /// As the environment says.
    pub(crate) read_from: ReadFrom,
}

/// What a cache talks to, not connected yet.
pub(crate) enum Servers {
    One(Box<Client>),
    /// Some nodes of a cluster, that tell of the others.
    Cluster(Vec<Client>),
}

impl Servers {
    pub(super) fn database(&self) -> i64 {
        match self {
            Self::One(client) => client.get_connection_info().redis_settings().db(),
            // It has no other.
            Self::Cluster(_) => 0,
        }
    }
}

/// Which replicas are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reading {
    /// None.
    Master,
    /// Those that the master, or the cluster, tells of.
    Told,
    At(Vec<Place>),
}

/// Where a server is.
#[derive(Clone)]
pub(crate) enum At {
    Url(String),
    /// The nodes of a cluster that are asked first, by URLs.
    Cluster(Vec<String>),
    Host {
        name: String,
        port: u16,
        tls: bool,
    },
}

impl Server {
    pub(crate) fn new(address: At) -> Self {
        Self {
            address,
            sentinels: None,
            user: None,
            password: None,
            database: None,
            certificates: Certificates::default(),
            read_from: ReadFrom::default(),
        }
    }

    /// The master of that name, over TLS where that is said; or by a URL with the name in place of the host.
    pub(crate) fn watched(master: String, tls: bool, sentinels: Vec<Self>) -> Self {
        let address = match master.contains("://") {
            true => At::Url(master),
            false => At::Host {
                name: master,
                port: 0,
                tls,
            },
        };
        Self {
            sentinels: Some(sentinels),
            ..Self::new(address)
        }
    }

    /// A sentinel: a URL, or `host:port` alone.
    pub(crate) fn sentinel(text: &str) -> Self {
        let text = match text.contains("://") {
            true => text.to_owned(),
            false => format!("redis://{text}"),
        };
        Self::new(At::Url(with_port(text)))
    }

    /// The clients, not connected yet. The problem tells no part of a URL, which may hold a password.
    pub(crate) fn servers(&self) -> Result<Servers, String> {
        if let Some(sentinels) = &self.sentinels {
            return Ok(Servers::One(Box::new(self.master(sentinels)?)));
        }
        let client = |info| self.certificates.client(info);
        if !matches!(self.address, At::Cluster(_)) {
            return Ok(Servers::One(Box::new(client(self.info()?)?)));
        }
        let infos = self.infos()?;
        if infos.iter().any(|info| info.redis_settings().db() != 0) {
            return Err("a Redis Cluster has the database 0 alone: name no other one".to_owned());
        }
        let is_socket = |info: &ConnectionInfo| matches!(info.addr(), ConnectionAddr::Unix(_));
        if infos.iter().any(is_socket) {
            return Err("the nodes of a Redis Cluster are named by host and port".to_owned());
        }
        infos
            .into_iter()
            .map(client)
            .collect::<Result<_, _>>()
            .map(Servers::Cluster)
    }

    /// The first of them.
    #[cfg(test)]
    pub(crate) fn client(&self) -> Result<Client, String> {
        match self.servers()? {
            Servers::One(client) => Ok(*client),
            Servers::Cluster(seeds) => seeds.into_iter().next().ok_or_else(String::new),
        }
    }

    /// Of a server that has the master's name for its host.
    fn master(&self, sentinels: &[Self]) -> Result<Client, String> {
        let info = self.info()?;
        if matches!(info.addr(), ConnectionAddr::Unix(_)) {
            return Err(
                "a master has a name, which its sentinels know it by, and no path".to_owned(),
            );
        }
        // They may be those of the sentinels.
        let theirs = sentinels
            .iter()
            .any(|sentinel| sentinel.over_tls() == Some(true));
        if theirs && !is_tls(info.addr()) {
            return Certificates::default().client(info);
        }
        self.certificates.client(info)
    }

    /// Who is asked which server is the master.
    pub(crate) fn sentinels(&self) -> Result<Option<Sentinels>, String> {
        let Some(sentinels) = &self.sentinels else {
            return Ok(None);
        };
        if sentinels.is_empty() {
            return Err("a master needs a sentinel at least, which says where it is".to_owned());
        }
        let clients = sentinels.iter().map(|sentinel| {
            let mut sentinel = sentinel.clone();
            if sentinel.over_tls() == Some(true) {
                sentinel.certificates = self.certificates.clone();
            }
            let client = sentinel.certificates.client(sentinel.info()?)?;
            match client.get_connection_info().redis_settings().db() {
                0 => Ok(client),
                _ => Err("it has no databases".to_owned()),
            }
        });
        let clients = clients.collect::<Result<Vec<_>, String>>();
        let clients = clients.map_err(|problem| format!("a sentinel: {problem}"))?;
        let info = self.info()?;
        let (name, _) = place(info.addr()).unwrap_or_default();
        Ok(Some(Sentinels::new(name.to_owned(), clients)))
    }

    /// Which of its replicas are read.
    pub(crate) fn reading(&self, from: &ReadFrom) -> Result<Reading, String> {
        let addresses = match from {
            ReadFrom::Master => return Ok(Reading::Master),
            ReadFrom::Replicas => return Ok(Reading::Told),
            ReadFrom::ReplicasAt(addresses) => addresses,
        };
        if matches!(self.address, At::Cluster(_)) {
            return Err("a Redis Cluster tells of its replicas itself: name none".to_owned());
        }
        let places = addresses.iter().map(|address| {
            // What else a URL says is the master's.
            let plain = !address.contains(['/', '@', '?', '#']);
            let info = plain.then(|| At::of_url(&format!("redis://{address}")).ok());
            let info = info.flatten()?;
            place(info.addr()).map(|(host, port)| (host.to_owned(), port))
        });
        let places: Option<Vec<_>> = places.collect();
        places
            .filter(|places| !places.is_empty())
            .map(Reading::At)
            .ok_or_else(|| "replicas are named by `host:port`, one at least".to_owned())
    }

    /// Whether it is spoken to over TLS; `None` where the URL cannot be used.
    pub(crate) fn over_tls(&self) -> Option<bool> {
        Some(is_tls(self.infos().ok()?.first()?.addr()))
    }

    /// Of the only one.
    fn info(&self) -> Result<ConnectionInfo, String> {
        let info = self.infos()?.into_iter().next();
        info.ok_or_else(|| "no Redis server is named".to_owned())
    }

    fn infos(&self) -> Result<Vec<ConnectionInfo>, String> {
        let infos = self.address.infos()?;
        infos.into_iter().map(|info| self.filled_in(info)).collect()
    }

    fn filled_in(&self, info: ConnectionInfo) -> Result<ConnectionInfo, String> {
        let mut settings = info.redis_settings().clone();
        if let Some(user) = self.user.as_ref().filter(|_| settings.username().is_none()) {
            settings = settings.set_username(user);
        }
        let password = self.password.as_ref();
        if let Some(password) = password.filter(|_| settings.password().is_none()) {
            settings = settings.set_password(password);
        }
        if let Some(database) = self.database.filter(|_| settings.db() == 0) {
            settings = settings.set_db(database);
        }
        // The client would connect as the default user.
        if settings.username().is_some() && settings.password().is_none() {
            return Err("the Redis user has no password (with `nopass` any will do): it belongs into the URL or REDIS_PASSWORD"
                .to_owned());
        }
        Ok(info.set_redis_settings(settings))
    }
}

impl At {
    fn infos(&self) -> Result<Vec<ConnectionInfo>, String> {
        match self {
            Self::Url(url) => Ok(vec![Self::of_url(url)?]),
            Self::Cluster(urls) if urls.is_empty() => {
                Err("no node of the Redis Cluster is named".to_owned())
            }
            Self::Cluster(urls) => urls.iter().map(|url| Self::of_url(url)).collect(),
            Self::Host { name, port, tls } => {
                let info = host(name, *port, *tls);
                Ok(vec![info.map_err(|_| "the Redis host cannot be used")?])
            }
        }
    }

    fn of_url(url: &str) -> Result<ConnectionInfo, String> {
        if !cfg!(feature = "tls") && names_tls(url) {
            return Err(format!(
                "the Redis URL asks for TLS, which {}",
                super::tls::FEATURE
            ));
        }
        if url.contains('#') {
            return Err(
                "the Redis URL has a `#`: `#insecure` is refused, since anybody could answer then (give the server's CA \
                 instead, with `tls_ca` or REDIS_TLS_CA), and in a password it is written `%23`"
                    .to_owned(),
            );
        }
        let info = url.into_connection_info().ok();
        info.filter(|info| !is_misread(url, info)).ok_or_else(|| {
            "the Redis URL cannot be used: it has another form than redis://user:password@host:port/database".to_owned()
        })
    }
}

/// A password with a bare `?` ends the authority: the user would be taken for the host, and told as such.
fn is_misread(url: &str, info: &ConnectionInfo) -> bool {
    let settings = info.redis_settings();
    let nobody = settings.username().is_none() && settings.password().is_none();
    nobody && url.contains('@') && !matches!(info.addr(), ConnectionAddr::Unix(_))
}

/// Also where the client, built without TLS, would not read such a URL.
fn names_tls(url: &str) -> bool {
    let scheme = url.split_once(':').unwrap_or_default().0.trim();
    ["rediss", "valkeys"]
        .iter()
        .any(|tls| scheme.eq_ignore_ascii_case(tls))
}

fn host(name: &str, port: u16, tls: bool) -> redis::RedisResult<ConnectionInfo> {
    let info = (name, port).into_connection_info()?;
    let secured = ConnectionAddr::TcpTls {
        host: name.to_owned(),
        port,
        insecure: false,
        tls_params: None,
    };
    Ok(if tls { info.set_addr(secured) } else { info })
}

/// A sentinel's URL without a port means the sentinels' own, not that of servers.
fn with_port(url: String) -> String {
    let begin = url.find("://").map_or(0, |at| at + 3);
    let length = url[begin..].find('/').unwrap_or(url.len() - begin);
    let host = url[begin..begin + length]
        .rsplit('@')
        .next()
        .unwrap_or_default();
    // Behind an IPv6 address in brackets.
    let behind = host.rsplit(']').next().unwrap_or_default();
    if behind.contains(':') {
        return url;
    }
    let (before, after) = url.split_at(begin + length);
    format!("{before}:{SENTINEL_PORT}{after}")
}

/// Host and port.
pub(super) fn place(address: &ConnectionAddr) -> Option<(&str, u16)> {
    match address {
        ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
            Some((host, *port))
        }
        _ => None,
    }
}

/// The same way to another host and port.
pub(super) fn elsewhere(info: &ConnectionInfo, place: &Place) -> ConnectionInfo {
    let mut address = info.addr().clone();
    match &mut address {
        ConnectionAddr::TcpTls { host, port, .. } => (*host, *port) = place.clone(),
        address => *address = ConnectionAddr::Tcp(place.0.clone(), place.1),
    }
    info.clone().set_addr(address)
}

pub(super) fn is_tls(address: &ConnectionAddr) -> bool {
    matches!(address, ConnectionAddr::TcpTls { .. })
}

/// What a server answered, without the user's name, which Redis 7.2 tells to whom it refuses something.
pub(super) fn without_user(answer: &str) -> String {
    let named = answer
        .split_once("User ")
        .and_then(|(before, after)| Some((before, after.split_once(" has no ")?.1)));
    match named {
        Some((before, after)) => format!("{before}the user has no {after}"),
        None => answer.to_owned(),
    }
}

impl fmt::Debug for Server {
    /// Without URL, user and password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.infos().map(|infos| {
            let addresses = infos.iter().map(|info| info.addr().to_string());
            addresses.collect::<Vec<_>>().join(",")
        });
        f.debug_struct("Server")
            .field("address", &address.as_deref().unwrap_or("not usable"))
            .field("sentinels", &self.sentinels)
            .field("certificates", &self.certificates)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentinels_have_a_port_of_their_own() {
        for (given, meant) in [
            ("one", "one:26379"),
            ("one:1", "one:1"),
            ("redis://:p:w@one/", "one:26379"),
            ("redis://:p%40w@one:1", "one:1"),
            ("[::1]", "[::1]:26379"),
            ("redis://[::1]:2", "[::1]:2"),
        ] {
            let info = Server::sentinel(given).info().expect(given);
            let (host, port) = place(info.addr()).expect("no socket");
            let host = host.trim_matches(['[', ']']);
            let meant = meant.replace(['[', ']'], "");
            assert_eq!(format!("{host}:{port}"), meant, "{given}");
        }
    }

    #[test]
    fn the_user_is_not_repeated() {
        let refused = "NOPERM: User ada has no permissions to run the 'get' command";
        assert_eq!(
            without_user(refused),
            "NOPERM: the user has no permissions to run the 'get' command"
        );
        assert_eq!(without_user("User unknown"), "User unknown");
    }
}
