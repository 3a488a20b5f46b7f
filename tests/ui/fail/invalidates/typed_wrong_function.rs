use cache_runtime::{cached, invalidates};

#[cached("users")]
async fn user(id: u64, page: u32) -> u64 {
    id + u64::from(page)
}

#[invalidates(usr(id, _))]
async fn rename(id: u64) -> Result<u64, String> {
    Ok(id)
}

fn main() {}
