//! The check of all keys of a program, in one that has mistakes.

use std::process::Command;

#[test]
fn what_does_not_fit_is_told_of_the_whole_program() {
    let output = Command::new(env!("CARGO_BIN_EXE_misfits"))
        .output()
        .unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        told.lines().collect::<Vec<_>>(),
        [
            "the keys of this program do not fit:",
            "- `cache_tests::uncalled::uncalled` clears `uncalled:*`, and there are no such keys",
            "- `misfits::Happened` clears `nowhere:*`, and there are no such keys",
            "- `misfits::Happened` clears `reed:{}`, and there are no such keys: did you mean `read:{}`?",
            "- `misfits::change` clears `board:{}:*`, and there are no such keys: did you mean `boards:{}:*`?",
            "- `misfits::log_out` clears `session:*`, and there are no such keys: did you mean `sessions:*`?",
            "- `misfits::another_agent` and `misfits::keys::agent` have the same keys, `agents:{}`, and each would answer for the other",
        ]
    );
    assert!(!output.status.success());
}
