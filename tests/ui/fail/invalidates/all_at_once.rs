use cache_runtime::invalidates;

#[invalidates("*", user, tag = "", "users:{di}", on = never, colour = 1)]
async fn rename(id: u64) -> Result<u64, String> {
    Ok(id)
}

fn main() {}
