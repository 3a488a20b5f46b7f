use cache_runtime::cached;

#[cached("users", tags = [""])]
async fn user(workspace_id: u64) -> u64 {
    workspace_id
}

fn main() {}
