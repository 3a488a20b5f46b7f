mod program;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Instant, SystemTime};

use tempfile::TempDir;

use self::program::Variant;
use super::{Scenario, Size};
use crate::contest::{Contest, Figure, Line, Unit};

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "compile_time",
    how: "a program of 300 functions, plain, with a helper that looks in Redis first, and annotated: `cargo build` (debug, not incremental) and `cargo check` of the program alone, its dependencies built before. The aim is at most four times the plain functions' time. `hitbox` is left out: it caches neither an `Option` nor a map, which some of these functions answer",
    run,
};

const FUNCTIONS: u64 = 300;

fn run(size: Size) -> Vec<Line> {
    let programs = Programs::write(size.of(FUNCTIONS) as usize);
    let mut lines = Vec::new();
    for command in ["build", "check"] {
        let case = format!("`cargo {command}`");
        // The round that counts for nobody builds the dependencies.
        let mut contest = Contest::new(SCENARIO.name, case, Unit::Seconds);
        for variant in Variant::ALL {
            let programs = &programs;
            contest.add(variant.title(), move || {
                programs.touch(variant);
                let began = Instant::now();
                programs.cargo(command, variant);
                Figure::from(began.elapsed().as_secs_f64())
            });
        }
        lines.extend(contest.run(size.at_most(5)));
    }
    lines
}

/// The folder with the generated programs: a workspace of its own, so that they share one target folder.
struct Programs {
    folder: TempDir,
}

impl Programs {
    fn write(functions: usize) -> Self {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let programs = Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
        };
        let folder = programs.folder.path();
        let runtime = here.join("../cache-runtime").canonicalize();
        let manifest = program::workspace_manifest(&runtime.expect("it is beside this"));
        write(&folder.join("Cargo.toml"), &manifest);
        // The same versions as here.
        let lock = fs::read_to_string(here.join("Cargo.lock")).expect("a lock file");
        write(&folder.join("Cargo.lock"), &lock);
        for variant in Variant::ALL {
            let own = folder.join(variant.name());
            fs::create_dir(&own).expect("the folder is new");
            write(&own.join("Cargo.toml"), &program::manifest(variant));
            write(
                &programs.source(variant),
                &program::source(variant, functions),
            );
        }
        programs
    }

    fn source(&self, variant: Variant) -> PathBuf {
        self.folder.path().join(variant.name()).join("main.rs")
    }

    fn touch(&self, variant: Variant) {
        let source = File::options().append(true).open(self.source(variant));
        let touched = source.and_then(|source| source.set_modified(SystemTime::now()));
        touched.expect("it is there");
    }

    fn cargo(&self, command: &str, variant: Variant) {
        let folder = self.folder.path();
        // By its name, so that rustup chooses one compiler for all crates.
        let status = Command::new("cargo")
            .args([command, "--quiet", "--package", variant.name()])
            .current_dir(folder)
            .env("CARGO_TARGET_DIR", folder.join("target"))
            .env("CARGO_INCREMENTAL", "0")
            .env_remove("RUSTFLAGS")
            .status()
            .expect("cargo runs");
        assert!(status.success(), "{} does not compile", variant.name());
    }
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).expect("the folder is writable");
}
