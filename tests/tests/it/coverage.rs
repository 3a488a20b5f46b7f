//! The README's table of requirements: each is there, and what shows it exists.

use std::fs;
use std::path::Path;
use std::process::Command;

/// How many each of the five systems has.
const REQUIREMENTS: [(char, usize); 5] = [('A', 15), ('B', 14), ('C', 6), ('D', 11), ('E', 10)];

/// By the name of a test of this program, by a file, or, as `load:SERVICE`, by a claim that the load generator measures.
#[test]
fn what_the_readme_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let table = readme.lines().filter_map(|line| {
        let (id, rest) = line.strip_prefix("| ")?.split_once(" | ")?;
        let (letter, number) = id.split_at_checked(1)?;
        let known = REQUIREMENTS
            .iter()
            .any(|(known, _)| letter.starts_with(*known));
        (known && number.parse::<usize>().is_ok()).then_some((id, rest))
    });
    let table: Vec<_> = table.collect();
    let ids = REQUIREMENTS
        .iter()
        .flat_map(|(letter, most)| (1..=*most).map(move |number| format!("{letter}{number}")));
    let named: Vec<_> = table.iter().map(|(id, _)| (*id).to_owned()).collect();
    assert_eq!(named, ids.collect::<Vec<_>>());

    let listed = Command::new(std::env::current_exe().unwrap())
        .arg("--list")
        .output();
    let listed = String::from_utf8(listed.unwrap().stdout).unwrap();
    let is_there = |id: &str, shown: &str| {
        if let Some(service) = shown.strip_prefix("load:") {
            let plan = root.join(format!("examples/load/plans/{service}.rs"));
            return fs::read_to_string(plan).is_ok_and(|plan| plan.contains(&format!("\"{id}\"")));
        }
        listed.lines().any(|line| line == format!("{shown}: test"))
            || (shown.contains('/') && root.join(shown).is_file())
    };
    let mut missing = Vec::new();
    for (id, row) in table {
        let (_, shown) = row.rsplit_once(" | ").unwrap();
        let shown = shown.split('`').skip(1).step_by(2);
        assert_ne!(shown.clone().count(), 0, "nothing shows {id}");
        missing.extend(
            shown
                .filter(|shown| !is_there(id, shown))
                .map(|shown| (id, shown)),
        );
    }
    assert!(
        missing.is_empty(),
        "these are named and not there: {missing:?}"
    );
}
