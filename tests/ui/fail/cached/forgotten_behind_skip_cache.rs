use cache_runtime::cached;

struct User {
    admin: bool,
}

#[cached("page", key = page, skip_cache = me.admin)]
async fn page(page: u32, me: &User) -> u32 {
    page + u32::from(me.admin)
}

#[cached("flag", key = page, skip_cache = force)]
async fn flag(page: u32, force: bool) -> u32 {
    let _ = force;
    page
}

fn main() {}
