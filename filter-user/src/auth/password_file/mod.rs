//! The password file: a login a line, with the hash of its password and, for SCRAM, a verifier. Read once and then in
//! memory; who reads it again, and when, is not decided here.
//!
//! ```text
//! # comments and empty lines
//! login:$argon2id$v=19$m=19456,t=2,p=1$salt$hash
//! login:$6$salt$hash:SCRAM-SHA-256$65536:salt$StoredKey:ServerKey
//! ```

pub mod edit;
mod entry;
mod error;
mod hash;

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(super) use entry::{Entry, Line};
pub use error::PasswordFileError;
pub(super) use hash::PasswordHash;

use super::scram::ScramVerifier;

/// The longest line, in octets: the longest login, the longest hash, a verifier.
const MAX_LINE: usize = 1024;

/// Iterations of a verifier that we make. What a client works once, whoever has stolen the file works at each guess.
pub(super) const ITERATIONS: u32 = 65_536;

/// The logins of a file, in memory.
#[derive(Debug)]
pub struct PasswordFile {
    entries: HashMap<Box<str>, Entry>,
    /// What a password is compared with where there is no such login: a hash of the kind that the file has, so that
    /// nobody learns by the time it takes who is in it.
    stand_in: Arc<PasswordHash>,
    iterations: Option<u32>,
}

impl PasswordFile {
    /// Reads a file. A login that stands twice is an error, for one of the two would be a password that nobody knows of.
    pub fn load(path: &Path) -> Result<Self, PasswordFileError> {
        let mut entries = HashMap::new();
        let (mut stand_in, mut iterations) = (None, None);
        each_line(path, |number, text| {
            let Line::Entry(entry) = text else { return Ok(()) };
            stand_in.get_or_insert_with(|| Arc::clone(&entry.hash));
            iterations = iterations.or(entry.scram.as_ref().map(|verifier| verifier.iterations()));
            let login = entry.login.clone();
            match entries.insert(login, entry) {
                None => Ok(()),
                Some(earlier) => Err(PasswordFileError::Twice {
                    path: path.to_owned(),
                    line: number,
                    login: earlier.login.into(),
                }),
            }
        })?;
        let stand_in = stand_in.unwrap_or_else(|| Arc::new(PasswordHash::stand_in()));
        Ok(Self { entries, stand_in, iterations })
    }

    /// How many logins it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a login, in any spelling that is prepared to the same, has this password. Takes as long for one that is
    /// not there; [`None`] then.
    #[must_use]
    pub fn verify(&self, login: &str, password: &[u8]) -> Option<bool> {
        let login = super::credentials::prepared_login(login);
        let entry = login.and_then(|login| self.entries.get(login.as_str()));
        let password = super::credentials::prepared_password(password);
        let fits = entry.map_or(&self.stand_in, |entry| &entry.hash).verify(&password);
        entry.map(|_| fits)
    }

    /// What SCRAM compares a proof with; the login is prepared.
    pub(super) fn scram(&self, login: &str) -> Option<Arc<ScramVerifier>> {
        self.entries.get(login)?.scram.clone()
    }

    /// Iterations of those that have a verifier; none if nobody has.
    pub(super) fn iterations(&self) -> Option<u32> {
        self.iterations
    }
}

/// What is wrong with who may read a password file, if anything is: for the log at the start, and for `check`.
#[must_use]
pub fn exposure(path: &Path) -> Option<String> {
    let mode = std::fs::metadata(path).ok()?.permissions().mode();
    let who = match mode & 0o066 {
        0o000 => return None,
        bits if bits & 0o022 != 0 => "others may write it, and let themselves in",
        // A group of its own, which the daemon is in, is a usual way to let it read and nobody else.
        bits if bits & 0o004 != 0 => {
            "others may read it, and try passwords on its hashes for as long as they like"
        }
        _ => return None,
    };
    Some(format!(
        "password file {}: {who}; chmod 0600, or 0640 with a group of the daemon's own",
        path.display()
    ))
}

