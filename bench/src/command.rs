//! Runs the programs that make interfaces and rules, inside our own namespaces as every child of this process is.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use anyhow::{Context, ensure};

/// Runs a program to its end.
pub fn run(program: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let output = Command::new(program).args(arguments).output().with_context(|| missing(program))?;
    check(program, arguments, &output)
}

/// The same with something to read on its standard input.
pub fn feed(program: &str, arguments: &[&str], input: &str) -> anyhow::Result<()> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| missing(program))?;
    // It says on its stderr, at most a few lines, why it does not read on.
    let fed = child.stdin.take().map(|mut stdin| stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().with_context(|| format!("cannot wait for {program}"))?;
    check(program, arguments, &output)?;
    fed.transpose().with_context(|| format!("{program} did not read to the end"))?;
    Ok(())
}

fn missing(program: &str) -> String {
    format!("cannot start {program}: `cargo xtask doctor --install` installs what is compared with")
}

fn check(program: &str, arguments: &[&str], output: &Output) -> anyhow::Result<()> {
    ensure!(
        output.status.success(),
        "{program} {} failed ({}): {}",
        arguments.join(" "),
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_says_why() {
        let error = format!("{:#}", run("sh", &["-c", "echo no such thing >&2; exit 3"]).unwrap_err());
        assert!(error.contains("exit status: 3") && error.contains("no such thing"), "{error}");
        let error = format!("{:#}", feed("sh", &["-c", "exit 4"], &"x".repeat(1 << 20)).unwrap_err());
        assert!(error.contains("exit status: 4"), "{error}");
        assert!(format!("{:#}", run("no-such-program", &[]).unwrap_err()).contains("xtask doctor"));
    }

    #[test]
    fn what_is_fed_is_read() {
        feed("sh", &["-c", "test \"$(wc -c)\" -eq 300000"], &"x".repeat(300_000)).unwrap();
    }
}
