//! A small task board on SQLite. Four annotated functions, and the figures of what that gains.
//!
//! ```text
//! cargo run --example quickstart                                     # in this process
//! REDIS_URL=redis://127.0.0.1:6379 cargo run --example quickstart    # the same, on Redis
//! ```
//!
//! Read the first half: it is all that an application writes.
#![expect(clippy::print_stdout, reason = "a program that prints figures")]

use std::error::Error;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use cache_runtime::{Builder, cached, invalidates};
use serde::{Deserialize, Serialize};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};

#[derive(Debug, Serialize, Deserialize, sqlx::FromRow)]
struct Task {
    id: i64,
    title: String,
    status: String,
}

#[derive(Debug, Serialize, Deserialize, sqlx::FromRow)]
struct Report {
    tasks: i64,
    done: i64,
    comments: i64,
}

/// One row by its id. That there is none is remembered too, but not for long.
#[cached("tasks", "10m", key = task_id, none_ttl = "30s")]
async fn task(#[skip] db: &Db, task_id: i64) -> Result<Option<Task>, sqlx::Error> {
    sqlx::query_as("SELECT id, title, status FROM tasks WHERE id = ?")
        .bind(task_id)
        .fetch_optional(db.counted())
        .await
}

/// The tasks of a workspace that have this status, the most discussed first.
#[cached(namespace = "board", ttl = "5m", key = (workspace_id, status))]
async fn board(#[skip] db: &Db, workspace_id: i64, status: &str) -> Result<Vec<Task>, sqlx::Error> {
    sqlx::query_as(
        "SELECT id, title, status FROM tasks WHERE workspace_id = ? AND status = ?
         ORDER BY (SELECT count(*) FROM comments WHERE task_id = tasks.id) DESC, id",
    )
    .bind(workspace_id)
    .bind(status)
    .fetch_all(db.counted())
    .await
}

/// A statistic over several tables. The tag groups it with all else that concerns the workspace.
#[cached(namespace = "report", ttl = "1h", key = workspace_id, tags = ["workspace:{workspace_id}"])]
async fn report(#[skip] db: &Db, workspace_id: i64) -> Result<Report, sqlx::Error> {
    sqlx::query_as(
        "SELECT count(DISTINCT tasks.id) AS tasks,
                count(DISTINCT CASE status WHEN 'done' THEN tasks.id END) AS done,
                count(comments.id) AS comments
         FROM tasks LEFT JOIN comments ON task_id = tasks.id WHERE workspace_id = ?",
    )
    .bind(workspace_id)
    .fetch_one(db.counted())
    .await
}

/// A write names what it makes stale: a task, all boards of the workspace, and what has the tag.
#[invalidates(
    task(task_id),
    board(workspace_id, _),
    tag = "workspace:{workspace_id}"
)]
async fn finish(db: &Db, workspace_id: i64, task_id: i64) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE tasks SET status = 'done' WHERE id = ? AND workspace_id = ?")
        .bind(task_id)
        .bind(workspace_id)
        .execute(db.counted())
        .await?;
    Ok(())
}

// That was all. What follows fills a database, calls those functions, and prints figures.

const WORKSPACES: i64 = 40;
const TASKS: i64 = 6_000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Not needed: the first call makes a cache from the environment. A prefix of its own lets each
    // run begin cold, also in a Redis where an earlier run left its keys.
    let started = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
    let prefix = format!("quickstart-{started:x}");
    let cache = Builder::from_env()?.prefix(&prefix).install()?;

    let folder = tempfile::tempdir()?;
    let db = Db::create(&folder.path().join("board.sqlite")).await?;
    let store = cache.store_name();
    println!("{TASKS} tasks in SQLite; the cache is in {store}.\n");

    read(&db).await?;
    write(&db).await?;

    println!("\nTry next:");
    match store {
        "redis" => println!("  redis-cli -u $REDIS_URL --scan --pattern '{prefix}*'"),
        _ => println!("  REDIS_URL=redis://127.0.0.1:6379 cargo run --example quickstart"),
    }
    Ok(())
}

