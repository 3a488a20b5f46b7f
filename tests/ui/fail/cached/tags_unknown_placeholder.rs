use cache_runtime::cached;

#[cached("users", tags = ["workspace:{workspce_id}"])]
async fn user(workspace_id: u64) -> u64 {
    workspace_id
}

fn main() {}
