use cache_runtime::cached;

#[cached("users", version = 3beta)]
async fn user(id: u32) -> u32 {
    id
}

fn main() {}
