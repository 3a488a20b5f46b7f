use reqwest::Method;
use serde_json::json;

use crate::plan::{Claim, Dice, Figure, Plan, Request};

pub(crate) const PLAN: Plan = Plan {
    service: "task_control",
    reads: &[(60, task), (20, list), (20, summary)],
    writes: &[(6, update), (2, create), (1, delete)],
    claims: &[Claim {
        id: "C3",
        figure: Figure::HitRate,
        says: 70.0,
    }],
};

/// Those that somebody still works at, of 40,000.
const TASKS: u64 = 2_000;
const PROJECTS: u64 = 40;

/// A task, and its project.
fn path(n: u64) -> (String, u64) {
    let path = format!("/api/v1/tasks/7a000000-0000-4000-8000-{n:012}");
    (path, 1 + n % PROJECTS)
}

fn task(dice: &mut Dice) -> Request {
    let n = dice.zipf(TASKS);
    Request::get("/api/v1/tasks/{id}", path(n).0).about("task", n)
}

fn list(dice: &mut Dice) -> Request {
    let (project, status) = (dice.zipf(PROJECTS), dice.one_of(&["pending", "running"]));
    let path = format!("/api/v1/tasks?project={project}&status={status}");
    Request::get("/api/v1/tasks", path).about("project", project)
}

fn summary(dice: &mut Dice) -> Request {
    let project = dice.zipf(PROJECTS);
    let path = format!("/api/v1/tasks/summary?project={project}");
    Request::get("/api/v1/tasks/summary", path).about("project", project)
}

fn update(dice: &mut Dice) -> Request {
    let n = dice.zipf(TASKS);
    let status = dice.one_of(&["pending", "running", "done", "failed"]);
    let change = json!({"name": format!("task {}", dice.even(1_000_000)), "status": status, "priority": dice.even(5), "author": "load"});
    let (path, project) = path(n);
    Request::new(Method::PUT, "/api/v1/tasks/{id}", path, Some(change))
        .about("task", n)
        .about("project", project)
}

fn create(dice: &mut Dice) -> Request {
    let project = dice.zipf(PROJECTS);
    let new = json!({"project_id": project, "name": "new", "priority": dice.even(5)});
    Request::new(Method::POST, "/api/v1/tasks", "/api/v1/tasks", Some(new))
        .about("project", project)
}

fn delete(dice: &mut Dice) -> Request {
    let n = dice.even(TASKS);
    let (path, project) = path(n);
    Request::new(Method::DELETE, "/api/v1/tasks/{id}", path, None)
        .about("task", n)
        .about("project", project)
}
