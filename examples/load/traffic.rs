//! The requests on their way, and the comparison of their answers.

use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::io::{self, IsTerminal as _};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use cache_tests::Service;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use reqwest::{Client, Method, StatusCode};

use crate::plan::{Dice, Plan, Request};

/// Things that are told apart; two in one place cost comparisons, and none is wrong for it.
const THINGS: usize = 4_096;

/// Old answers that are shown.
const SHOWN: usize = 5;

/// The requests of one run.
pub(crate) struct Traffic {
    name: String,
    /// Reads, with writes between them.
    requests: Vec<Request>,
    tasks: usize,
    client: Client,
}

/// One answer.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) route: &'static str,
    /// Of `X-Cache`; empty where no cached function was called.
    pub(crate) cache: String,
    pub(crate) queries: u64,
    /// In the service.
    pub(crate) took: Duration,
    status: StatusCode,
    body: String,
}

/// What came of the requests with a cache.
#[derive(Debug, Default)]
pub(crate) struct Mixed {
    pub(crate) reads: Vec<Seen>,
    pub(crate) writes: u64,
    /// Reads whose answer was compared.
    pub(crate) compared: u64,
    /// Of these, what was not what the database says.
    pub(crate) old: u64,
    /// The first of them, for people.
    pub(crate) examples: Vec<String>,
    /// Requests that failed: status 5xx.
    pub(crate) failed: u64,
}

impl Traffic {
    pub(crate) fn new(
        name: String,
        plan: &Plan,
        reads: usize,
        writes: u8,
        tasks: usize,
        seed: u64,
    ) -> Self {
        let mut dice = Dice(SmallRng::seed_from_u64(seed));
        let mut requests = Vec::new();
        let mut left = reads;
        while left > 0 {
            let kinds = match dice.even(100) <= u64::from(writes) {
                true => plan.writes,
                false => {
                    left -= 1;
                    plan.reads
                }
            };
            requests.push(dice.request(kinds));
        }
        Self {
            name,
            requests,
            tasks,
            client: Client::new(),
        }
    }

    /// The reads alone, of one instance.
    pub(crate) async fn read(&self, service: &Service) -> Vec<Seen> {
        let seen = Mutex::new(Vec::new());
        self.each("without a cache", async |_, request| {
            if request.method == Method::GET {
                let answer = self.ask(service, request).await;
                seen.lock().expect("nobody panicked").push(answer);
            }
        })
        .await;
        seen.into_inner().expect("nobody panicked")
    }

    /// Reads and writes, of all `cached` in turns, each answer compared with that of `bare`.
    pub(crate) async fn mix(&self, cached: &[Service], bare: &Service) -> Mixed {
        let things = Things::default();
        let mixed = Mutex::new(Mixed::default());
        self.each("with a cache", async |n, request| {
            let service = &cached[n % cached.len()];
            if request.method != Method::GET {
                let writing = things.write(request);
                let answer = self.ask(service, request).await;
                drop(writing);
                let mut mixed = mixed.lock().expect("nobody panicked");
                mixed.writes += 1;
                mixed.failed += u64::from(answer.status.is_server_error());
                return;
            }
            let before = things.seen(request);
            let answer = self.ask(service, request).await;
            let truth = self.ask(bare, request).await;
            let quiet = before.is_some() && before == things.seen(request);
            let same = (answer.status, &answer.body) == (truth.status, &truth.body);
            let mut mixed = mixed.lock().expect("nobody panicked");
            mixed.failed += u64::from(answer.status.is_server_error());
            mixed.compared += u64::from(quiet);
            if quiet && !same {
                mixed.old += 1;
                if mixed.examples.len() < SHOWN {
                    let (path, body, truth) = (&request.path, &answer.body, &truth.body);
                    let shown =
                        format!("{path} answered {body:.300}, and the database {truth:.300}");
                    mixed.examples.push(shown);
                }
            }
            mixed.reads.push(answer);
        })
        .await;
        mixed.into_inner().expect("nobody panicked")
    }

    /// Each request, some at one time.
    async fn each(&self, how: &str, work: impl AsyncFn(usize, &Request)) {
        let bar = self.bar(how);
        let next = AtomicUsize::new(0);
        let worker = async || {
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                let Some(request) = self.requests.get(n) else {
                    return;
                };
                work(n, request).await;
                bar.inc(1);
            }
        };
        futures_util::future::join_all((0..self.tasks).map(|_| worker())).await;
        bar.finish_and_clear();
    }

    fn bar(&self, how: &str) -> ProgressBar {
        let target = match io::stderr().is_terminal() {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}");
        ProgressBar::with_draw_target(Some(self.requests.len() as u64), target)
            .with_style(style.expect("the template is right"))
            .with_message(format!("{}, {how}", self.name))
    }

    async fn ask(&self, service: &Service, request: &Request) -> Seen {
        let url = format!("{}{}", service.url(), request.path);
        let mut asked = self.client.request(request.method.clone(), url);
        if let Some(body) = &request.body {
            asked = asked.json(body);
        }
        let answer = asked.send().await.expect("the service answers");
        let header = |name| {
            let value = answer
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        let took: f64 = header("x-process-time").parse().unwrap_or_default();
        Seen {
            route: request.route,
            cache: header("x-cache"),
            queries: header("x-query-count").parse().unwrap_or_default(),
            took: Duration::from_secs_f64(took / 1_000.0),
            status: answer.status(),
            body: answer.text().await.expect("an answer is text"),
        }
    }
}

/// How many writes of each thing have begun and ended.
struct Things(Vec<[AtomicU64; 2]>);

impl Default for Things {
    fn default() -> Self {
        Self((0..THINGS).map(|_| Default::default()).collect())
    }
}

impl Things {
    fn of<'a>(&'a self, request: &'a Request) -> impl Iterator<Item = &'a [AtomicU64; 2]> {
        let places = request.about.iter().map(|thing| {
            let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(thing);
            hash as usize % THINGS
        });
        places.map(|place| &self.0[place])
    }

    /// What was written so far, unless a write is on its way.
    fn seen(&self, request: &Request) -> Option<Vec<u64>> {
        let counts = self.of(request).map(|[begun, ended]| {
            // In this order: a write that begins in between is seen by who looks again.
            let ended = ended.load(Ordering::SeqCst);
            let begun = begun.load(Ordering::SeqCst);
            (begun == ended).then_some(begun)
        });
        counts.collect()
    }

    fn write<'a>(&'a self, request: &'a Request) -> impl Drop + use<'a> {
        struct Writing<'a>(Vec<&'a AtomicU64>);
        impl Drop for Writing<'_> {
            fn drop(&mut self) {
                for ended in &self.0 {
                    ended.fetch_add(1, Ordering::SeqCst);
                }
            }
        }
        let all = self.of(request).map(|[begun, ended]| {
            begun.fetch_add(1, Ordering::SeqCst);
            ended
        });
        Writing(all.collect())
    }
}
