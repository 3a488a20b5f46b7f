use cache_runtime::cached;

#[cached("users", time = 60, prefix = "a", convert = { id }, patterns = ["a:*"], condition = true, skip_args(db))]
async fn user(id: u64) -> u64 {
    id
}

fn main() {}