/// Reads as people do: a few tasks and workspaces often, most of them rarely.
async fn read(db: &Db) -> Result<(), sqlx::Error> {
    let (mut tasks, mut boards, mut reports) = <(Measured, Measured, Measured)>::default();
    let mut dice = Dice(42);
    for _ in 0..3_000 {
        let workspace_id = dice.skewed(WORKSPACES);
        tasks.call(db, task(db, dice.skewed(TASKS))).await?;
        tasks.call(db, task(db, dice.skewed(TASKS))).await?;
        boards.call(db, board(db, workspace_id, "open")).await?;
        reports.call(db, report(db, workspace_id)).await?;
    }

    println!("function  calls  database queries  hit rate  a miss takes  a hit takes");
    tasks.print("task");
    boards.print("board");
    reports.print("report");
    println!("(the times are medians)");
    Ok(())
}

/// One write, and the same reads before and after it.
async fn write(db: &Db) -> Result<(), sqlx::Error> {
    let (workspace_id, task_id) = (1, 1);
    board(db, 2, "open").await?;
    let before = seen(db, workspace_id, task_id).await?;
    finish(db, workspace_id, task_id).await?;
    let after = seen(db, workspace_id, task_id).await?;

    let key = task::key(task_id);
    let boards = board::pattern(Some(workspace_id), None);
    println!("\nOne write, finish(task 1), invalidated {key}, {boards} and the tag workspace:1.");
    println!("The next reads were fresh:");
    for ((what, old), (_, new)) in before.iter().zip(&after) {
        println!("  {what:<20} {old} -> {new}");
    }

    let queries = db.queries();
    board(db, 2, "open").await?;
    let asked = db.queries() - queries;
    println!("The board of workspace 2, which it did not concern, cost {asked} queries.");
    Ok(())
}

/// What a visitor of the workspace sees at one moment.
async fn seen(
    db: &Db,
    workspace_id: i64,
    task_id: i64,
) -> Result<[(&'static str, String); 3], sqlx::Error> {
    let task = task(db, task_id).await?.ok_or(sqlx::Error::RowNotFound)?;
    let open = board(db, workspace_id, "open").await?.len();
    let done = report(db, workspace_id).await?.done;
    Ok([
        ("status of the task", task.status),
        ("open on the board", open.to_string()),
        ("done in the report", done.to_string()),
    ])
}

/// A database that counts its queries, so that the figures are of real ones.
struct Db {
    pool: SqlitePool,
    queries: AtomicU64,
}

impl Db {
    async fn create(file: &Path) -> Result<Self, sqlx::Error> {
        let options = SqliteConnectOptions::new().filename(file);
        let pool = SqlitePool::connect_with(options.create_if_missing(true)).await?;
        sqlx::raw_sql(include_str!("quickstart.sql"))
            .execute(&pool)
            .await?;
        let queries = AtomicU64::new(0);
        Ok(Self { pool, queries })
    }

    fn counted(&self) -> &SqlitePool {
        self.queries.fetch_add(1, Ordering::Relaxed);
        &self.pool
    }

    fn queries(&self) -> u64 {
        self.queries.load(Ordering::Relaxed)
    }
}

/// The calls of one function. One that asked the database was a miss.
#[derive(Default)]
struct Measured {
    queries: u64,
    hits: Vec<Duration>,
    misses: Vec<Duration>,
}

impl Measured {
    async fn call<T, E>(
        &mut self,
        db: &Db,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<(), E> {
        let (queries, begin) = (db.queries(), Instant::now());
        call.await?;
        let (asked, time) = (db.queries() - queries, begin.elapsed());
        self.queries += asked;
        match asked {
            0 => self.hits.push(time),
            _ => self.misses.push(time),
        }
        Ok(())
    }

    fn print(mut self, function: &str) {
        let (queries, calls) = (self.queries, self.hits.len() + self.misses.len());
        let rate = 100 * self.hits.len() / calls;
        let (miss, hit) = (median(&mut self.misses), median(&mut self.hits));
        println!("{function:<8}  {calls:>5}  {queries:>16}  {rate:>6} %  {miss:>12}  {hit:>11}");
    }
}

fn median(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let middle = times.get(times.len() / 2);
    middle.map_or("-".to_owned(), |time| format!("{} µs", time.as_micros()))
}

/// The same dice in every run.
struct Dice(u64);

impl Dice {
    /// From 1 to `faces`, the low ones much more often.
    fn skewed(&mut self, faces: i64) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005) + 1;
        let even = (self.0 >> 33) as f64 / (1_u64 << 31) as f64;
        1 + (faces as f64 * even.powi(6)) as i64
    }
}
