//! Debian packages that a peer consists of. What is not installed is downloaded and unpacked into a cache, and laid over
//! the machine's tree for that peer alone: mail servers exclude each other as packages, and none is to be installed on a
//! machine for a measurement.

use std::fs;
use std::path::Path;
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
        return Ok(Installed::default());
    }
    fs::create_dir_all(cache).with_context(|| format!("cannot make {}", cache.display()))?;
    let cache = cache.canonicalize().with_context(|| format!("cannot find {}", cache.display()))?;
    let layer = cache.join(packages.join("+"));
    let whole = cache.join(format!("{}.whole", packages.join("+")));
    let list = missing.join("\n");
    if fs::read_to_string(&whole).is_ok_and(|unpacked| unpacked == list) {
        return Ok(Installed { layer: Some(layer), folder: None });
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
    Ok(Installed { layer: Some(layer), folder: None })
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
    fn what_fails_says_why() {
        let error = said(Command::new("sh").args(["-c", "echo one >&2; echo two >&2; exit 3"])).unwrap_err();
        assert_eq!(error.to_string(), "sh failed (exit status: 3): two");
    }
}
