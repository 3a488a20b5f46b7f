use cache_runtime::{cached, invalidates};

#[cached("user s", ttl = "5min", colour = 1, version = "1", tags = ["a:{b}"])]
async fn user(#[skip(x)] db: &str, id: u64, page: u32) -> u64 {
    let _ = (db, page);
    id
}

async fn elsewhere() {
    let _ = user("", 1, 2).await;
    let _ = user::key(1, 2);
    user::invalidate(1, 2).await;
    let _: Option<u64> = user::peek(1, 2).await;
    user::put(1, 2, 3).await;
    let _: u64 = user::refresh("", 1, 2).await;
}

#[invalidates(user(id, _))]
async fn rename(id: u64) {
    let _ = id;
}

fn main() {}
