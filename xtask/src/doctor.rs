//! `cargo xtask doctor`: what the build and the tests need, what each is for, whether it is here. `--install` installs
//! what is missing on Debian, as root, and starts no service.
#![allow(clippy::print_stdout, reason = "what a command says is its output")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

/// Where a tool comes from.
#[derive(Clone, Copy)]
enum Source {
    /// A Debian package, and the file that shows that it is there, for machines without dpkg.
    Apt { proof: &'static str },
    /// `cargo install`, with these arguments behind the name.
    Cargo { program: &'static str, version: Option<&'static str>, arguments: &'static [&'static str] },
}

/// Something that is needed.
struct Tool {
    name: &'static str,
    needed_for: &'static str,
    source: Source,
}

const fn apt(name: &'static str, proof: &'static str, needed_for: &'static str) -> Tool {
    Tool { name, needed_for, source: Source::Apt { proof } }
}

/// All that is needed beyond the Rust toolchain itself. The order is that of installing.
const TOOLS: &[Tool] = &[
    apt("rustc-web", "/usr/bin/rustc", "compiles the kernel program (LLVM 22)"),
    apt("libstd-rust-web-dev-bpf", "/usr/lib/rustlib/bpfel-unknown-none", "its core library"),
    apt("llvm-22", "/usr/bin/llvm-strip-22", "strips the kernel program's object"),
    apt("llvm-22-dev", "/usr/lib/llvm-22/include/llvm-c", "bpf-linker is linked with it"),
    apt("libpolly-22-dev", "/usr/lib/llvm-22/lib/libPolly.a", "bpf-linker is linked with it"),
    apt("bpftool", "/usr/sbin/bpftool", "tests compare its view of the program with ours"),
    apt("iproute2", "/sbin/ip", "tests and demo make network namespaces and veth pairs"),
    apt("ethtool", "/sbin/ethtool", "tests switch off offloads on veth pairs"),
    apt("nftables", "/usr/sbin/nft", "benchmarks compare with a set in netdev ingress"),
    apt("xdp-tools", "/usr/sbin/xdp-filter", "benchmarks compare with xdp-filter"),
    apt("libxdp1", "/usr/share/doc/libxdp1", "holds the programs of xdp-filter"),
    apt("util-linux", "/usr/bin/chrt", "benchmarks run before everything else"),
    apt("postfix", "/usr/sbin/postfix", "the real backend of the tests, with smtp-source and smtp-sink"),
    apt("swaks", "/usr/bin/swaks", "a real client of the tests"),
    apt("libnet-ssleay-perl", "/usr/share/doc/libnet-ssleay-perl", "swaks speaks TLS with it"),
    apt("libauthen-sasl-perl", "/usr/share/perl5/Authen/SASL.pm", "swaks authenticates with it"),
    apt("curl", "/usr/bin/curl", "a real client of the tests, with OAuth"),
    apt("gsasl", "/usr/bin/gsasl", "a real client of the tests, with SCRAM and channel binding"),
    apt("openssl", "/usr/bin/openssl", "a real TLS client of the tests"),
    apt("nmap", "/usr/bin/nmap", "looks for an open relay in the tests"),
    apt("dovecot-core", "/usr/sbin/dovecot", "tests authenticate against it"),
    apt("slapd", "/usr/sbin/slapd", "a directory of the tests"),
    apt("ldap-utils", "/usr/bin/ldapadd", "fills that directory"),
    apt("haproxy", "/usr/sbin/haproxy", "a load balancer before relaygate, and what TLS is compared with"),
    apt("dnsmasq-base", "/usr/sbin/dnsmasq", "answers for MX records in the tests"),
    apt(
        "qemu-system-x86",
        "/usr/bin/qemu-system-x86_64",
        "boots other kernels, which try the kernel program",
    ),
    apt("busybox-static", "/bin/busybox", "what those kernels start"),
    apt(
        "systemd",
        "/usr/bin/systemd-analyze",
        "tests verify the units of docs/systemd; nothing is started by it",
    ),
    apt("tcpdump", "/usr/bin/tcpdump", "shows the packets of a failed namespace test"),
    apt("strace", "/usr/bin/strace", "tests count system calls"),
    Tool {
        name: "bpf-linker",
        needed_for: "links the kernel program",
        source: Source::Cargo {
            program: "bpf-linker",
            version: Some("0.13.0"),
            arguments: &["--version", "0.13.0", "--no-default-features", "--features", "llvm-22"],
        },
    },
    Tool {
        name: "cargo-nextest",
        needed_for: "runs the tests",
        source: Source::Cargo { program: "cargo-nextest", version: None, arguments: &["--locked"] },
    },
    Tool {
        name: "cargo-deny",
        needed_for: "checks licences and advisories of dependencies",
        source: Source::Cargo { program: "cargo-deny", version: None, arguments: &["--locked"] },
    },
];

