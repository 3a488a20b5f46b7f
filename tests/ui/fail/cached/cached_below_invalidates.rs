use cache_runtime::{cached, invalidates};

#[invalidates("people:*")]
#[cached("users")]
async fn user(id: u64) -> u64 {
    id
}

async fn elsewhere() {
    user::invalidate(1).await;
}

fn main() {}
