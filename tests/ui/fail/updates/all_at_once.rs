use cache_runtime::updates;

#[updates(user, "users:{id}", user(_), user(result.id), ttl = "1m", colour = 1)]
fn rename(id: u64) -> Result<(), String> {
    Err(id.to_string())
}

fn main() {}