/// Lists every tool. Without `install` a missing one is an error; with it, what is missing is installed first.
pub(crate) fn run(install: bool) -> Result<()> {
    let missing = list();
    if missing.is_empty() {
        return Ok(());
    }
    if !install {
        let names: Vec<_> = missing.iter().map(|tool| tool.name).collect();
        bail!(
            "missing: {}; on Debian, `cargo xtask doctor --install` as root installs them",
            names.join(", ")
        );
    }
    install_all(&missing)?;
    let still: Vec<_> = list().iter().map(|tool| tool.name).collect();
    ensure!(still.is_empty(), "still missing after installing: {}", still.join(", "));
    Ok(())
}

/// Prints what is here and what is not, and gives what is not.
fn list() -> Vec<&'static Tool> {
    let mut missing = Vec::new();
    for tool in TOOLS {
        let found = found(tool);
        println!("{:<8} {:<24} {}", if found { "found" } else { "MISSING" }, tool.name, tool.needed_for);
        if !found {
            missing.push(tool);
        }
    }
    missing
}

fn found(tool: &Tool) -> bool {
    match tool.source {
        Source::Apt { proof } => is_installed(tool.name).unwrap_or_else(|| Path::new(proof).exists()),
        Source::Cargo { program, version, .. } => match (find(program), version) {
            (Some(_), None) => true,
            (Some(path), Some(version)) => says_version(&path, version),
            (None, _) => false,
        },
    }
}

/// What dpkg says of a package; nothing where there is no dpkg.
fn is_installed(package: &str) -> Option<bool> {
    let query = ["-W", "-f", "${db:Status-Status}", package];
    let output = Command::new("dpkg-query").args(query).stderr(Stdio::null()).output().ok()?;
    Some(output.status.success() && output.stdout == b"installed")
}

fn says_version(program: &Path, version: &str) -> bool {
    let output = Command::new(program).arg("--version").output();
    output.is_ok_and(|output| {
        String::from_utf8_lossy(&output.stdout).split_whitespace().any(|word| word == version)
    })
}

/// A program in the search path or where cargo installs.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let cargo = std::env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| {
        let home = std::env::var_os("HOME")?;
        Some(PathBuf::from(home).join(".cargo"))
    });
    let folders = std::env::split_paths(&path).chain(cargo.map(|home| home.join("bin")));
    folders.map(|folder| folder.join(program)).find(|path| path.is_file())
}

fn install_all(missing: &[&Tool]) -> Result<()> {
    let packages: Vec<_> = missing
        .iter()
        .filter(|tool| matches!(tool.source, Source::Apt { .. }))
        .map(|tool| tool.name)
        .collect();
    if !packages.is_empty() {
        install_packages(&packages)?;
    }
    for tool in missing {
        if let Source::Cargo { arguments, .. } = tool.source {
            install_with_cargo(tool.name, arguments)?;
        }
    }
    Ok(())
}

