//! Load on the five services: what their caches gain, beside what their documents say, and whether any answer was old.
//!
//! ```text
//! cargo run --release --example load                          # all five, on SQLite and PostgreSQL, in memory and in Redis
//! cargo run --release --example load -- --service agents --database sqlite --store redis
//! cargo run --example load -- --quick                         # a short version, as the tests have it
//! ```
//!
//! Each run has a database of its own, with the rows that the service comes with. First reads alone go to an instance without a cache: so many queries they cost, and so long they take.
//! Then the same reads, with writes between them, go to an instance with a cache, or with Redis to two of them in turns. Each answer is compared with what the instance without a cache
//! says right after, unless a write of the same things ran meanwhile.
//!
//! It ends with 0 when no answer was old and no request failed, with 1 otherwise, and with 2 for wrong usage. What a claim says is shown, and no reason to fail: machines differ.
//!
//! | module | what |
//! |---|---|
//! | `plan`, `plans` | the requests of each service, and what its document claims |
//! | `world` | a database, a store, and the instances |
//! | `traffic` | the requests on their way, and the comparison |
//! | `figures` | what is told at the end |

mod figures;
mod plan;
mod plans;
mod traffic;
mod world;

use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

use crate::figures::Figures;
use crate::plan::Plan;
use crate::traffic::Traffic;
use crate::world::{Database, Store, World};

/// Puts load on the five services, and compares every answer with the database.
#[derive(Debug, Parser)]
#[command(name = "load", args_conflicts_with_subcommands = true)]
struct Options {
    #[command(subcommand)]
    command: Option<Command>,
    /// Only this service; a letter is enough.
    #[arg(long, value_parser = service)]
    service: Option<&'static str>,
    /// Only this database.
    #[arg(long)]
    database: Option<Database>,
    /// Only with answers kept here.
    #[arg(long)]
    store: Option<Store>,
    /// Reads of each run.
    #[arg(long, default_value_t = 20_000)]
    reads: usize,
    /// Writes among a hundred requests.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(0..=50))]
    writes: u8,
    /// Requests on their way at one time.
    #[arg(long, default_value_t = 4)]
    tasks: usize,
    /// The same seed makes the same requests.
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// A two-hundredth of the reads, and of databases and stores only SQLite with Redis.
    #[arg(long)]
    quick: bool,
    /// The figures as JSON, a line a run.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// One of the services, for the processes that this program starts.
    #[command(hide = true)]
    Serve { name: String },
}

fn service(text: &str) -> Result<&'static str, String> {
    let known = plans::ALL.iter().map(|plan| plan.service);
    let found = known
        .enumerate()
        .find(|(n, name)| *name == text || text == plans::LETTERS[*n]);
    found.map(|(_, name)| name).ok_or_else(|| {
        let names: Vec<_> = plans::ALL.iter().map(|plan| plan.service).collect();
        format!("the services are {}", names.join(", "))
    })
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    if let Some(Command::Serve { name }) = &options.command {
        return cache_services::run(name).await;
    }
    let mut right = true;
    for plan in plans::ALL {
        if options.service.is_some_and(|only| only != plan.service) {
            continue;
        }
        for (database, store) in options.runs() {
            let figures = options.run(plan, database, store).await;
            right &= figures.is_right();
            match options.json {
                true => anstream::println!("{}", figures.json()),
                false => anstream::println!("{figures}"),
            }
        }
    }
    ExitCode::from(u8::from(!right))
}

impl Options {
    fn runs(&self) -> Vec<(Database, Store)> {
        let (databases, stores): (&[_], &[_]) = match self.quick {
            true => (&[Database::Sqlite], &[Store::Redis]),
            false => (Database::value_variants(), Store::value_variants()),
        };
        let databases = match &self.database {
            Some(only) => std::slice::from_ref(only),
            None => databases,
        };
        let stores = match &self.store {
            Some(only) => std::slice::from_ref(only),
            None => stores,
        };
        let pairs = databases
            .iter()
            .flat_map(|database| stores.iter().map(move |store| (*database, *store)));
        pairs.collect()
    }

    async fn run(&self, plan: &'static Plan, database: Database, store: Store) -> Figures {
        let reads = if self.quick {
            self.reads / 200
        } else {
            self.reads
        };
        let name = format!("{} on {database} with {store}", plan.service);
        let traffic = Traffic::new(name, plan, reads, self.writes, self.tasks, self.seed);
        let world = World::start(plan.service, database, store).await;
        let bare = traffic.read(world.bare()).await;
        let (cached, began) = world.start_cached().await;
        let mixed = traffic.mix(&cached, world.bare()).await;
        let memory = world.memory().await;
        Figures::new(plan, database, store, bare, mixed, began, memory)
    }
}
