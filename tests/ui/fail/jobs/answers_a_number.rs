use cache_runtime::Job;

fn main() {
    let _ = Job::new("report", "0 6 * * MON", |_| async { 7 });
}
