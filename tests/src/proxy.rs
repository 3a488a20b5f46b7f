use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{self, AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

const CHUNK: usize = 16 << 10;

/// Chunks that may be on their way in one direction of one connection. A sender that is faster than that has to wait.
const ON_THEIR_WAY: usize = 4096;

/// A network between clients and a server on this machine, with faults at will.
///
/// It listens on a free port of 127.0.0.1 and leads to another one. A new one does nothing but that; what is set holds for the
/// connections that there are as well as for later ones. Dropping it closes everything.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use std::time::Duration;
/// use cache_tests::{Direction, Proxy};
///
/// let proxy = Proxy::start(6379).await;
/// proxy.delay(Direction::ToClient, Duration::from_millis(50));
/// proxy.cut();
/// # });
/// ```
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    network: Arc<Network>,
    listening: JoinHandle<()>,
}

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// What clients send.
    ToServer,
    /// Answers and pushes.
    ToClient,
}

impl Direction {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::ToServer, Self::ToClient];
}

#[derive(Debug)]
struct Network {
    server: AtomicU16,
    refusing: AtomicBool,
    connections: AtomicUsize,
    accepted: AtomicUsize,
    /// Counts the cuts: a connection ends when it changes.
    cuts: watch::Sender<u64>,
    ways: [Way; 2],
}

/// One direction of all connections.
#[derive(Debug)]
struct Way {
    delay: AtomicU64,
    /// The probability that a chunk is corrupted.
    corruption: Mutex<f64>,
    held: watch::Sender<bool>,
}

impl Proxy {
    /// Listens, and leads to the server on this port. The server need not be there: without it a connection is closed as soon as
    /// it was made.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn start(server: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("a free port");
        let port = listener.local_addr().expect("a bound port").port();
        let way = || Way {
            delay: AtomicU64::new(0),
            corruption: Mutex::new(0.0),
            held: watch::Sender::new(false),
        };
        let network = Arc::new(Network {
            server: AtomicU16::new(server),
            refusing: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
            accepted: AtomicUsize::new(0),
            cuts: watch::Sender::new(0),
            ways: [way(), way()],
        });
        let listening = tokio::spawn(listen(listener, network.clone()));
        Self {
            port,
            network,
            listening,
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `redis://…`, without a password.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// How many connections there are.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.network.connections.load(Ordering::SeqCst)
    }

    /// How many connections were made to it.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.network.accepted.load(Ordering::SeqCst)
    }

    /// Leads new connections to the server on another port, as a failover does.
    pub fn lead_to(&self, server: u16) {
        self.network.server.store(server, Ordering::SeqCst);
    }

    /// Closes all connections, on both sides. What was on its way is lost.
    pub fn cut(&self) {
        self.cutter().cut();
    }

    /// Cuts from elsewhere.
    #[must_use]
    pub fn cutter(&self) -> Cutter {
        Cutter(self.network.clone())
    }

    /// Closes new connections at once, until told otherwise. Those that there are live on.
    pub fn refuse(&self, refusing: bool) {
        self.network.refusing.store(refusing, Ordering::SeqCst);
    }

    /// From now on bytes take this long in this direction; a millisecond at least, or none. They never overtake each other.
    pub fn delay(&self, direction: Direction, delay: Duration) {
        let milliseconds =
            u64::try_from(delay.as_millis()).expect("a delay that a test can wait for");
        self.way(direction)
            .delay
            .store(milliseconds, Ordering::SeqCst);
    }

    /// Keeps all bytes of this direction until told otherwise, and then lets them go on: a connection that is silently dead.
    pub fn hold(&self, direction: Direction, held: bool) {
        self.way(direction).held.send_replace(held);
    }

    /// Changes one byte in about this part of the chunks of this direction, from 0 to 1. TCP does not do that; what is stored by
    /// a faulty server does.
    pub fn corrupt(&self, direction: Direction, part: f64) {
        *lock(&self.way(direction).corruption) = part;
    }

    fn way(&self, direction: Direction) -> &Way {
        self.network.way(direction)
    }
}

/// Closes a [`Proxy`]'s connections.
#[derive(Debug, Clone)]
pub struct Cutter(Arc<Network>);

impl Cutter {
    /// As [`Proxy::cut`].
    pub fn cut(&self) {
        self.0.cuts.send_modify(|cuts| *cuts += 1);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
        self.cut();
    }
}

impl Network {
    fn way(&self, direction: Direction) -> &Way {
        match direction {
            Direction::ToServer => &self.ways[0],
            Direction::ToClient => &self.ways[1],
        }
    }
}

async fn listen(listener: TcpListener, network: Arc<Network>) {
    // What goes wrong with one connection is told to its two ends, by closing it.
    loop {
        let Ok((client, _)) = listener.accept().await else {
            continue;
        };
        network.accepted.fetch_add(1, Ordering::SeqCst);
        if !network.refusing.load(Ordering::SeqCst) {
            // Before the connection is made, so that no cut is missed.
            let cuts = network.cuts.subscribe();
            tokio::spawn(connect(client, network.clone(), cuts));
        }
    }
}

async fn connect(client: TcpStream, network: Arc<Network>, mut cuts: watch::Receiver<u64>) {
    let server = SocketAddr::from((Ipv4Addr::LOCALHOST, network.server.load(Ordering::SeqCst)));
    network.connections.fetch_add(1, Ordering::SeqCst);
    let talk = async {
        let server = TcpStream::connect(server).await?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        // One end that closes closes the other.
        tokio::select! {
            ended = carry(from_client, to_server, network.way(Direction::ToServer)) => ended,
            ended = carry(from_server, to_client, network.way(Direction::ToClient)) => ended,
        }
    };
    tokio::select! {
        _ = talk => {}
        _ = cuts.changed() => {}
    }
    network.connections.fetch_sub(1, Ordering::SeqCst);
}

