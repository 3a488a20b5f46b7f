//! What the attributes say about the rest. By itself, so that all of it is checked in one run of the compiler.

#[test]
fn rejected() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("fail/*/*.rs");
}
