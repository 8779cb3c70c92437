//! `cargo xtask ebpf`: builds the kernel program's object, and that of the programs which benchmarks compare it with, the
//! same bytes in every folder. `--check` compares them with the committed ones, and with what is built for another
//! machine's kernel. Installs nothing: `doctor` does.
#![allow(clippy::print_stdout, reason = "what a command says is its output")]

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

/// Debian's rustc, from the package rustc-web: it comes with `core` for the bpf target, so that neither nightly nor
/// `build-std` is needed.
const RUSTC: &str = "/usr/bin/rustc";
/// Stands between cargo and the compiler, so that the folder does not get into the names of functions.
const WRAPPER: &str = "filter-ebpf/rustc-with-stable-names";
const LINKER: &str = "bpf-linker";
const STRIP: &str = "llvm-strip-22";
const TARGET: &str = "bpfel-unknown-none";

/// An object that is committed beside its sources.
struct Object {
    /// The workspace that it is built in, from the top of the repository.
    workspace: &'static str,
    /// The binary of that workspace.
    binary: &'static str,
}

/// The kernel program, and what it is measured against.
const OBJECTS: [Object; 2] = [
    Object { workspace: "filter-ebpf", binary: "relaygate" },
    Object { workspace: "bench/ebpf", binary: "comparison" },
];

impl Object {
    fn path(&self) -> String {
        format!("{}/object/{}.bpf.o", self.workspace, self.binary)
    }

    /// What the committed object was built with: the bytes are the same only with the same compiler.
    fn built_with(&self) -> String {
        format!("{}/object/built-with.txt", self.workspace)
    }
}

/// The machines whose kernels run the object: aya-ebpf wants one named. The first is the one that is built for.
const MACHINES: [&str; 2] = ["x86_64", "aarch64"];

/// Builds the objects and puts them into their places, or, with `check`, compares them with what is there.
pub(crate) fn run(check: bool) -> Result<()> {
    let root = root();
    let toolchain = toolchain()?;
    OBJECTS.iter().try_for_each(|object| {
        fetch(&root, object)?;
        if check { compare(&root, object, &toolchain) } else { put(&root, object, &toolchain) }
    })
}

fn put(root: &Path, object: &Object, toolchain: &str) -> Result<()> {
    let [ours, _] = MACHINES;
    let built = build(root, object, ours)?;
    let (path, built_with) = (object.path(), object.built_with());
    std::fs::write(root.join(&path), &built).with_context(|| format!("cannot write {path}"))?;
    std::fs::write(root.join(&built_with), toolchain)
        .with_context(|| format!("cannot write {built_with}"))?;
    println!("{path}: {} bytes", built.len());
    Ok(())
}

fn compare(root: &Path, object: &Object, toolchain: &str) -> Result<()> {
    let [ours, other] = MACHINES;
    let built = build(root, object, ours)?;
    let path = object.path();
    let committed = std::fs::read(root.join(&path)).with_context(|| format!("cannot read {path}"))?;
    if committed != built {
        let with = std::fs::read_to_string(root.join(object.built_with())).unwrap_or_default();
        bail!(difference(&path, &committed, &built, &with, toolchain));
    }
    println!("{path} is what the sources give: {} bytes", built.len());
    ensure!(
        build(root, object, other)? == built,
        "{path} is another for {other} than for {ours}: something in it is not for all machines"
    );
    println!("the same bytes for {}", MACHINES.join(" and for "));
    Ok(())
}

/// The workspace's folder.
fn root() -> PathBuf {
    let xtask = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let xtask = PathBuf::from(xtask);
    xtask.parent().map_or_else(|| xtask.clone(), Path::to_path_buf)
}

/// Lets cargo unpack what an object is made of, so that [`crates`] finds it.
fn fetch(root: &Path, object: &Object) -> Result<()> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root.join(object.workspace)).args(["fetch", "--quiet", "--locked"]);
    ensure!(
        cargo.status().context("cannot start cargo")?.success(),
        "cargo cannot fetch what {} is made of",
        object.workspace
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

fn build(root: &Path, object: &Object, machine: &str) -> Result<Vec<u8>> {
    let target = target(root, machine)?;
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root.join(object.workspace));
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
        .env("RUSTC_WRAPPER", root.join(WRAPPER))
        .env("CARGO_ENCODED_RUSTFLAGS", flags(root, machine)?);
    ensure!(
        Path::new(RUSTC).exists(),
        "no {RUSTC}: `cargo xtask doctor --install` installs what the build needs"
    );
    let status = cargo.status().context("cannot start cargo")?;
    ensure!(
        status.success(),
        "{} does not build; `cargo xtask doctor` says what is missing, if anything",
        object.workspace
    );
    let binary = target.join(TARGET).join("release").join(object.binary);
    strip(&binary, &target.join(format!("{}.bpf.o", object.binary)))
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

fn difference(path: &str, committed: &[u8], built: &[u8], with: &str, here: &str) -> String {
    let at =
        committed.iter().zip(built).position(|(a, b)| a != b).unwrap_or(committed.len().min(built.len()));
    let sizes =
        format!("{} bytes committed, {} built, the first difference at {at}", committed.len(), built.len());
    if with == here {
        format!("{path} is not what the sources give ({sizes}): run `cargo xtask ebpf` and commit it")
    } else {
        format!(
            "{path} is not what the sources give here ({sizes}), and it was built with other tools: \
             committed with\n{with}here\n{here}build it with the same, or run `cargo xtask ebpf` and commit it"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_says_where_and_whether_the_tools_differ() {
        let same = difference("an object", b"abcd", b"abXd", "rustc 1\n", "rustc 1\n");
        assert!(same.contains("first difference at 2") && same.contains("run `cargo xtask ebpf`"), "{same}");
        let longer = difference("an object", b"ab", b"abc", "rustc 1\n", "rustc 2\n");
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
