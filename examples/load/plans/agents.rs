use reqwest::Method;
use serde_json::json;

use crate::plan::{Claim, Dice, Figure, Plan, Request};

pub(crate) const PLAN: Plan = Plan {
    service: "agents",
    reads: &[
        (10, agents),
        (30, agent),
        (10, agent_by_name),
        (10, channels),
        (20, channel),
        (10, messages),
        (10, workflow),
    ],
    writes: &[
        (1, activate),
        (6, send),
        (1, clear),
        (1, create),
        (3, start),
    ],
    claims: &[
        Claim {
            id: "A14",
            figure: Figure::QueriesSaved,
            says: 60.0,
        },
        Claim {
            id: "A14",
            figure: Figure::HitRate,
            says: 60.0,
        },
    ],
};

const AGENTS: u64 = 205;
const CHANNELS: u64 = 400;
const WORKFLOWS: u64 = 3_000;

fn agents(_: &mut Dice) -> Request {
    Request::get("/api/agents", "/api/agents").about("agents", 0)
}

fn agent(dice: &mut Dice) -> Request {
    let n = dice.zipf(AGENTS);
    let path = format!("/api/agents/a0000000-0000-4000-8000-{n:012}");
    Request::get("/api/agents/{id}", path).about("agent", n)
}

fn agent_by_name(dice: &mut Dice) -> Request {
    let n = 6 + dice.zipf(AGENTS - 6);
    let path = format!("/api/agents/name/@helper-{n}");
    Request::get("/api/agents/name/{name}", path).about("agent", n)
}

fn channels(_: &mut Dice) -> Request {
    Request::get("/api/channels", "/api/channels").about("channels", 0)
}

fn path(n: u64, rest: &str) -> String {
    format!("/api/channels/c0000000-0000-4000-8000-{n:012}{rest}")
}

fn channel(dice: &mut Dice) -> Request {
    let n = dice.zipf(CHANNELS);
    Request::get("/api/channels/{id}", path(n, "")).about("channel", n)
}

fn messages(dice: &mut Dice) -> Request {
    let n = dice.zipf(CHANNELS);
    let path = path(n, "/messages/count");
    Request::get("/api/channels/{id}/messages/count", path).about("channel", n)
}

fn workflow(dice: &mut Dice) -> Request {
    let n = dice.zipf(WORKFLOWS);
    Request::get("/api/workflows/{id}", format!("/api/workflows/{n}")).about("workflow", n)
}

fn activate(dice: &mut Dice) -> Request {
    let n = dice.zipf(AGENTS);
    let to = dice.one_of(&["activate", "deactivate"]);
    let path = format!("/api/agents/a0000000-0000-4000-8000-{n:012}/{to}");
    Request::new(Method::PATCH, "/api/agents/{id}/activate", path, None)
        .about("agent", n)
        .about("agents", 0)
}

fn send(dice: &mut Dice) -> Request {
    let n = dice.zipf(CHANNELS);
    let (path, text) = (path(n, "/messages"), json!({"text": "hello"}));
    Request::new(
        Method::POST,
        "/api/channels/{id}/messages",
        path,
        Some(text),
    )
    .about("channel", n)
}

fn clear(dice: &mut Dice) -> Request {
    let n = dice.zipf(CHANNELS);
    Request::new(
        Method::POST,
        "/api/channels/{id}/clear",
        path(n, "/clear"),
        None,
    )
    .about("channel", n)
}

fn create(dice: &mut Dice) -> Request {
    let new = json!({"name": format!("project-{}", dice.even(1_000_000)), "topic": "new"});
    Request::new(Method::POST, "/api/channels", "/api/channels", Some(new)).about("channels", 0)
}

fn start(dice: &mut Dice) -> Request {
    let n = dice.zipf(WORKFLOWS);
    let to = dice.one_of(&["start", "cancel"]);
    let path = format!("/api/workflows/{n}/{to}");
    Request::new(Method::POST, "/api/workflows/{id}/start", path, None).about("workflow", n)
}
