use cache_runtime::{cached, invalidates};

#[cached("users")]
async fn user(id: u64) -> u64 {
    id
}

#[invalidates("users:{idd}", tag = "teams:{team}", user(uid))]
struct Renamed {
    id: u64,
}

fn main() {}
