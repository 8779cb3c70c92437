//! Haraka, in one process of Node.js: refuses what no plugin takes, and hands the rest on while it receives it.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Context;

use super::{Installed, LOCAL_DOMAIN, Pace, Peer, Running, Site, packages};

/// Haraka of npm.
#[derive(Clone, Copy, Debug)]
pub struct Haraka;

/// What starts it, below the folder that npm installs into.
const PROGRAM: &str = "node_modules/Haraka/bin/haraka";
/// The settings that it comes with: those that are not ours are its own.
const DEFAULTS: &str = "node_modules/Haraka/config";

impl Peer for Haraka {
    fn name(&self) -> &'static str {
        "Haraka"
    }

    fn pace(&self) -> Pace {
        Pace { sessions: 1_000, idle: 2_000, ..Pace::SLOW }
    }

    fn install(&self, cache: &Path) -> anyhow::Result<Installed> {
        let folder = cache.join("haraka");
        if !folder.join(PROGRAM).is_file() {
            fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
            let mut npm = Command::new("npm");
            npm.args([
                "install",
                "--omit=optional",
                "--omit=dev",
                "--ignore-scripts",
                "--no-audit",
                "--no-fund",
            ]);
            npm.arg("--prefix").arg(&folder).arg("Haraka@3");
            packages::said(&mut npm).context("npm cannot install it")?;
        }
        let folder = folder.canonicalize().with_context(|| format!("cannot find {}", folder.display()))?;
        let version = version_in(&folder);
        Ok(Installed { layer: None, folder: Some(folder), version })
    }

    fn start(&self, installed: &Installed, site: &Site) -> anyhow::Result<Running> {
        let address = site.free_address()?;
        let program = installed.folder.as_deref().context("it is not installed")?;
        for name in ["config", "queue"] {
            fs::create_dir(site.folder.join(name)).with_context(|| format!("cannot make its {name}"))?;
        }
        let connection = fs::read_to_string(program.join(DEFAULTS).join("connection.ini"))
            .context("its settings have no connection.ini")?;
        let (sink, port) = (site.sink.ip(), site.sink.port());
        site.write("config/connection.ini", &connection)?;
        site.write("config/me", &format!("mail.{LOCAL_DOMAIN}\n"))?;
        site.write("config/smtp.ini", &format!("listen={address}\nnodes=0\n"))?;
        site.write("config/plugins", "rcpt_to.in_host_list\nqueue/smtp_forward\n")?;
        site.write("config/host_list", &format!("{LOCAL_DOMAIN}\n"))?;
        site.write("config/smtp_forward.ini", &format!("host={sink}\nport={port}\n"))?;
        site.write("config/log.ini", "[main]\nlevel=crit\n")?;
        site.write("config/loglevel", "CRIT\n")?;
        let mut command = Command::new("node");
        command.arg(program.join(PROGRAM)).arg("-c").arg(&site.folder);
        Running::start(&command, installed, site, Some(address))
    }
}

/// As its package names it.
fn version_in(folder: &Path) -> Option<String> {
    let text = fs::read_to_string(folder.join("node_modules/Haraka/package.json")).ok()?;
    let package: serde_json::Value = serde_json::from_str(&text).ok()?;
    Some(package["version"].as_str()?.to_owned())
}
