//! Fetches a kernel's package with apt and unpacks it. Installs nothing, so that this machine boots as before.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::process;

/// An unpacked kernel.
pub(super) struct Kernel {
    /// As `uname -r` says there.
    pub(super) release: String,
    /// What is booted.
    pub(super) image: PathBuf,
    /// Where its modules are.
    pub(super) modules: PathBuf,
}

/// The latest kernel of a line, fetched unless it has been.
pub(super) fn unpacked(line: &str, folder: &Path) -> Result<Kernel> {
    let package = latest(line)?;
    let root = folder.join(&package);
    if !root.exists() {
        fetch(&package, folder, &root)?;
    }
    let release = package.trim_start_matches("linux-image-").to_owned();
    let kernel = Kernel {
        image: root.join("boot").join(format!("vmlinuz-{release}")),
        modules: root.join("lib/modules").join(&release),
        release,
    };
    for part in [&kernel.image, &kernel.modules] {
        ensure!(part.exists(), "no {}: remove {} and try again", part.display(), root.display());
    }
    Ok(kernel)
}

/// The package that a line's own package depends on at present.
fn latest(line: &str) -> Result<String> {
    let mut command = Command::new("apt-cache");
    let said = process::output(command.args(["depends", "--important", line]))
        .with_context(|| format!("apt has no package {line}: is `apt-get update` due?"))?;
    let mut depends = said.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
    let kernel = depends.find(|package| package.starts_with("linux-image-"));
    kernel.map(str::to_owned).with_context(|| format!("package {line} depends on no kernel"))
}

fn fetch(package: &str, folder: &Path, root: &Path) -> Result<()> {
    let download = folder.join(format!("{package}.fetched"));
    let _ = std::fs::remove_dir_all(&download);
    std::fs::create_dir_all(&download).with_context(|| format!("cannot make {}", download.display()))?;
    // As whoever runs this: apt's own user may not write here, and apt warns that it had to do without it.
    let mut apt_get = Command::new("apt-get");
    apt_get.args(["-qq", "-o", "APT::Sandbox::User=", "download", package]).current_dir(&download);
    process::run(&mut apt_get)
        .with_context(|| format!("cannot fetch {package}: `apt-get update` may be due"))?;
    let archive = std::fs::read_dir(&download)?.next().context("apt-get has fetched nothing")??.path();
    let unpacking = download.join("unpacked");
    process::run(Command::new("dpkg-deb").arg("-x").arg(archive).arg(&unpacking))?;
    // Whole or not at all: what is there under its own name need not be looked at again.
    std::fs::rename(&unpacking, root).with_context(|| format!("cannot make {}", root.display()))?;
    std::fs::remove_dir_all(&download).with_context(|| format!("cannot remove {}", download.display()))
}
