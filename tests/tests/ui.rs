//! What the attributes accept, and what they say about the rest.

#[test]
fn ui() {
    let cases = trybuild::TestCases::new();
    cases.pass("ui/pass/*.rs");
    cases.compile_fail("ui/fail/cache_keys/*.rs");
    cases.compile_fail("ui/fail/cached/*.rs");
    cases.compile_fail("ui/fail/invalidates/*.rs");
    cases.compile_fail("ui/fail/jobs/*.rs");
    cases.compile_fail("ui/fail/updates/*.rs");
}
