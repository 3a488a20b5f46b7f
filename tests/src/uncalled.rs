//! What nothing in any program calls, for the check of all keys: it has to see the crates that a program is linked with.

use cache_runtime::invalidates;

#[invalidates("uncalled:*")]
async fn uncalled() {}
