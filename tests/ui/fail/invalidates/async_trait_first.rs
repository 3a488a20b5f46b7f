use cache_runtime::invalidates;

use std::pin::Pin;

#[invalidates("users:*")]
fn rename(id: u64) -> Pin<Box<dyn Future<Output = u64>>> {
    Box::pin(async move { id })
}

fn main() {}
