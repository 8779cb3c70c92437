//! Programs that cargo builds, and where it says that they are.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::process::{self, cargo};

/// What one call of cargo has built, in its own words.
pub(crate) struct Built(String);

impl Built {
    /// Builds. The arguments must not print anything else on stdout.
    fn by(arguments: &[&str]) -> Result<Self> {
        let mut build = cargo(arguments);
        build.args(["--quiet", "--message-format", "json"]);
        Ok(Self(process::output(&mut build)?))
    }

    /// All programs and tests as the gate's tests are built, so that nothing is built twice.
    pub(crate) fn for_tests() -> Result<Self> {
        Self::by(&["test", "--no-run", "--workspace"])
    }

    /// The daemon, as it is built for the tests: with a test beside it, for the features that libraries have in tests are
    /// others, and all that stands on those would be built again.
    pub(crate) fn to_print() -> Result<Self> {
        Self::by(&["build", "--workspace", "--bins", "--test", "allocations"])
    }

    /// What is measured, optimised: in one call, since a second one for the benchmark alone would build the daemon's library
    /// and the daemon again.
    pub(crate) fn to_measure() -> Result<Self> {
        Self::by(&[
            "build",
            "--release",
            "--package",
            "filter-user",
            "--package",
            "bench",
            "--bins",
            "--bench",
            "decide",
        ])
    }

    /// One of the programs: `kind` is cargo's word, `bin`, `test` or `bench`.
    pub(crate) fn path(&self, kind: &str, name: &str) -> Result<PathBuf> {
        let found = self.0.lines().find_map(|line| executable(line, kind, name));
        found.with_context(|| format!("cargo built no {kind} `{name}`"))
    }

    /// The same, to be called.
    pub(crate) fn command(&self, kind: &str, name: &str) -> Result<Command> {
        self.path(kind, name).map(Command::new)
    }
}

/// The program, if this is what cargo says of it. A program's own unit tests are another, built for testing.
fn executable(artifact: &str, kind: &str, name: &str) -> Option<PathBuf> {
    let is_it = artifact.contains(&format!(r#""kind":["{kind}"]"#))
        && artifact.contains(&format!(r#""name":"{name}""#))
        && artifact.contains(r#""test":true},"features""#) == (kind != "bin");
    let (_, path) = artifact.split_once(r#""executable":""#).filter(|_| is_it)?;
    let (path, _) = path.split_once('"')?;
    Some(path.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_in_what_cargo_says() {
        let artifact = |kind: &str, name: &str, test: bool, path: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","target":{{"kind":["{kind}"],"name":"{name}","test":true}},"profile":{{"opt_level":"0","test":{test}}},"features":[],"executable":{path}}}"#
            )
        };
        let said = [
            artifact("bin", "relaygate", true, r#""/x/relaygate-1""#),
            artifact("test", "allocations", true, r#""/x/allocations-1""#),
            artifact("test", "it", true, r#""/x/it-1""#),
            artifact("bench", "decide", true, r#""/x/decide-1""#),
            artifact("bin", "relaygate", false, r#""/x/relaygate""#),
            artifact("bin", "bench", false, "null"),
        ];
        let built = Built(said.join("\n"));
        let rows = [
            ("test", "it", Some("/x/it-1")),
            ("bin", "relaygate", Some("/x/relaygate")),
            ("bench", "decide", Some("/x/decide-1")),
            ("test", "relaygate", None),
            ("bin", "bench", None),
        ];
        for (kind, name, wanted) in rows {
            assert_eq!(built.path(kind, name).ok(), wanted.map(PathBuf::from), "{kind} {name}");
        }
        assert!(built.path("bin", "bench").unwrap_err().to_string().contains("no bin `bench`"));
    }
}
