use cache_runtime::{cached, invalidates};

#[cached("users")]
#[invalidates("people:*")]
async fn user(id: u64) -> u64 {
    id
}

async fn elsewhere() {
    user::invalidate(1).await;
}

fn main() {}
