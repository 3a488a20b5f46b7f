use redis::RedisResult;

use crate::{RedisServer, RedisServerBuilder, eventually};

/// What every client of the servers has to show; the sentinels are a user of their own.
const PASSWORD: &str = "servers";
const USER: &str = "sentinel";

/// Asked for more often than usual, so that no test waits long; servers before Redis 7 cannot.
const QUICK: [&str; 4] = [
    "ping-period",
    "ask-period",
    "info-period",
    "min-link-reconnect-period",
];
/// How often they tell each other of themselves.
const HELLO: &str = "publish-period";

/// A master, two replicas, and three sentinels that watch over them under the name [`RedisSentinels::NAME`].
#[derive(Debug)]
pub struct RedisSentinels {
    /// The first was the master when it began.
    pub servers: Vec<RedisServer>,
    /// They look alike to the tests: what a server can, they can.
    pub sentinels: Vec<RedisServer>,
}

impl RedisSentinels {
    /// How the sentinels call the master.
    pub const NAME: &str = "shop";

    /// Starts all of them, and waits until they know each other. The sentinels ask for this password.
    ///
    /// # Panics
    /// When they do not come up in 30 seconds.
    pub async fn start(password: Option<&str>) -> Self {
        Self::start_as(RedisServer::builder(), [3, 3], password).await
    }

    /// A master and a sentinel, which are such servers: over TLS, with `tls-replication`.
    ///
    /// # Panics
    /// When they do not come up in 30 seconds.
    pub async fn pair(servers: RedisServerBuilder) -> Self {
        Self::start_as(servers, [1, 1], None).await
    }

    async fn start_as(
        builder: RedisServerBuilder,
        [servers, sentinels]: [usize; 2],
        password: Option<&str>,
    ) -> Self {
        let mut world = Self {
            servers: Vec::new(),
            sentinels: Vec::new(),
        };
        for _ in 0..servers {
            let server = builder.clone().password(PASSWORD);
            let server = server
                .config("masterauth", PASSWORD)
                .config("repl-diskless-sync-delay", "0");
            world.add_server(server.start().await).await;
        }
        let [quorum, replicas] = [sentinels / 2 + 1, servers - 1];
        for _ in 0..sentinels {
            let sentinel = world.sentinel(builder.clone(), quorum, password).await;
            world.sentinels.push(sentinel);
        }
        let known = format!("slaves={replicas},sentinels={sentinels}");
        for sentinel in &world.sentinels {
            eventually("the sentinels know all the others", async || {
                says(sentinel, "sentinel", &known).await
            })
            .await;
            // It is also for how long a promotion is left alone by the sentinels that have not heard of it.
            let usual = ["DEBUG", HELLO, "2000"];
            let _: RedisResult<()> = tell(sentinel, "SENTINEL", &usual).await;
        }
        world
    }

    /// The first is the master.
    async fn add_server(&mut self, server: RedisServer) {
        let user = ["SETUSER", USER, "on", ">sentinels", "~*", "&*", "+@all"];
        let known: RedisResult<()> = tell(&server, "ACL", &user).await;
        known.expect("ACL SETUSER");
        if let Some(master) = self.servers.first() {
            follow(&server, master).await;
        }
        self.servers.push(server);
    }

    async fn sentinel(
        &self,
        builder: RedisServerBuilder,
        quorum: usize,
        password: Option<&str>,
    ) -> RedisServer {
        let (name, port) = (Self::NAME, self.servers[0].port());
        let mut lines = format!(
            "sentinel monitor {name} 127.0.0.1 {port} {quorum}\n\
             sentinel auth-user {name} {USER}\n\
             sentinel auth-pass {name} sentinels\n\
             sentinel down-after-milliseconds {name} 500\n\
             sentinel failover-timeout {name} 4000\n\
             sentinel parallel-syncs {name} 2\n"
        );
        let mut builder = builder;
        if let Some(password) = password {
            lines += &format!("sentinel sentinel-pass {password}\n");
            builder = builder.password(password);
        }
        let sentinel = builder.sentinel(&lines).start().await;
        for period in QUICK.iter().chain(&[HELLO]) {
            let quick = ["DEBUG", period, "100"];
            let _: RedisResult<()> = tell(&sentinel, "SENTINEL", &quick).await;
        }
        sentinel
    }

