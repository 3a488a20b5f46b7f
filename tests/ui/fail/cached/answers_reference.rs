use cache_runtime::cached;

#[cached("users", skip(users))]
async fn user(users: &[String], id: usize) -> &String {
    &users[id]
}

fn main() {}
