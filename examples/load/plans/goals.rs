use reqwest::Method;
use serde_json::json;

use crate::plan::{Claim, Dice, Figure, Plan, Request};

pub(crate) const PLAN: Plan = Plan {
    service: "goals",
    reads: &[
        (15, latest),
        (15, history),
        (20, goals),
        (15, goal),
        (10, tasks),
        (20, dashboard),
        (5, user),
    ],
    writes: &[
        (4, update_goal),
        (1, create_goal),
        (1, complete_goal),
        (6, update_task),
        (3, save_snapshot),
        (1, update_user),
    ],
    claims: &[
        Claim {
            id: "D10",
            figure: Figure::QueriesSaved,
            says: 50.0,
        },
        Claim {
            id: "D10",
            figure: Figure::SpeedUp,
            says: 5.0,
        },
    ],
};

const USERS: u64 = 100;
const GOALS: u64 = 1_000;
const TASKS: u64 = 60_000;

/// As the rows were made.
fn user_of_goal(n: u64) -> u64 {
    1 + (n * 7919 % 101) * (n * 10007 % 103) / 103
}

fn of_user(dice: &mut Dice, route: &'static str, rest: &str) -> Request {
    let n = dice.zipf(USERS);
    Request::get(route, format!("/api/users/user{n}{rest}")).about("user", n)
}

fn user(dice: &mut Dice) -> Request {
    of_user(dice, "/api/users/{user_id}", "")
}

fn latest(dice: &mut Dice) -> Request {
    of_user(dice, "/api/users/{user_id}/ari", "/ari")
}

fn history(dice: &mut Dice) -> Request {
    of_user(dice, "/api/users/{user_id}/ari/history", "/ari/history")
}

fn goals(dice: &mut Dice) -> Request {
    of_user(dice, "/api/users/{user_id}/goals", "/goals")
}

fn tasks(dice: &mut Dice) -> Request {
    let status = dice.one_of(&["/tasks?status=pending", "/tasks?status=running"]);
    of_user(dice, "/api/users/{user_id}/tasks", status)
}

fn dashboard(dice: &mut Dice) -> Request {
    of_user(dice, "/api/users/{user_id}/dashboard", "/dashboard")
}

/// A goal of the plan's, with its path and its user.
fn some_goal(dice: &mut Dice) -> (String, u64) {
    let n = dice.zipf(GOALS);
    let user = user_of_goal(n);
    (format!("/api/users/user{user}/goals/goal{n}"), user)
}

fn goal(dice: &mut Dice) -> Request {
    let (path, user) = some_goal(dice);
    Request::get("/api/users/{user_id}/goals/{goal_id}", path).about("user", user)
}

fn update_goal(dice: &mut Dice) -> Request {
    let (path, user) = some_goal(dice);
    let change = json!({"title": "A better title", "progress": dice.even(10) as f64 / 10.0});
    let route = "/api/users/{user_id}/goals/{goal_id}";
    Request::new(Method::PUT, route, path, Some(change)).about("user", user)
}

fn create_goal(dice: &mut Dice) -> Request {
    let n = dice.zipf(USERS);
    let (path, new) = (format!("/api/users/user{n}/goals"), json!({"title": "New"}));
    Request::new(Method::POST, "/api/users/{user_id}/goals", path, Some(new)).about("user", n)
}

fn complete_goal(dice: &mut Dice) -> Request {
    let (path, user) = some_goal(dice);
    let route = "/api/users/{user_id}/goals/{goal_id}/complete";
    Request::new(Method::POST, route, format!("{path}/complete"), None).about("user", user)
}

fn update_task(dice: &mut Dice) -> Request {
    let n = dice.even(TASKS);
    let user = user_of_goal(1 + (n - 1) % GOALS);
    let path = format!("/api/users/user{user}/tasks/task{n}");
    let route = "/api/users/{user_id}/tasks/{task_id}";
    let change = json!({"status": "running"});
    Request::new(Method::PUT, route, path, Some(change)).about("user", user)
}

fn save_snapshot(dice: &mut Dice) -> Request {
    let n = dice.zipf(USERS);
    let part = dice.even(100) as f64 / 100.0;
    let new = json!({"day": 19_723, "autonomy": part, "skill": part, "reliance": part});
    let path = format!("/api/users/user{n}/ari");
    Request::new(Method::POST, "/api/users/{user_id}/ari", path, Some(new)).about("user", n)
}

fn update_user(dice: &mut Dice) -> Request {
    let n = dice.zipf(USERS);
    let change = json!({"name": "Ada", "style": dice.one_of(&["visual", "doing"])});
    let path = format!("/api/users/user{n}");
    Request::new(Method::PUT, "/api/users/{user_id}", path, Some(change)).about("user", n)
}
