//! Debian packages that a peer consists of. What is not installed is downloaded and unpacked into a cache, and laid over
//! the machine's tree for that peer alone: mail servers exclude each other as packages, and none is to be installed on a
//! machine for a measurement.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, bail, ensure};

use super::Installed;

/// In `$1`, the folder of the layer: downloads the packages behind it and unpacks them there. A folder that is a link in
/// the machine's tree (`/bin`, `/lib`, …) must be one in the layer too, or the layer would hide what it leads to.
const UNPACK: &str = r#"
set -e
layer=$1; shift
mkdir -p "$layer.debs" "$layer"
cd "$layer.debs"
apt-get -q download "$@"
for name in bin sbin lib lib64; do
    [ ! -L "/$name" ] || { mkdir -p "$layer/usr/$name"; ln -sfn "usr/$name" "$layer/$name"; }
done
for package in *.deb; do
    dpkg-deb --fsys-tarfile "$package" | tar -x --keep-directory-symlink -C "$layer"
done
"#;

/// Gets `packages`; the layer has those that were missing, with what they need.
pub(super) fn install(packages: &[&str], cache: &Path) -> anyhow::Result<Installed> {
    let missing = missing(packages)?;
    if missing.is_empty() {
        return Ok(Installed { version: version(packages, None), ..Installed::default() });
    }
    fs::create_dir_all(cache).with_context(|| format!("cannot make {}", cache.display()))?;
    let cache = cache.canonicalize().with_context(|| format!("cannot find {}", cache.display()))?;
    let layer = cache.join(packages.join("+"));
    let whole = cache.join(format!("{}.whole", packages.join("+")));
    let list = missing.join("\n");
    if fs::read_to_string(&whole).is_ok_and(|unpacked| unpacked == list) {
        return Ok(layered(layer, packages));
    }
    // What an interrupted run has left is not to be trusted.
    for folder in [layer.clone(), cache.join(format!("{}.debs", packages.join("+")))] {
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
        }
    }
    let mut unpack = Command::new("sh");
    unpack.args(["-c", UNPACK, "sh"]).arg(&layer).args(&missing);
    said(&mut unpack).context("cannot download and unpack")?;
    fs::write(&whole, list).with_context(|| format!("cannot write {}", whole.display()))?;
    Ok(layered(layer, packages))
}

fn layered(layer: PathBuf, packages: &[&str]) -> Installed {
    let version = version(packages, Some(&layer));
    Installed { layer: Some(layer), folder: None, version }
}

/// Of the first of the packages: that of the layer, or the machine's. None, where neither says.
fn version(packages: &[&str], layer: Option<&Path>) -> Option<String> {
    let package = packages.first()?;
    let downloaded = layer.and_then(|layer| {
        let folder = fs::read_dir(format!("{}.debs", layer.display())).ok()?;
        let names = folder.flatten().map(|file| file.file_name().to_string_lossy().into_owned());
        names.filter_map(|name| version_in(&name, package)).next()
    });
    downloaded.or_else(|| {
        let mut query = Command::new("dpkg-query");
        let output = said(query.args(["--show", "--showformat=${Version}", package])).ok()?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned()).filter(|version| !version.is_empty())
    })
}

/// Of a file `package_version_architecture.deb`, in whose name a colon is written as a web address has it.
fn version_in(file: &str, package: &str) -> Option<String> {
    let (version, _) = file.strip_prefix(package)?.strip_prefix('_')?.split_once('_')?;
    Some(version.replace("%3a", ":"))
}

/// What apt would install for `packages`, and removes nothing for it.
fn missing(packages: &[&str]) -> anyhow::Result<Vec<String>> {
    let mut simulation = Command::new("apt-get");
    simulation.args(["-qq", "--simulate", "--no-install-recommends", "install"]).args(packages);
    let output = said(&mut simulation).context("apt does not know how to install it")?;
    Ok(to_install(&String::from_utf8_lossy(&output.stdout)))
}

/// The names behind `Inst`. The same package in another version counts too: apt would replace it.
fn to_install(simulated: &str) -> Vec<String> {
    let names = simulated.lines().filter_map(|line| line.strip_prefix("Inst ")?.split(' ').next());
    names.map(str::to_owned).collect()
}

/// Runs to the end; what went wrong is the error.
pub(super) fn said(command: &mut Command) -> anyhow::Result<Output> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => bail!("cannot start {program}: {error}"),
    };
    let stderr = String::from_utf8_lossy(&output.stderr);
    let last = stderr.trim().lines().last().unwrap_or("it says nothing");
    ensure!(output.status.success(), "{program} failed ({}): {last}", output.status);
    Ok(output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_apt_would_remove_stays() {
        let simulated = "Remv postfix [3.7.11-0+deb12u1]\nInst exim4-config (4.96-15 Debian:12 [all])\n\
                         Inst libgnutls-dane0 (3.7.9 Debian:12 [amd64]) []\nConf exim4-config (4.96-15)\n";
        assert_eq!(to_install(simulated), ["exim4-config", "libgnutls-dane0"]);
    }

    #[test]
    fn a_package_s_file_has_its_version() {
        let rows = [
            ("exim4_4.96-15+deb12u7_all.deb", "exim4", Some("4.96-15+deb12u7")),
            ("bind9-host_1%3a9.18_amd64.deb", "bind9-host", Some("1:9.18")),
            ("exim4-base_4.96_amd64.deb", "exim4", None),
            ("exim4.deb", "exim4", None),
        ];
        for (file, package, expected) in rows {
            assert_eq!(version_in(file, package).as_deref(), expected, "{file}");
        }
    }

    #[test]
    fn what_fails_says_why() {
        let error = said(Command::new("sh").args(["-c", "echo one >&2; echo two >&2; exit 3"])).unwrap_err();
        assert_eq!(error.to_string(), "sh failed (exit status: 3): two");
    }
}
