use cache_runtime::{cached, updates};

use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct User;

#[cached("users", key = id)]
async fn user(id: u64) -> User {
    let _ = id;
    User
}

#[updates(user(id))]
async fn rename(id: u64) -> Result<User, String> {
    Err(id.to_string())
}

fn main() {}
