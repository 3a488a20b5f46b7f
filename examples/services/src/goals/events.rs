//! What happens to somebody's data, and what it makes old beside its ttl.

use cache_runtime::invalidates;

#[invalidates("user:ari:*:{user_id}", "dashboard:metrics:{user_id}")]
pub(super) struct AriSnapshotCreated {
    pub(super) user_id: String,
}

#[invalidates("user:goals:*:{user_id}", "dashboard:metrics:{user_id}")]
pub(super) struct GoalCreated {
    pub(super) user_id: String,
}

#[invalidates(
    "goal:{goal_id}",
    "user:goals:*:{user_id}",
    "dashboard:metrics:{user_id}"
)]
pub(super) struct GoalUpdated {
    pub(super) goal_id: String,
    pub(super) user_id: String,
}

/// It may have been in any list, and is in another one now.
#[invalidates("user:tasks:*:{user_id}", "dashboard:metrics:{user_id}")]
pub(super) struct TaskCompleted {
    pub(super) user_id: String,
}

/// All of the user's data.
#[invalidates(
    "user:profile:{user_id}",
    "user:*:*:{user_id}",
    "dashboard:metrics:{user_id}"
)]
pub(super) struct UserUpdated {
    pub(super) user_id: String,
}
