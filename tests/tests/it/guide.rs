//! The guide in `docs/`: no chapter is left out, all of its code is compiled, and no link leads nowhere.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::tls::RIGHTS;

/// The chapters whose code is compiled.
const COMPILED: &str = include_str!("../../src/guide.rs");

#[test]
fn every_chapter_is_in_the_summary_and_compiled() {
    let listed = links(&read(&docs().join("SUMMARY.md")));
    let listed: BTreeSet<String> = listed.into_iter().map(|link| link.target).collect();
    let written: BTreeSet<String> = markdown(&docs())
        .iter()
        .map(|file| file.file_name().unwrap().to_string_lossy().into_owned())
        .filter(|name| name != "SUMMARY.md")
        .collect();
    assert_eq!(listed, written, "docs/SUMMARY.md beside the files of docs/");
    for chapter in &listed {
        assert!(
            COMPILED.contains(&format!("\"../../docs/{chapter}\"")),
            "the code of docs/{chapter} is not compiled: name it in tests/src/guide.rs"
        );
    }
}

/// Blocks in another program's words are `rs`, which rustdoc leaves alone.
#[test]
fn no_code_is_kept_from_the_compiler() {
    for file in guide() {
        for fence in read(&file)
            .lines()
            .filter(|line| line.starts_with("```rust"))
        {
            let known = ["```rust", "```rust,no_run", "```rust,should_panic"];
            assert!(known.contains(&fence), "{}: {fence}", file.display());
        }
    }
}

#[test]
fn no_link_is_dead() {
    let mut dead = Vec::new();
    for file in guide() {
        for link in links(&read(&file)) {
            if let Some(why) = link.dead_in(&file) {
                dead.push(format!(
                    "{}:{}: {}: {why}",
                    file.display(),
                    link.line,
                    link.target
                ));
            }
        }
    }
    assert!(dead.is_empty(), "\n{}", dead.join("\n"));
}

/// A cache from the environment is described twice: where the code is, and in the guide.
#[test]
fn both_descriptions_of_the_environment_name_the_same_variables() {
    let variables = |text: &str| -> BTreeSet<String> {
        let words = quoted(text).filter(|word| word.contains('_') && is_upper_case(word));
        words.map(str::to_owned).collect()
    };
    let here = read(&docs().join("configuration.md"));
    let there = include_str!("../../../cache-runtime/src/environment.md");
    assert_eq!(variables(&here), variables(there));
}

/// A user with `RIGHTS` is all that the tests of `tls` have.
#[test]
fn the_rights_that_are_asked_for_suffice() {
    let chapter = read(&docs().join("security.md"));
    let asked: BTreeSet<&str> = quoted(&chapter)
        .filter(|word| is_upper_case(word))
        .collect();
    for command in RIGHTS.iter().filter_map(|right| right.strip_prefix('+')) {
        let command = command.to_uppercase().replace('|', " ");
        assert!(asked.contains(command.as_str()), "{command}");
    }
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .flat_map(|line| line.split('`').skip(1).step_by(2))
}

fn is_upper_case(word: &str) -> bool {
    let letters = |letter| matches!(letter, 'A'..='Z' | '_' | ' ');
    word.len() > 1 && word.chars().all(letters)
}

struct Link {
    line: usize,
    target: String,
}

impl Link {
    fn dead_in(&self, file: &Path) -> Option<&'static str> {
        if self.target.contains("://") {
            return None;
        }
        let (path, anchor) = self.target.split_once('#').unwrap_or((&self.target, ""));
        let file = match path {
            "" => file.to_owned(),
            path => file.parent().unwrap().join(path),
        };
        if !file.exists() {
            return Some("there is no such file");
        }
        let known = anchor.is_empty() || headings(&read(&file)).contains(anchor);
        (!known).then_some("there is no such heading")
    }
}

/// Links and pictures outside of code, `[text](target)` and `src="target"`.
fn links(text: &str) -> Vec<Link> {
    let mut links = Vec::new();
    for (line, prose) in prose(text) {
        for (begin, end) in [("](", ')'), ("src=\"", '"')] {
            for found in prose.split(begin).skip(1) {
                let target = found.split(end).next().unwrap();
                if !target.is_empty() {
                    let target = target.to_owned();
                    links.push(Link { line, target });
                }
            }
        }
    }
    links
}

/// The anchors of a file's headings, as GitHub and mdBook make them.
fn headings(text: &str) -> BTreeSet<String> {
    prose(text)
        .filter_map(|(_, line)| Some(line.strip_prefix('#')?.trim_start_matches('#').trim()))
        .map(|heading| {
            let kept = heading.chars().filter_map(|letter| match letter {
                ' ' => Some('-'),
                '-' | '_' => Some(letter),
                letter if letter.is_alphanumeric() => Some(letter.to_ascii_lowercase()),
                _ => None,
            });
            kept.collect()
        })
        .collect()
}

/// The lines that are no code, with their numbers.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut code = false;
    (1..).zip(text.lines()).filter(move |(_, line)| {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        !code && !fence
    })
}

/// What is read in the order of the guide, or beside it.
fn guide() -> Vec<PathBuf> {
    let root = docs().parent().unwrap().to_owned();
    let beside = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"].map(|name| root.join(name));
    markdown(&docs()).into_iter().chain(beside).collect()
}

fn markdown(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = files
        .filter(|file| file.extension().is_some_and(|ending| ending == "md"))
        .collect();
    files.sort();
    files
}

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .join("docs")
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap()
}