    /// What a client gives for the master: name and password.
    #[must_use]
    pub fn master(&self) -> String {
        let url = self.servers[0].url();
        let scheme = url.split(':').next().unwrap_or_default();
        format!("{scheme}://:{PASSWORD}@{}", Self::NAME)
    }

    /// Of the sentinels, with their password.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        self.sentinels.iter().map(RedisServer::url).collect()
    }

    /// Waits until one of the replicas is the master, by its own word and that of all sentinels that run.
    ///
    /// # Panics
    /// When that does not happen in 30 seconds.
    pub async fn promoted(&self) -> &RedisServer {
        let mut found = None;
        eventually("a replica is promoted", async || {
            let mut named = Vec::new();
            for sentinel in self.sentinels.iter().filter(|sentinel| sentinel.is_up()) {
                let place: RedisResult<(String, u16)> = tell(
                    sentinel,
                    "SENTINEL",
                    &["GET-MASTER-ADDR-BY-NAME", Self::NAME],
                )
                .await;
                named.extend(place.map(|(_, port)| port));
            }
            named.dedup();
            let mut replicas = self.servers[1..].iter();
            found = replicas.position(|server| named == [server.port()]);
            match found {
                Some(at) => says(&self.servers[1 + at], "replication", "role:master").await,
                None => false,
            }
        })
        .await;
        &self.servers[1 + found.expect("it was found")]
    }

    /// Asks one of the sentinels for a failover, all being well.
    ///
    /// # Panics
    /// When it refuses for 30 seconds.
    pub async fn fail_over(&self) {
        eventually("a sentinel begins a failover", async || {
            let begun: RedisResult<()> =
                tell(&self.sentinels[0], "SENTINEL", &["FAILOVER", Self::NAME]).await;
            begun.is_ok()
        })
        .await;
    }

    /// Cuts the first server off from the sentinels, and from them alone: they are not let in any more.
    ///
    /// # Panics
    /// When the server does not answer.
    pub async fn cut_off(&self) {
        // As its own user: the new connections of the sentinels are refused from now on, and the old ones closed.
        let out: RedisResult<()> = tell(&self.servers[0], "ACL", &["DELUSER", USER]).await;
        out.expect("ACL DELUSER");
    }
}

impl RedisSentinels {
    /// One more replica of the first server, which the sentinels do not hear of where that is [cut off](Self::cut_off).
    ///
    /// # Panics
    /// When it does not come up in 30 seconds.
    pub async fn follower(&self) -> RedisServer {
        let follower = RedisServer::builder()
            .config("masterauth", PASSWORD)
            .start()
            .await;
        follow(&follower, &self.servers[0]).await;
        follower
    }
}

/// Makes it a replica, and waits until it is in step.
async fn follow(replica: &RedisServer, master: &RedisServer) {
    let place = ["127.0.0.1", &master.port().to_string()];
    let following: RedisResult<()> = tell(replica, "REPLICAOF", &place).await;
    following.expect("REPLICAOF");
    eventually("the replica is in step", async || {
        says(replica, "replication", "master_link_status:up").await
    })
    .await;
}

async fn tell<T: redis::FromRedisValue>(
    server: &RedisServer,
    command: &str,
    arguments: &[&str],
) -> RedisResult<T> {
    let mut connection = server.connection().await;
    let mut command = redis::cmd(command);
    command.arg(arguments).query_async(&mut connection).await
}

/// Whether a section of `INFO` has this in it.
async fn says(server: &RedisServer, section: &str, words: &str) -> bool {
    let info: RedisResult<String> = tell(server, "INFO", &[section]).await;
    info.is_ok_and(|info| info.contains(words))
}
