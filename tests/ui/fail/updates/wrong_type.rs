use cache_runtime::{cached, updates};

#[cached("users", key = id)]
async fn user(id: u64) -> Result<Option<String>, String> {
    Ok(Some(id.to_string()))
}

#[updates(user(name))]
async fn rename(name: String) -> String {
    name
}

fn main() {}
