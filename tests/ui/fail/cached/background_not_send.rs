use cache_runtime::cached;

use std::rc::Rc;

#[cached("users", stale_while_revalidate = "1m", key = id)]
async fn user(id: Rc<str>, #[skip] shared: &Rc<str>) -> usize {
    id.len() + shared.len()
}

fn main() {}
