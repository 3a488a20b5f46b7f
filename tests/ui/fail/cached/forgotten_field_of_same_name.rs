use cache_runtime::cached;

struct Page {
    user_id: u64,
}

#[cached("invoices", key = page.user_id)]
async fn invoices(page: Page, user_id: u64) -> Vec<u64> {
    vec![page.user_id, user_id]
}

fn main() {}
