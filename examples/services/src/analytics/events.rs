//! What happens, and what it makes old: said once, whoever lets it happen.

use cache_runtime::invalidates;

use super::keys;

/// An agent has come to the end of a run.
#[invalidates(
    "agent:*:{agent_id}:*",
    "exec:*:{workspace_id}:*",
    "metrics:agg:runs:{workspace_id}:*",
    "query:result:{workspace_id}:*"
)]
pub(super) struct RunCompleted {
    pub(super) agent_id: String,
    pub(super) workspace_id: String,
}

/// A user has done something.
#[invalidates("user:activity:{user_id}:*", "metrics:users:active:*")]
pub(super) struct UserActivity {
    pub(super) user_id: String,
}

/// Anything about a workspace.
#[invalidates(
    "exec:*:{workspace_id}:*",
    "ws:*:{workspace_id}:*",
    "metrics:credits:{workspace_id}:*",
    "metrics:agg:runs:{workspace_id}:*",
    "query:result:{workspace_id}:*"
)]
pub(super) struct WorkspaceUpdated {
    pub(super) workspace_id: String,
}

/// A workspace has bought or spent credits.
#[invalidates("metrics:credits:{workspace_id}:*", keys::dashboard(&workspace_id, _))]
pub(super) struct CreditTransaction {
    pub(super) workspace_id: String,
}
