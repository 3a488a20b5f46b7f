use cache_runtime::{cached, updates};

#[cached("users", key = id)]
async fn user(id: u64) -> Result<Option<String>, String> {
    Ok(Some(id.to_string()))
}

#[updates(user(id), tag = "users", patterns = ["users:*"], crash_safe = "30s", hold_off = "1s", on = always)]
async fn rename(id: u64) -> String {
    id.to_string()
}

fn main() {}
