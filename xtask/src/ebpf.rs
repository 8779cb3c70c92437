//! `cargo xtask ebpf`: builds the kernel program's object, the same bytes in every folder. `--check` compares it with
//! the committed one, and with what is built for another machine's kernel. Installs nothing: `doctor` does.
#![allow(clippy::print_stdout, reason = "what a command says is its output")]

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

/// Debian's rustc, from the package rustc-web: it comes with `core` for the bpf target, so that neither nightly nor
/// `build-std` is needed.
const RUSTC: &str = "/usr/bin/rustc";
const LINKER: &str = "bpf-linker";
const STRIP: &str = "llvm-strip-22";
const TARGET: &str = "bpfel-unknown-none";

const OBJECT: &str = "filter-ebpf/object/relaygate.bpf.o";
/// What the committed object was built with: the bytes are the same only with the same compiler.
const BUILT_WITH: &str = "filter-ebpf/object/built-with.txt";

/// The machines whose kernels run the object: aya-ebpf wants one named. The first is the one that is built for.
const MACHINES: [&str; 2] = ["x86_64", "aarch64"];

/// Builds the object and commits it to its place, or, with `check`, compares it with what is there.
pub(crate) fn run(check: bool) -> Result<()> {
    let root = root();
    fetch(&root)?;
    let [ours, other] = MACHINES;
    let built = build(&root, ours)?;
    let toolchain = toolchain()?;
    let (object, built_with) = (root.join(OBJECT), root.join(BUILT_WITH));
    if check {
        let committed = std::fs::read(&object).with_context(|| format!("cannot read {OBJECT}"))?;
        if committed != built {
            let with = std::fs::read_to_string(&built_with).unwrap_or_default();
            bail!(difference(&committed, &built, &with, &toolchain));
        }
        println!("{OBJECT} is what the sources give: {} bytes", built.len());
        ensure!(
            build(&root, other)? == built,
            "the kernel program is another for {other} than for {ours}: something in it is not for all machines"
        );
        println!("the same bytes for {}", MACHINES.join(" and for "));
        return Ok(());
    }
    std::fs::write(&object, &built).with_context(|| format!("cannot write {OBJECT}"))?;
    std::fs::write(&built_with, toolchain).with_context(|| format!("cannot write {BUILT_WITH}"))?;
    println!("{OBJECT}: {} bytes", built.len());
    Ok(())
}

/// The workspace's folder.
fn root() -> PathBuf {
    let xtask = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let xtask = PathBuf::from(xtask);
    xtask.parent().map_or_else(|| xtask.clone(), Path::to_path_buf)
}

/// Lets cargo unpack what the program is made of, so that [`crates`] finds it.
fn fetch(root: &Path) -> Result<()> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let status = cargo.current_dir(root.join("filter-ebpf")).args(["fetch", "--quiet", "--locked"]).status();
    ensure!(
        status.context("cannot start cargo")?.success(),
        "cargo cannot fetch what filter-ebpf is made of"
    );
    Ok(())
}

/// Where the object for a machine is built.
fn target(root: &Path, machine: &str) -> Result<PathBuf> {
    let target = match std::env::var_os("CARGO_TARGET_DIR") {
        Some(target) => std::path::absolute(target)?,
        None => root.join("target"),
    };
    Ok(target.join(format!("bpf-{machine}")))
}

fn build(root: &Path, machine: &str) -> Result<Vec<u8>> {
    let target = target(root, machine)?;
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root.join("filter-ebpf"));
    cargo.args(["build", "--quiet", "--release", "--locked", "--target", TARGET]);
    // What a user or an outer cargo has set for other builds would end up in the bytes.
    for (name, _) in std::env::vars_os() {
        let lossy = name.to_string_lossy();
        if ["CARGO_PROFILE_", "CARGO_BUILD_", "CARGO_TARGET_"].iter().any(|prefix| lossy.starts_with(prefix))
        {
            cargo.env_remove(&name);
        }
    }
    for name in ["RUSTFLAGS", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "RUSTUP_TOOLCHAIN"] {
        cargo.env_remove(name);
    }
    cargo
        .env("CARGO_TARGET_DIR", &target)
        .env("CARGO_INCREMENTAL", "0")
        .env("PATH", path_with_cargo_tools()?);
    // Debian's rustc is a stable one: this lets it build what the bpf target needs.
    cargo
        .env("RUSTC", RUSTC)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_ENCODED_RUSTFLAGS", flags(root, machine)?);
    ensure!(
        Path::new(RUSTC).exists(),
        "no {RUSTC}: `cargo xtask doctor --install` installs what the build needs"
    );
    let status = cargo.status().context("cannot start cargo")?;
    ensure!(
        status.success(),
        "the kernel program does not build; `cargo xtask doctor` says what is missing, if anything"
    );
    strip(&target.join(TARGET).join("release/relaygate"), &target.join("relaygate.bpf.o"))
}

