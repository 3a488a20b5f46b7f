use cache_runtime::{cached, updates};

#[cached("users", key = id)]
async fn user(id: u64) -> Result<Option<String>, String> {
    Ok(Some(id.to_string()))
}

#[updates(user(id))]
async fn rename(id: u64) -> Result<(), String> {
    Err(id.to_string())
}

fn main() {}
