//! Makes what the machine starts with: a shell, the tests and the daemon, the programs that tests call, their libraries,
//! and modules of the kernel; all in memory, there is no disk.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::package::Kernel;
use super::{LEFT_OUT, Programs, TESTS};
use crate::process;

/// Before the exit code, at the end.
pub(super) const END: &str = "the tests ended with ";

/// What is loaded into the kernel: links, VLANs and the tc hook. The modules that they need in turn come along.
const MODULES: [&str; 4] = ["veth", "8021q", "sch_ingress", "cls_bpf"];

/// The first process. `depmod` is for the few modules that were brought.
const INIT: &str = r"#!/bin/busybox sh
export PATH=/sbin:/usr/sbin:/bin RUST_BACKTRACE=0
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t bpf bpf /sys/fs/bpf
depmod
for module in MODULES; do modprobe $module || echo no module $module; done
ip link set lo up
/tests --test-threads=1 TESTS
echo ENDING$?
poweroff -f
";

/// Where things are in Debian.
const BUSYBOX: &str = "/bin/busybox";
/// What the tests call.
const CALLED: [&str; 2] = ["/sbin/ip", "/usr/sbin/bpftool"];
const STRIP: &str = "llvm-strip-22";

/// Makes the image at `to`.
pub(super) fn make(to: &Path, kernel: &Kernel, programs: &Programs) -> Result<()> {
    let root = to.with_extension("root");
    let _ = std::fs::remove_dir_all(&root);
    for folder in ["bin", "sbin", "proc", "sys", "dev", "tmp", "run"] {
        std::fs::create_dir_all(root.join(folder))
            .with_context(|| format!("cannot make {}", root.display()))?;
    }
    ensure!(Path::new(BUSYBOX).exists(), "no {BUSYBOX}: `cargo xtask doctor --install` installs it");
    copy(Path::new(BUSYBOX), &root.join("bin/busybox"))?;
    let within = |path: &Path| root.join(path.strip_prefix("/").unwrap_or(path));
    for (program, to) in
        [(&programs.tests, root.join("tests")), (&programs.relaygate, within(&programs.relaygate))]
    {
        if let Some(folder) = to.parent() {
            std::fs::create_dir_all(folder)?;
        }
        process::run(Command::new(STRIP).arg("-o").arg(to).arg(program))?;
    }
    for program in CALLED {
        copy(Path::new(program), &within(Path::new(program)))?;
    }
    let linked = [&programs.tests, &programs.relaygate].map(PathBuf::as_path).into_iter();
    for library in libraries(linked.chain(CALLED.map(Path::new)))? {
        copy(&library, &within(&library))?;
    }
    modules(kernel, &root)?;
    let init = root.join("init");
    std::fs::write(&init, script()).with_context(|| format!("cannot write {}", init.display()))?;
    std::fs::set_permissions(&init, std::fs::Permissions::from_mode(0o755))?;
    pack(&root, to)?;
    std::fs::remove_dir_all(&root).with_context(|| format!("cannot remove {}", root.display()))
}

fn script() -> String {
    let left_out: Vec<_> = LEFT_OUT.iter().map(|name| format!(" --skip {name}")).collect();
    INIT.replace("MODULES", &MODULES.join(" "))
        .replace("TESTS", &format!("{}{}", TESTS.join(" "), left_out.concat()))
        .replace("ENDING", END)
}

/// Copies what a path leads to.
fn copy(from: &Path, to: &Path) -> Result<()> {
    if let Some(folder) = to.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::copy(from, to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    Ok(())
}

/// The libraries that programs are linked with, and what loads them.
fn libraries<'a>(programs: impl Iterator<Item = &'a Path>) -> Result<BTreeSet<PathBuf>> {
    let said = process::output(Command::new("ldd").args(programs))?;
    let words = said.lines().filter(|line| !line.ends_with(':')).flat_map(str::split_whitespace);
    Ok(words.filter(|word| word.starts_with('/')).map(PathBuf::from).collect())
}

/// Brings the modules, and those that they need, out of their compression.
fn modules(kernel: &Kernel, root: &Path) -> Result<()> {
    let to = root.join("lib/modules").join(&kernel.release);
    std::fs::create_dir_all(&to)?;
    let mut wanted: Vec<String> = MODULES.map(str::to_owned).into();
    let mut brought = BTreeSet::new();
    while let Some(name) = wanted.pop() {
        if !brought.insert(name.clone()) {
            continue;
        }
        let file = find(&kernel.modules, &name)?
            .with_context(|| format!("kernel {} has no module {name}", kernel.release))?;
        let module = to.join(format!("{name}.ko"));
        if file.extension().is_some_and(|extension| extension == "xz") {
            let packed = File::open(&file)?;
            let unpacked = File::create(&module)?;
            process::run(Command::new(BUSYBOX).arg("unxz").stdin(packed).stdout(unpacked))?;
        } else {
            copy(&file, &module)?;
        }
        wanted.extend(needs(&module)?);
    }
    Ok(())
}

/// A module's file, somewhere below `folder`. In file names `-` and `_` are one.
fn find(folder: &Path, name: &str) -> Result<Option<PathBuf>> {
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            if let Some(found) = find(&entry.path(), name)? {
                return Ok(Some(found));
            }
        } else if entry
            .file_name()
            .to_string_lossy()
            .replace('-', "_")
            .split_once(".ko")
            .is_some_and(|(stem, _)| stem == name)
        {
            return Ok(Some(entry.path()));
        }
    }
    Ok(None)
}

/// The modules that a module says it needs: `depends=stp,llc` in its information.
fn needs(module: &Path) -> Result<Vec<String>> {
    let bytes = std::fs::read(module).with_context(|| format!("cannot read {}", module.display()))?;
    let entry = bytes.split(|byte| *byte == 0).find_map(|entry| entry.strip_prefix(b"depends="));
    let names = String::from_utf8_lossy(entry.unwrap_or_default()).into_owned();
    Ok(names.split(',').filter(|name| !name.is_empty()).map(|name| name.replace('-', "_")).collect())
}

/// Packs a folder as the kernel unpacks it.
fn pack(root: &Path, to: &Path) -> Result<()> {
    let list = process::output(Command::new("find").arg(".").current_dir(root))?;
    let archive = File::create(to).with_context(|| format!("cannot write {}", to.display()))?;
    let mut cpio = Command::new(BUSYBOX);
    cpio.args(["cpio", "-o", "-H", "newc"]).current_dir(root).stdin(Stdio::piped()).stdout(archive);
    let mut cpio = cpio.stderr(Stdio::null()).spawn().context("cannot start busybox")?;
    // Dropped at the end of the statement, which is how the program learns that it was all.
    std::io::Write::write_all(&mut cpio.stdin.take().context("cpio takes no input")?, list.as_bytes())?;
    ensure!(cpio.wait()?.success(), "cpio failed on {}", root.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_process_runs_the_tests_and_says_how_they_ended() {
        let script = script();
        for line in [
            "/tests --test-threads=1 packets::as_root::",
            "echo the tests ended with $?",
            "for module in veth ",
        ] {
            assert!(script.lines().any(|there| there.starts_with(line)), "{line}: {script}");
        }
    }
}
