//! The files of the repository: what git knows, and what it would take. Reads them, judges nothing.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::process;

/// The top of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// A file with its text.
pub(crate) struct TextFile {
    /// Its path from the top of the repository.
    pub(crate) path: String,
    /// What is in it.
    pub(crate) text: String,
}

/// Every text file under `folder` (all, if it is empty); what is not UTF-8 is left out.
pub(crate) fn text_files(folder: &str) -> anyhow::Result<Vec<TextFile>> {
    let mut git = Command::new("git");
    git.args(["ls-files", "--cached", "--others", "--exclude-standard", "-z", "--"]).current_dir(root());
    if !folder.is_empty() {
        git.arg(folder);
    }
    let listed = process::output(&mut git).context("cannot list the files of the repository")?;
    let mut files = Vec::new();
    for path in listed.split('\0').filter(|path| !path.is_empty()) {
        let full: PathBuf = root().join(path);
        // A file that was deleted but not yet in the index is still listed.
        let Ok(bytes) = std::fs::read(&full) else { continue };
        if let Ok(text) = String::from_utf8(bytes) {
            files.push(TextFile { path: path.to_owned(), text });
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files.dedup_by(|a, b| a.path == b.path);
    Ok(files)
}
