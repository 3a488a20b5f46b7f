use cache_runtime::{cached, updates};

#[cached("users", key = di)]
async fn user(id: u64) -> Option<String> {
    Some(id.to_string())
}

#[updates(user(id))]
async fn rename(id: u64) -> String {
    id.to_string()
}

fn main() {}
