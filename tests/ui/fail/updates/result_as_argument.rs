use cache_runtime::{cached, updates};

#[cached("users", key = id)]
async fn user(id: u64) -> Result<Option<String>, String> {
    Ok(Some(id.to_string()))
}

struct User {
    id: u64,
    name: String,
}

#[updates(user(result.id))]
async fn create(name: &str) -> Result<User, String> {
    Ok(User { id: 1, name: name.to_owned() })
}

fn main() {}