fn install_packages(packages: &[&str]) -> Result<()> {
    let id = Command::new("id").arg("-u").output().context("cannot ask who is installing")?;
    ensure!(
        id.stdout.trim_ascii() == b"0",
        "installing needs root; the packages are: {}",
        packages.join(" ")
    );
    let _services = NoServices::begin()?;
    if packages.contains(&"postfix") {
        // Without an answer, the package asks, or makes a configuration that listens on port 25.
        preseed("postfix postfix/main_mailer_type select No configuration\n")?;
    }
    if packages.contains(&"slapd") {
        // The tests make their own; without an answer, the package makes a database.
        preseed("slapd slapd/no_configuration boolean true\n")?;
    }
    run_quietly(apt_get().args(["-qq", "update"]))?;
    run_quietly(apt_get().args(["-qq", "-y", "--no-install-recommends", "install"]).args(packages))
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    // In run level 1 no maintainer script starts a service, whatever the policy says.
    command.env("DEBIAN_FRONTEND", "noninteractive").env("RUNLEVEL", "1");
    command
}

fn preseed(answer: &str) -> Result<()> {
    use std::io::Write as _;
    let mut debconf = Command::new("debconf-set-selections")
        .stdin(Stdio::piped())
        .spawn()
        .context("no debconf-set-selections")?;
    // Dropped at the end of the statement, which is how the program learns that it was all.
    debconf.stdin.take().context("debconf-set-selections takes no input")?.write_all(answer.as_bytes())?;
    ensure!(debconf.wait()?.success(), "debconf-set-selections failed");
    Ok(())
}

fn install_with_cargo(name: &str, arguments: &[&str]) -> Result<()> {
    println!("installing {name}, this takes a minute or two");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["install", "--quiet", name]).args(arguments);
    // bpf-linker is linked with Debian's LLVM; llvm-sys names its variable after the version.
    cargo.env("LLVM_PREFIX", "/usr/lib/llvm-22").env("LLVM_SYS_221_PREFIX", "/usr/lib/llvm-22");
    // Flags and target folders of the build that runs this are not meant for it.
    for variable in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_TARGET_DIR"] {
        cargo.env_remove(variable);
    }
    run_quietly(&mut cargo)
}

fn run_quietly(command: &mut Command) -> Result<()> {
    let status =
        command.status().with_context(|| format!("cannot start {}", command.get_program().display()))?;
    ensure!(status.success(), "{command:?} failed");
    Ok(())
}

/// While it lives, packages start no service when they are installed: Debian's maintainer scripts ask this file.
struct NoServices {
    ours: bool,
}

impl NoServices {
    const POLICY: &str = "/usr/sbin/policy-rc.d";

    fn begin() -> Result<Self> {
        use std::os::unix::fs::PermissionsExt as _;
        if Path::new(Self::POLICY).exists() {
            return Ok(Self { ours: false });
        }
        std::fs::write(Self::POLICY, "#!/bin/sh\nexit 101\n")
            .with_context(|| format!("cannot write {}", Self::POLICY))?;
        let guard = Self { ours: true };
        std::fs::set_permissions(Self::POLICY, std::fs::Permissions::from_mode(0o755))?;
        Ok(guard)
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if self.ours {
            // If it cannot be removed, services of later packages do not start: the next run finds it and goes on.
            let _ = std::fs::remove_file(Self::POLICY);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_says_what_it_is_for_and_is_named_once() {
        for tool in TOOLS {
            assert!(!tool.needed_for.is_empty(), "{}", tool.name);
            assert_eq!(TOOLS.iter().filter(|other| other.name == tool.name).count(), 1, "{}", tool.name);
        }
    }

    #[test]
    fn a_missing_program_is_not_found() {
        assert_eq!(find("no-such-program-anywhere"), None);
        assert!(find("sh").is_some());
        assert!(!is_installed("no-such-package").unwrap_or(false));
    }
}
