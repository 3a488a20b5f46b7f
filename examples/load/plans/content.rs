use reqwest::Method;
use serde_json::json;

use crate::plan::{Claim, Dice, Figure, Plan, Request};

pub(crate) const PLAN: Plan = Plan {
    service: "content",
    reads: &[(25, pending), (10, metrics), (3, daily), (62, article)],
    writes: &[(2, create), (1, run), (1, delete), (6, change)],
    claims: &[Claim {
        id: "E9",
        figure: Figure::SpeedUp,
        says: 20.0,
    }],
};

const TASKS: u64 = 10_000;
/// Those that anybody still reads, of 5,000.
const ARTICLES: u64 = 2_000;
const TOPICS: u64 = 40;

fn pending(dice: &mut Dice) -> Request {
    let limit = dice.one_of(&[10, 10, 10, 50]);
    let path = format!("/api/tasks/pending?limit={limit}");
    Request::get("/api/tasks/pending", path).about("tasks", 0)
}

fn metrics(_: &mut Dice) -> Request {
    Request::get("/api/metrics", "/api/metrics")
        .about("tasks", 0)
        .about("runs", 0)
}

fn daily(_: &mut Dice) -> Request {
    Request::get("/api/analytics/daily", "/api/analytics/daily").about("runs", 0)
}

fn article(dice: &mut Dice) -> Request {
    let n = dice.zipf(ARTICLES);
    Request::get("/api/content/{id}", format!("/api/content/{n}"))
        .about("article", n)
        .about("topic", n % TOPICS)
}

fn create(dice: &mut Dice) -> Request {
    let (title, priority) = (format!("new {}", dice.even(1_000_000)), dice.even(4) - 1);
    let new = json!({"title": title, "topic": "topic-1", "priority": priority});
    Request::new(Method::POST, "/api/tasks", "/api/tasks", Some(new)).about("tasks", 0)
}

fn task(dice: &mut Dice) -> String {
    format!(
        "/api/tasks/d0000000-0000-4000-8000-{:012}",
        dice.even(TASKS)
    )
}

fn run(dice: &mut Dice) -> Request {
    let path = format!("{}/runs", task(dice));
    let run = json!({"day": "2025-09-19", "milliseconds": dice.even(2_000), "cents": dice.even(40), "failed": false});
    Request::new(Method::POST, "/api/tasks/{id}/runs", path, Some(run))
        .about("tasks", 0)
        .about("runs", 0)
}

fn delete(dice: &mut Dice) -> Request {
    Request::new(Method::DELETE, "/api/tasks/{id}", task(dice), None)
        .about("tasks", 0)
        .about("runs", 0)
}

fn change(dice: &mut Dice) -> Request {
    let n = dice.zipf(ARTICLES);
    let draft =
        json!({"title": format!("Title {}", dice.even(1_000_000)), "text": "# New\n\nas it is"});
    let path = format!("/api/content/{n}");
    Request::new(Method::PUT, "/api/content/{id}", path, Some(draft))
        .about("article", n)
        .about("topic", n % TOPICS)
}
