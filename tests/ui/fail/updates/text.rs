use cache_runtime::{cached, updates};

#[cached("users", key = id)]
async fn user(id: u64) -> Result<Option<String>, String> {
    Ok(Some(id.to_string()))
}

#[updates("users:{id}")]
async fn rename(id: u64) -> String {
    id.to_string()
}

fn main() {}
