use cache_runtime::cached;

struct User(u64);

#[cached("users", local = "10s")]
async fn user(id: u64) -> Result<User, String> {
    Ok(User(id))
}

fn main() {}
