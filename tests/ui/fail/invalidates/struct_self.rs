use cache_runtime::{cached, invalidates};

#[cached("users")]
async fn user(id: u64) -> u64 {
    id
}

#[invalidates(user(self.id), "users:{self.id}")]
struct Renamed {
    id: u64,
}

fn main() {}
