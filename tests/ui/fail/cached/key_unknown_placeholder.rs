use cache_runtime::cached;

#[cached("users", key = "{user_di}")]
async fn user(user_id: u64) -> u64 {
    user_id
}

fn main() {}