/// The compiler's flags, as cargo wants them encoded.
fn flags(root: &Path, machine: &str) -> Result<OsString> {
    let remap = |from: &Path, to: &str| {
        let mut flag = OsString::from("--remap-path-prefix=");
        flag.push(from);
        flag.push("=");
        flag.push(to);
        flag
    };
    let mut flags = vec![
        format!("--cfg=bpf_target_arch=\"{machine}\"").into(),
        // With compare-and-swap (kernel 5.12), which the limiter is built on.
        "-Ctarget-cpu=v3".into(),
        // BTF is made from it; what else there is of it is stripped afterwards.
        "-Cdebuginfo=2".into(),
        "-Clink-arg=--btf".into(),
        remap(root, "relaygate"),
        remap(&cargo_home()?, "cargo"),
    ];
    flags.extend(crates(machine)?.iter().map(|(from, to)| remap(from, to)));
    Ok(flags.join::<&std::ffi::OsStr>("\u{1f}".as_ref()))
}

/// Folders of other crates' sources, and what they are called in the object; the last that fits counts. Each registry
/// has a folder, named after where it was fetched from, and aya one for each machine, with the same functions in each.
fn crates(machine: &str) -> Result<Vec<(PathBuf, String)>> {
    let mut folders = Vec::new();
    let Ok(registries) = std::fs::read_dir(cargo_home()?.join("registry/src")) else { return Ok(folders) };
    for registry in registries {
        let registry = registry?.path();
        folders.push((registry.clone(), "crates".to_owned()));
        for source in std::fs::read_dir(&registry)? {
            let name = source?.file_name().to_string_lossy().into_owned();
            if name.starts_with("aya-ebpf-bindings-") {
                let folder = registry.join(&name).join("src").join(machine);
                folders.push((folder, format!("crates/{name}/src/machine")));
            }
        }
    }
    Ok(folders)
}

/// Takes the debug information out of the object and leaves its BTF.
fn strip(from: &Path, to: &Path) -> Result<Vec<u8>> {
    let status = Command::new(STRIP).arg("-g").arg("-o").arg(to).arg(from).status();
    let status = status.with_context(|| format!("no {STRIP}: `cargo xtask doctor --install` installs it"))?;
    ensure!(status.success(), "{STRIP} failed on {}", from.display());
    std::fs::read(to).with_context(|| format!("cannot read {}", to.display()))
}

/// What builds the object here, a line each.
fn toolchain() -> Result<String> {
    let path = path_with_cargo_tools()?;
    let mut lines = String::new();
    for program in [RUSTC, LINKER] {
        let output = Command::new(program).arg("--version").env("PATH", &path).output();
        let output =
            output.with_context(|| format!("no {program}: `cargo xtask doctor --install` installs it"))?;
        lines.push_str(String::from_utf8_lossy(&output.stdout).trim());
        lines.push('\n');
    }
    Ok(lines)
}

fn cargo_home() -> Result<PathBuf> {
    if let Some(home) = std::env::var_os("CARGO_HOME") {
        return Ok(home.into());
    }
    let home = std::env::var_os("HOME").context("neither CARGO_HOME nor HOME is set")?;
    Ok(PathBuf::from(home).join(".cargo"))
}

fn path_with_cargo_tools() -> Result<OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let tools = cargo_home()?.join("bin");
    Ok(std::env::join_paths(std::env::split_paths(&path).chain([tools]))?)
}

fn difference(committed: &[u8], built: &[u8], with: &str, here: &str) -> String {
    let at =
        committed.iter().zip(built).position(|(a, b)| a != b).unwrap_or(committed.len().min(built.len()));
    let sizes =
        format!("{} bytes committed, {} built, the first difference at {at}", committed.len(), built.len());
    if with == here {
        format!("{OBJECT} is not what the sources give ({sizes}): run `cargo xtask ebpf` and commit it")
    } else {
        format!(
            "{OBJECT} is not what the sources give here ({sizes}), and it was built with other tools: \
             committed with\n{with}here\n{here}build it with the same, or run `cargo xtask ebpf` and commit it"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_says_where_and_whether_the_tools_differ() {
        let same = difference(b"abcd", b"abXd", "rustc 1\n", "rustc 1\n");
        assert!(same.contains("first difference at 2") && same.contains("run `cargo xtask ebpf`"), "{same}");
        let longer = difference(b"ab", b"abc", "rustc 1\n", "rustc 2\n");
        assert!(longer.contains("first difference at 2") && longer.contains("other tools"), "{longer}");
    }

    #[test]
    fn no_path_of_this_machine_stays_in_the_flags() {
        let flags = flags(Path::new("/some where/relaygate"), "x86_64").unwrap().into_string().unwrap();
        let flags: Vec<_> = flags.split('\u{1f}').collect();
        assert!(flags.contains(&"--remap-path-prefix=/some where/relaygate=relaygate"), "{flags:?}");
        assert!(flags.iter().any(|flag| flag.ends_with("=cargo")), "{flags:?}");
    }
}