/// Reads a file line by line.
fn each_line(
    path: &Path,
    mut take: impl FnMut(usize, Line) -> Result<(), PasswordFileError>,
) -> Result<(), PasswordFileError> {
    let unreadable = |source| PasswordFileError::Unreadable { path: path.to_owned(), source };
    // Opening a pipe would wait for its other end, and there would be nothing to read again.
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(unreadable(io::Error::other("it is not a regular file")));
    }
    let mut reader = BufReader::new(File::open(path).map_err(unreadable)?);
    let mut octets = Vec::with_capacity(MAX_LINE);
    for number in 1.. {
        octets.clear();
        let limit = (MAX_LINE + 1) as u64;
        if reader.by_ref().take(limit).read_until(b'\n', &mut octets).map_err(unreadable)? == 0 {
            break;
        }
        let wrong = |wrong| PasswordFileError::Line { path: path.to_owned(), line: number, wrong };
        if octets.len() > MAX_LINE {
            return Err(wrong("longer than 1024 octets"));
        }
        let text = std::str::from_utf8(&octets).map_err(|_| wrong("not UTF-8"))?;
        take(number, Line::parse(text).map_err(wrong)?)?;
    }
    Ok(())
}

/// A path with what is added to its name.
fn beside(path: &Path, added: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(added);
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &[u8]) -> Result<PasswordFile, PasswordFileError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("passwords");
        std::fs::write(&path, text).unwrap();
        PasswordFile::load(&path)
    }

    /// `secret`, as other programs hash it.
    const SHA_512: &str =
        "$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1";

    #[test]
    fn a_login_has_one_password_and_an_unknown_one_none() {
        let file = load(format!("# comment\n\nuser:{SHA_512}\r\n\u{2168}:{SHA_512}\n").as_bytes()).unwrap();
        assert_eq!(file.len(), 2);
        assert_eq!(file.verify("user", b"secret"), Some(true));
        assert_eq!(file.verify("user", b"Secret"), Some(false));
        assert_eq!(file.verify("IX", b"secret"), Some(true), "prepared, the Roman numeral is the letters");
        assert_eq!(file.verify("User", b"secret"), None);
        assert_eq!(file.verify("", b"secret"), None);
        assert!(file.iterations().is_none() && file.scram("user").is_none());
    }

    #[test]
    fn an_empty_file_knows_nobody() {
        let file = load(b"# nobody yet\n").unwrap();
        assert!(file.is_empty());
        assert_eq!(file.verify("user", b"secret"), None);
    }

    #[test]
    fn a_faulty_line_is_named_and_its_secret_is_not() {
        let rows = [
            ("user", "line 1: the form is login:hash"),
            (":x", "line 1: a login"),
            ("us\ter:x", "line 1: a login"),
            ("user:secret", "line 1: the hash is none of"),
            ("user:$argon2i$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$AAAA", "line 1: the hash is none of"),
            ("user:$2b$12$short", "line 1: not a bcrypt hash"),
            ("user:$6$salt", "line 1: not a SHA-crypt hash"),
            ("user:$argon2id$v=19$m=1,t=2", "line 1: not an argon2id hash"),
        ];
        for (text, wanted) in rows {
            let error = load(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(wanted), "{text}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
        let twice =
            load(format!("a:{SHA_512}\nb:{SHA_512}\na:{SHA_512}\n").as_bytes()).unwrap_err().to_string();
        assert!(twice.contains("line 3") && twice.contains("\"a\" stands twice"), "{twice}");
        let long = load(&[b'x'; 2000]).unwrap_err().to_string();
        assert!(long.contains("longer than"), "{long}");
        assert!(load(b"\xff:x\n").unwrap_err().to_string().contains("not UTF-8"));
    }

    #[test]
    fn a_file_that_others_may_read_is_warned_of() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("passwords");
        std::fs::write(&path, "").unwrap();
        for (mode, word) in [(0o600, ""), (0o640, ""), (0o644, "read"), (0o660, "write"), (0o602, "write")] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let warning = exposure(&path).unwrap_or_default();
            assert_eq!(warning.is_empty(), word.is_empty(), "{mode:o}: {warning}");
            assert!(warning.contains(word), "{mode:o}: {warning}");
        }
    }
}
