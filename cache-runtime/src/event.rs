//! Events: what happened, as a type that says once what it makes old.

use crate::key::Target;

/// Something that happened, and what it makes old.
///
/// Usually written as `#[invalidates(…)]` above a struct, whose fields are then the placeholders of the targets:
///
/// ```
/// use cache_runtime::{cached, invalidates};
///
/// #[cached(namespace = "exec:dashboard", ttl = "30m", key = (workspace_id, days))]
/// async fn dashboard(workspace_id: u64, days: u32) -> String {
///     String::new()
/// }
///
/// #[invalidates(dashboard(workspace_id, _), "exec:*:{workspace_id}:*", tag = "workspace:{workspace_id}")]
/// struct WorkspaceUpdated {
///     workspace_id: u64,
/// }
///
/// #[invalidates(event = WorkspaceUpdated { workspace_id })]
/// async fn rename(workspace_id: u64, name: &str) -> Result<(), std::io::Error> {
///     Ok(())
/// }
///
/// # async fn by_hand() {
/// cache_runtime::Cache::current().emit(WorkspaceUpdated { workspace_id: 7 }).await;
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event",
    label = "what it makes old is not known",
    note = "write `#[invalidates(…)]` with its targets above the struct, or implement `cache_runtime::Event`"
)]
pub trait Event {
    /// What this event makes old.
    fn targets(&self) -> Vec<Target>;

    /// What any event of this type may make old: cleared when a writer was dropped before the event's fields were known.
    fn all_targets() -> Vec<Target>
    where
        Self: Sized;
}

#[diagnostic::do_not_recommend]
impl<E: Event> Event for &E {
    fn targets(&self) -> Vec<Target> {
        (**self).targets()
    }

    fn all_targets() -> Vec<Target> {
        E::all_targets()
    }
}
