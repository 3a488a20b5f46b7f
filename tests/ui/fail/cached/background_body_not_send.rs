use cache_runtime::cached;

use std::rc::Rc;

#[cached("users", stale_while_revalidate = "1m")]
async fn user(id: u64) -> u64 {
    let shared = Rc::new(id);
    std::future::ready(()).await;
    *shared
}

fn main() {}
