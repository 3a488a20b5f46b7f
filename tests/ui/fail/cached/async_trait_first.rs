use cache_runtime::cached;

use std::pin::Pin;

#[cached("users")]
fn user<'a>(id: &'a u64) -> Pin<Box<dyn Future<Output = u64> + Send + 'a>> {
    Box::pin(async move { *id })
}

fn main() {}
