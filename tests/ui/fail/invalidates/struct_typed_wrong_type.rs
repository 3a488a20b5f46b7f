use cache_runtime::{cached, invalidates};

#[cached("users")]
async fn user(id: u64, page: u32) -> u64 {
    id + u64::from(page)
}

#[invalidates(user(id, _))]
struct Renamed {
    id: String,
}

fn main() {}
