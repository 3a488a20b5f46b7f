use cache_runtime::cached;

#[cached("users")]
async fn user(id: u64) -> Result<u64, String> {
    if id == 0 {
        return Err(0);
    }
    "user"
}

fn main() {}
