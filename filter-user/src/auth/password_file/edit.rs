//! Writes the password file: one login set, or taken out, and every other line left as it is. A reader sees the old file
//! or the new one, and two writers wait for each other.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::Path;

use argon2::password_hash::try_generate_salt;

use super::entry::{Line, login_of};
use super::hash::PasswordHash;
use super::{ITERATIONS, PasswordFileError, beside, each_line};
use crate::auth::credentials::{Credentials, prepared_password};
use crate::auth::scram::ScramVerifier;

/// What was done with a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edited {
    /// It was not there.
    Added,
    /// It has another password now.
    Changed,
    /// It is not there any more.
    Deleted,
}

/// Gives a login a password: an argon2id hash and, where `scram` says so, a verifier for SCRAM, which makes the file
/// worth more to a thief.
pub fn set(path: &Path, login: &str, password: &[u8], scram: bool) -> Result<Edited, PasswordFileError> {
    let name = named(login)?;
    Credentials::new(name.as_bytes(), password).ok_or(PasswordFileError::NoPassword)?;
    let password = prepared_password(password);
    let mut line = format!("{name}:{}", PasswordHash::new(&password)?);
    if scram {
        let salt = try_generate_salt().map_err(|error| PasswordFileError::Hash(error.to_string()))?;
        line.push_str(&format!(":{}", ScramVerifier::derive(&password, &salt, ITERATIONS)));
    }
    let known = rewrite(path, &name, Some(&line))?;
    Ok(if known { Edited::Changed } else { Edited::Added })
}

/// Takes a login out.
pub fn delete(path: &Path, login: &str) -> Result<Edited, PasswordFileError> {
    let name = named(login)?;
    if rewrite(path, &name, None)? {
        return Ok(Edited::Deleted);
    }
    Err(PasswordFileError::Unknown { path: path.to_owned(), login: login.to_owned() })
}

fn named(login: &str) -> Result<Box<str>, PasswordFileError> {
    login_of(login).ok_or_else(|| PasswordFileError::NoLogin { login: login.to_owned() })
}

/// Writes the file anew with this line for the login, and says whether it had one before.
fn rewrite(path: &Path, login: &str, line: Option<&str>) -> Result<bool, PasswordFileError> {
    let unwritable = |source| PasswordFileError::Unwritable { path: path.to_owned(), source };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = File::open(folder).map_err(unwritable)?;
    // The folder is what stays where it is: the file is another one after each change.
    folder.lock().map_err(unwritable)?;
    let old = match fs::read_to_string(path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(source) => return Err(PasswordFileError::Unreadable { path: path.to_owned(), source }),
    };
    let mut place = None;
    if old.is_some() {
        each_line(path, |number, read| {
            if let Line::Entry(entry) = read
                && *entry.login == *login
            {
                place = Some(number);
            }
            Ok(())
        })?;
    }
    if place.is_none() && line.is_none() {
        return Ok(false);
    }
    let mut lines: Vec<&str> = old.as_deref().unwrap_or_default().lines().collect();
    match (place, line) {
        (Some(number), Some(line)) => lines[number - 1] = line,
        (Some(number), None) => drop(lines.remove(number - 1)),
        (None, line) => lines.extend(line),
    }
    let mut text = lines.join("\n");
    text.push('\n');
    replace(path, text.as_bytes()).and_then(|()| folder.sync_all()).map_err(unwritable)?;
    Ok(place.is_some())
}

/// Puts a new file in the place of the old one, with its owner; nobody may read it who could not before.
fn replace(path: &Path, octets: &[u8]) -> io::Result<()> {
    let old = fs::metadata(path).ok();
    let temporary = beside(path, &format!(".{}.new", std::process::id()));
    let written =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary).and_then(|mut file| {
            file.write_all(octets)?;
            if let Some(old) = &old {
                fchown(&file, Some(old.uid()), Some(old.gid()))?;
                file.set_permissions(fs::Permissions::from_mode(0o600 | old.mode() & 0o040))?;
            }
            file.sync_all()
        });
    written.and_then(|()| fs::rename(&temporary, path)).inspect_err(|_| {
        // Where it cannot be removed either, the error that is told says more.
        let _ = fs::remove_file(&temporary);
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::PasswordFile;

    #[test]
    fn a_login_is_added_changed_and_deleted_and_other_lines_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("passwords");
        assert_eq!(set(&path, "user", b"secret", true).unwrap(), Edited::Added);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let with_comment = format!("# ours\n{}", fs::read_to_string(&path).unwrap());
        fs::write(&path, with_comment).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();

        assert_eq!(set(&path, "other", b"p\xc3\xa4ss", false).unwrap(), Edited::Added);
        assert_eq!(set(&path, "user", b"new", true).unwrap(), Edited::Changed);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o640, "nobody else reads it any more");
        let file = PasswordFile::load(&path).unwrap();
        assert_eq!(file.verify("user", b"new"), Some(true));
        assert_eq!(file.verify("user", b"secret"), Some(false));
        assert_eq!(file.verify("other", "pa\u{308}ss".as_bytes()), Some(true), "typed in another way");
        assert!(file.scram("user").is_some() && file.scram("other").is_none());

        assert_eq!(delete(&path, "user").unwrap(), Edited::Deleted);
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            text.starts_with("# ours\nother:$argon2id$") && text.ends_with('\n') && !text.contains("user")
        );
        assert!(matches!(delete(&path, "user"), Err(PasswordFileError::Unknown { .. })));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn what_is_no_login_and_no_password_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("passwords");
        for login in ["", "a:b", "#a", "a\nb"] {
            assert!(
                matches!(set(&path, login, b"x", false), Err(PasswordFileError::NoLogin { .. })),
                "{login}"
            );
        }
        for password in [&b""[..], b"a\0b", &[b'x'; 1025]] {
            assert!(matches!(set(&path, "a", password, false), Err(PasswordFileError::NoPassword)));
        }
        assert!(!path.exists());
    }

    #[test]
    fn a_file_with_a_fault_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("passwords");
        fs::write(&path, "broken\n").unwrap();
        let error = set(&path, "user", b"secret", false).unwrap_err().to_string();
        assert!(error.contains("line 1"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "broken\n");
    }
}
