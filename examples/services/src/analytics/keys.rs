//! The names of all keys, in one place, with how long what they name is kept.

use cache_runtime::{cache_keys, ttl};

use super::report::Question;
use super::time::{Day, Timeframe};

cache_keys! {
    /// Large, and read by programs alone: the compact form.
    pub(super) dashboard(workspace_id: &str, timeframe: Timeframe) = "exec:dashboard:{workspace_id}:{timeframe}", ttl = ttl::LONG, codec = postcard;
    pub(super) kpis(workspace_id: &str, timeframe: Timeframe) = "exec:kpis:{workspace_id}:{timeframe}", ttl = ttl::MEDIUM;
    pub(super) workspace(workspace_id: &str) = "ws:overview:{workspace_id}:now", ttl = ttl::LONG;
    pub(super) agents_of(workspace_id: &str) = "ws:agents:{workspace_id}:ids", ttl = ttl::LONG;
    pub(super) agent(agent_id: &str, timeframe: Timeframe) = "agent:analytics:{agent_id}:{timeframe}", ttl = ttl::LONG;
    pub(super) runs(workspace_id: &str) = "metrics:agg:runs:{workspace_id}:daily", ttl = ttl::HOUR;
    pub(super) credits(workspace_id: &str, timeframe: Timeframe) = "metrics:credits:{workspace_id}:{timeframe}", ttl = ttl::MEDIUM;
    pub(super) active_users(date: Day) = "metrics:users:active:{date}", ttl = ttl::SHORT;
    /// Personal: in Redis nobody else can read it.
    pub(super) activity(user_id: &str, date: Day) = "user:activity:{user_id}:{date}", ttl = ttl::MEDIUM, encrypt = on;
    /// Where a question is long, its hash stands in the key.
    pub(super) answer(workspace_id: &str, question: &Question) = "query:result:{workspace_id}:{question}", ttl = ttl::DAY;
}
