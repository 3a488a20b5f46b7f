use reqwest::Method;
use serde_json::json;

use crate::plan::{Claim, Dice, Figure, Plan, Request};

pub(crate) const PLAN: Plan = Plan {
    service: "analytics",
    reads: &[
        (30, dashboard),
        (15, kpis),
        (5, workspace),
        (10, agents),
        (15, agent),
        (5, runs),
        (5, credits),
        (5, active_users),
        (5, activity),
        (5, report),
    ],
    writes: &[(5, complete), (5, act), (2, buy), (1, rename)],
    claims: &[
        Claim {
            id: "B9",
            figure: Figure::HitRate,
            says: 80.0,
        },
        Claim {
            id: "B9",
            figure: Figure::HitTime,
            says: 5.0,
        },
        Claim {
            id: "B9",
            figure: Figure::WarmUp,
            says: 30.0,
        },
        Claim {
            id: "B9",
            figure: Figure::Memory,
            says: 500.0,
        },
    ],
};

const WORKSPACES: u64 = 20;
const AGENTS: u64 = 300;
const USERS: u64 = 1_000;

/// Those with the most runs are asked about most.
fn of_workspace(
    dice: &mut Dice,
    route: &'static str,
    path: impl FnOnce(u64, &str) -> String,
) -> Request {
    let n = dice.zipf(WORKSPACES);
    let timeframe = ["7d", "30d", "24h", "90d"][dice.zipf(4) as usize - 1];
    Request::get(route, path(n, timeframe)).about("workspace", n)
}

fn dashboard(dice: &mut Dice) -> Request {
    let route = "/api/v1/executive/dashboard";
    of_workspace(dice, route, |n, timeframe| {
        format!("{route}?workspace_id=ws{n}&timeframe={timeframe}")
    })
}

fn kpis(dice: &mut Dice) -> Request {
    let route = "/api/v1/executive/kpis";
    of_workspace(dice, route, |n, timeframe| {
        format!("{route}?workspace_id=ws{n}&timeframe={timeframe}")
    })
}

fn workspace(dice: &mut Dice) -> Request {
    let route = "/api/v1/workspaces/{id}";
    of_workspace(dice, route, |n, _| format!("/api/v1/workspaces/ws{n}"))
}

fn agents(dice: &mut Dice) -> Request {
    let route = "/api/v1/workspaces/{id}/agents";
    of_workspace(dice, route, |n, _| {
        format!("/api/v1/workspaces/ws{n}/agents?timeframe=7d")
    })
}

fn agent(dice: &mut Dice) -> Request {
    let n = dice.zipf(AGENTS);
    let path = format!("/api/v1/agents/agent{n}/analytics?timeframe=7d");
    Request::get("/api/v1/agents/{id}/analytics", path).about("agent", n)
}

fn runs(dice: &mut Dice) -> Request {
    let route = "/api/v1/metrics/runs";
    of_workspace(dice, route, |n, _| format!("{route}?workspace_id=ws{n}"))
}

fn credits(dice: &mut Dice) -> Request {
    let route = "/api/v1/metrics/credits";
    of_workspace(dice, route, |n, timeframe| {
        format!("{route}?workspace_id=ws{n}&timeframe={timeframe}")
    })
}

/// Of one of the last days.
fn date(dice: &mut Dice) -> String {
    format!("2024-02-{:02}", 30 - dice.zipf(5))
}

fn active_users(dice: &mut Dice) -> Request {
    let route = "/api/v1/metrics/users/active";
    Request::get(route, format!("{route}?date={}", date(dice))).about("users", 0)
}

fn activity(dice: &mut Dice) -> Request {
    let n = dice.zipf(USERS);
    let path = format!("/api/v1/users/user{n}/activity?date={}", date(dice));
    Request::get("/api/v1/users/{id}/activity", path).about("user", n)
}

fn report(dice: &mut Dice) -> Request {
    let n = dice.zipf(WORKSPACES);
    let text = dice.one_of(&["invoice", "meeting", "contract"]);
    let by = dice.one_of(&["agent", "user", "status"]);
    let route = "/api/v1/query";
    let when = "from=2024-01-01&until=2024-02-29";
    let path = format!("{route}?workspace_id=ws{n}&{when}&by={by}&text={text}");
    Request::get(route, path).about("workspace", n)
}

fn complete(dice: &mut Dice) -> Request {
    let n = dice.zipf(AGENTS);
    let workspace = 1 + (n - 1) / 15;
    let run = json!({
        "user_id": format!("user{}", workspace * 50), "date": date(dice), "failed": false, "duration_ms": dice.even(9_000),
        "credits": dice.even(5), "summary": "sorts more invoices",
    });
    let path = format!("/api/v1/agents/agent{n}/runs");
    Request::new(Method::POST, "/api/v1/agents/{id}/runs", path, Some(run))
        .about("agent", n)
        .about("workspace", workspace)
}

fn act(dice: &mut Dice) -> Request {
    let n = dice.zipf(USERS);
    let activity = json!({"date": date(dice), "kind": "view"});
    let path = format!("/api/v1/users/user{n}/activity");
    let route = "/api/v1/users/{id}/activity";
    Request::new(Method::POST, route, path, Some(activity))
        .about("user", n)
        .about("users", 0)
}

fn buy(dice: &mut Dice) -> Request {
    let n = dice.zipf(WORKSPACES);
    let bought = json!({"amount": 1_000, "date": date(dice)});
    let path = format!("/api/v1/workspaces/ws{n}/credits");
    let route = "/api/v1/workspaces/{id}/credits";
    Request::new(Method::POST, route, path, Some(bought)).about("workspace", n)
}

fn rename(dice: &mut Dice) -> Request {
    let n = dice.zipf(WORKSPACES);
    let name = json!({"name": format!("Renamed {}", dice.even(1_000_000))});
    let path = format!("/api/v1/workspaces/ws{n}");
    Request::new(Method::PUT, "/api/v1/workspaces/{id}", path, Some(name)).about("workspace", n)
}
