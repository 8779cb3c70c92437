//! Keys with self-signed certificates, in one PEM file each, as both servers read them. Made by openssl.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use tempfile::TempDir;

/// A kind of key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// RSA of 2048 bits.
    Rsa2048,
    /// ECDSA over P-256.
    P256,
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rsa2048 => "RSA 2048",
            Self::P256 => "ECDSA P-256",
        })
    }
}

/// A key and its certificate; gone when it is dropped.
#[derive(Debug)]
pub(super) struct KeyFile {
    folder: TempDir,
    path: PathBuf,
}

impl KeyFile {
    pub(super) fn make(kind: KeyKind) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("no folder for keys")?;
        let (key, path) = (folder.path().join("key"), folder.path().join("pem"));
        let algorithm: &[&str] = match kind {
            KeyKind::Rsa2048 => &["-newkey", "rsa:2048"],
            KeyKind::P256 => &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"],
        };
        let made = Command::new("openssl")
            .args(["req", "-x509", "-nodes", "-days", "30", "-subj", "/CN=mx.example.test"])
            .args(algorithm)
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&path)
            .stdin(Stdio::null())
            .output()
            .context("openssl cannot be run: install it (cargo xtask doctor --install)")?;
        ensure!(made.status.success(), "openssl made no key: {}", String::from_utf8_lossy(&made.stderr));
        let both = std::fs::read_to_string(&path)? + &std::fs::read_to_string(&key)?;
        std::fs::write(&path, both)?;
        Ok(Self { folder, path })
    }

    /// The file with both.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// A folder for what goes with it.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }
}
