use cache_runtime::{cached, updates};

#[cached("users", key = id)]
async fn user(id: u64) -> Result<Option<String>, String> {
    Ok(Some(id.to_string()))
}

#[updates(user(id))]
struct Renamed {
    id: u64,
}

fn main() {}