/// Carries bytes one way until an end closes.
async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, way: &Way) -> io::Result<()> {
    let (on, mut arriving) = mpsc::channel::<(Instant, Vec<u8>)>(ON_THEIR_WAY);
    // At its end it lets go of `on`: what is on its way still arrives.
    let take = async move {
        loop {
            let mut chunk = Vec::with_capacity(CHUNK);
            if from.read_buf(&mut chunk).await? == 0 {
                return io::Result::Ok(());
            }
            way.maybe_corrupt(&mut chunk);
            let delay = Duration::from_millis(way.delay.load(Ordering::SeqCst));
            if on.send((Instant::now() + delay, chunk)).await.is_err() {
                return Ok(());
            }
        }
    };
    let give = async {
        let mut held = way.held.subscribe();
        while let Some((due, chunk)) = arriving.recv().await {
            if due > Instant::now() {
                tokio::time::sleep_until(due).await;
            }
            if held.wait_for(|held| !held).await.is_err() {
                break;
            }
            to.write_all(&chunk).await?;
        }
        io::Result::Ok(())
    };
    tokio::try_join!(take, give).map(|_| ())
}

impl Way {
    fn maybe_corrupt(&self, chunk: &mut [u8]) {
        let part = *lock(&self.corruption);
        if part > 0.0 && fastrand::f64() < part {
            let at = fastrand::usize(..chunk.len());
            chunk[at] ^= fastrand::u8(1..);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eventually;

    /// A server that says back what it hears, and a client of it.
    async fn echo() -> (Proxy, TcpStream) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let proxy = Proxy::start(listener.local_addr().unwrap().port()).await;
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    io::copy(&mut from, &mut to).await
                });
            }
        });
        let client = client(&proxy).await;
        (proxy, client)
    }

    async fn client(proxy: &Proxy) -> TcpStream {
        TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port()))
            .await
            .unwrap()
    }

    /// What comes back of `word`, and how long it took.
    async fn say(client: &mut TcpStream, word: &[u8]) -> (Vec<u8>, Duration) {
        let begin = Instant::now();
        client.write_all(word).await.unwrap();
        let mut heard = vec![0; word.len()];
        client.read_exact(&mut heard).await.unwrap();
        (heard, begin.elapsed())
    }

    async fn is_closed(client: &mut TcpStream) -> bool {
        !matches!(client.read(&mut [0]).await, Ok(1..))
    }

    #[tokio::test]
    async fn bytes_are_carried_both_ways() {
        let (proxy, mut client) = echo().await;
        assert_eq!(say(&mut client, b"word").await.0, b"word");
        let long = vec![7; 1 << 20];
        let (mut from, mut to) = client.split();
        let mut heard = vec![0; long.len()];
        tokio::try_join!(to.write_all(&long), from.read_exact(&mut heard)).unwrap();
        assert_eq!(heard, long);
        assert_eq!(proxy.connections(), 1);
        drop(client);
        eventually("it is closed", async || proxy.connections() == 0).await;
    }

    #[tokio::test]
    async fn each_direction_has_its_delay() {
        let (proxy, mut client) = echo().await;
        for direction in Direction::BOTH {
            proxy.delay(direction, Duration::from_millis(60));
            let (heard, took) = say(&mut client, b"word").await;
            assert_eq!(heard, b"word");
            assert!(took >= Duration::from_millis(60), "{direction:?}: {took:?}");
            proxy.delay(direction, Duration::ZERO);
        }
    }

    #[tokio::test]
    async fn a_cut_closes_and_new_connections_work() {
        let (proxy, mut old) = echo().await;
        say(&mut old, b"word").await;
        proxy.cut();
        assert!(is_closed(&mut old).await);
        say(&mut client(&proxy).await, b"word").await;
    }

    #[tokio::test]
    async fn refused_are_the_new_ones_alone() {
        let (proxy, mut old) = echo().await;
        say(&mut old, b"word").await;
        proxy.refuse(true);
        assert!(is_closed(&mut client(&proxy).await).await);
        say(&mut old, b"word").await;
        proxy.refuse(false);
        say(&mut client(&proxy).await, b"word").await;
    }

    #[tokio::test]
    async fn what_is_held_arrives_later() {
        let (proxy, mut client) = echo().await;
        proxy.hold(Direction::ToClient, true);
        let mut early = std::pin::pin!(say(&mut client, b"word"));
        let waited = tokio::time::timeout(Duration::from_millis(50), &mut early).await;
        assert!(waited.is_err(), "it was not held");
        proxy.hold(Direction::ToClient, false);
        assert_eq!(early.await.0, b"word");
    }

    #[tokio::test]
    async fn corruption_changes_one_byte() {
        let (proxy, mut client) = echo().await;
        proxy.corrupt(Direction::ToServer, 1.0);
        let heard = say(&mut client, b"word").await.0;
        let changed = heard.iter().zip(b"word").filter(|(a, b)| a != b);
        assert_eq!(changed.count(), 1);
    }

    #[tokio::test]
    async fn another_server_takes_over() {
        let (proxy, mut old) = echo().await;
        say(&mut old, b"word").await;
        let (other, _) = echo().await;
        proxy.lead_to(1); // nobody listens there
        assert!(is_closed(&mut client(&proxy).await).await);
        proxy.lead_to(other.port());
        say(&mut client(&proxy).await, b"word").await;
    }
}
