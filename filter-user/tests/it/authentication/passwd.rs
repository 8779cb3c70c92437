//! `relaygate passwd`, as an operator and as a script uses it.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use crate::daemon::{relaygate, run_to_end};

/// Runs it with this line on its standard input; gives the exit code and what it said.
fn passwd(line: &str, path: &Path, arguments: &[&str]) -> (i32, String) {
    let mut child = relaygate()
        .arg("passwd")
        .arg(path)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Where no password is asked for, nobody reads it.
    let _ = child.stdin.take().unwrap().write_all(line.as_bytes());
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(said).unwrap().trim_end().to_owned())
}

#[test]
fn a_password_is_set_verified_changed_and_deleted_and_shown_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("passwords");
    let ok = |said: &str| (0, said.to_owned());
    assert_eq!(passwd("secret\n", &path, &["user"]), ok("login added"));
    assert_eq!(passwd("secret\r\n", &path, &["other", "--no-scram"]), ok("login added"));
    assert_eq!(passwd("secret", &path, &["user", "--verify"]), ok("the password is right"));
    assert_eq!(passwd("changed\n", &path, &["user"]), ok("password changed"));
    assert_eq!(passwd("secret\n", &path, &["user", "--verify"]), (1, "the password is wrong".to_owned()));

    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.matches(":SCRAM-SHA-256$65536:").count(), 1);
    assert!(!text.contains("secret") && !text.contains("changed"), "{text}");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

    assert_eq!(passwd("", &path, &["user", "--delete"]), ok("login deleted"));
    let (code, said) = passwd("secret\n", &path, &["user", "--verify"]);
    assert!(code == 2 && said.contains("has no login \"user\""), "{code}: {said}");
    let (code, said) = passwd("\n", &path, &["user"]);
    assert!(code == 2 && said.contains("a password has"), "{code}: {said}");
}

#[test]
fn check_counts_logins_and_warns_of_who_may_read_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("passwords");
    passwd("secret\n", &path, &["user"]);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let auth = format!("file:{}", path.display());
    let output = run_to_end(&["check", "--backend", "sink:", "--auth", &auth]);
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(out.contains("passwords has 1 logins"), "{out}");
    assert!(err.contains("others may read it"), "{err}");

    std::fs::write(&path, "user:secret\n").unwrap();
    let output = run_to_end(&["check", "--backend", "sink:", "--auth", &auth]);
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(err.contains("line 1: the hash is none of") && !err.contains("secret"), "{err}");

    let output = run_to_end(&["check", "--backend", "sink:", "--auth", &auth, "--auth", "backend:"]);
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && err.contains("nobody else can be asked"), "{err}");
}
