use cache_runtime::{cache_keys, updates};

cache_keys! {
    user(id: u64) = "users:{id}", ttl = "1h";
}

#[updates(user(id))]
async fn rename(id: u64) -> String {
    id.to_string()
}

fn main() {}
