//! Postfix with fail2ban, which reads its log and bans by nftables: what most people run today against those who try.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use super::postfix::{self, Postfix};
use super::{Installed, OFFENCES, Pace, Peer, Running, SANCTION, Site, packages};
use crate::command;
use crate::namespace::Own;

/// fail2ban of Debian beside Postfix of Debian.
#[derive(Debug)]
pub struct Fail2ban(());

/// pyinotify tells it of each line at once.
const PACKAGES: [&str; 4] = ["fail2ban", "postfix", "python3-pyinotify", "nftables"];

/// The table that its action makes, in the namespace that it is started in.
const TABLE: [&str; 2] = ["inet", "f2b-table"];

/// How long it may take until it watches.
const START: Duration = Duration::from_secs(20);

/// fail2ban and its mail server, the server's words last; fail2ban ends with the server, whatever ends that.
const BOTH: &str = r#"
setpriv --pdeathsig KILL fail2ban-server -c "$1" -s "$1/socket" -p "$1/pid" -f start >&2 &
shift
exec "$@"
"#;

impl Fail2ban {
    /// Gets it, as long as this process has the machine's network; later it is installed from what was got.
    pub fn fetch(cache: &Path) -> anyhow::Result<()> {
        packages::install(&PACKAGES, cache).map(|_| ()).context("fail2ban cannot be got")
    }

    /// Shows by `own` that its rules will be in a namespace of this process.
    #[must_use]
    pub fn within(_own: &Own) -> Self {
        Self(())
    }
}

impl Peer for Fail2ban {
    fn name(&self) -> &'static str {
        "Postfix, fail2ban"
    }

    fn pace(&self) -> Pace {
        Pace::SLOW
    }

    fn needs_root(&self) -> bool {
        true
    }

    fn install(&self, cache: &Path) -> anyhow::Result<Installed> {
        packages::install(&PACKAGES, cache)
    }

    fn start(&self, installed: &Installed, site: &Site) -> anyhow::Result<Running> {
        let address = site.free_address()?;
        let server = postfix::set_up(installed, site, address, &Postfix::service(address), "")?;
        let folder = site.folder.join("fail2ban");
        set_up(&folder, &site.folder.join("log/mail"), address.port())
            .with_context(|| format!("cannot set up fail2ban in {}", folder.display()))?;
        let mut both = Command::new("sh");
        both.args(["-c", BOTH, "sh"]).arg(&folder).arg(server.get_program()).args(server.get_args());
        let running = postfix::run(&both, installed, site, address)?.keeping(Rules);
        wait_for_its_watch(&folder.join("log"))?;
        Ok(running)
    }
}

/// Writes its configuration; filters and actions are those of the package.
fn set_up(folder: &Path, mail_log: &Path, port: u16) -> anyhow::Result<()> {
    fs::create_dir(folder)?;
    for part in ["filter.d", "action.d"] {
        symlink(Path::new("/etc/fail2ban").join(part), folder.join(part))?;
    }
    // What is not there when it starts it does not watch.
    fs::write(mail_log, "")?;
    fs::write(folder.join("fail2ban.conf"), own_settings(folder))?;
    fs::write(folder.join("jail.conf"), jail(mail_log, port))?;
    Ok(())
}

fn own_settings(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "[DEFAULT]\n\
         loglevel = INFO\n\
         logtarget = {folder}/log\n\
         syslogsocket = auto\n\
         dbfile = None\n\
         [Definition]\n"
    )
}

/// As quick as it can be: told by the kernel of each line, no names looked up, its rules there from the start.
fn jail(mail_log: &Path, port: u16) -> String {
    let (log, seconds) = (mail_log.display(), SANCTION.as_secs());
    format!(
        "[postfix]\n\
         enabled = true\n\
         filter = postfix\n\
         backend = pyinotify\n\
         logpath = {log}\n\
         usedns = no\n\
         ignoreself = false\n\
         maxretry = {OFFENCES}\n\
         findtime = {seconds}\n\
         bantime = {seconds}\n\
         action = nftables[type=multiport, name=postfix, port={port}, protocol=tcp, blocktype=drop, \
         actionstart_on_demand=false]\n"
    )
}

/// Waits until it watches the log: what is in there before counts too, but nobody has come yet.
fn wait_for_its_watch(log: &Path) -> anyhow::Result<()> {
    let until = Instant::now() + START;
    loop {
        let said = fs::read_to_string(log).unwrap_or_default();
        if said.contains("Jail 'postfix' started") && command::run("nft", &list()).is_ok() {
            return Ok(());
        }
        let last = said.lines().last().unwrap_or("nothing").to_owned();
        ensure!(Instant::now() < until, "fail2ban does not watch in {START:?}; its log ends with {last:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn list() -> [&'static str; 4] {
    ["list", "table", TABLE[0], TABLE[1]]
}

/// Its rules, which it leaves where it is killed.
struct Rules;

impl Drop for Rules {
    fn drop(&mut self) {
        // Where it has not come to make them, there are none.
        let _ = command::run("nft", &["delete", "table", TABLE[0], TABLE[1]]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_jail_bans_at_the_port_for_as_many_offences_as_relaygate_blocks_for() {
        let jail = jail(Path::new("/tmp/mail"), 2525);
        assert!(jail.contains("logpath = /tmp/mail\n") && jail.contains("port=2525,"), "{jail}");
        assert!(jail.contains(&format!("maxretry = {OFFENCES}\n")), "{jail}");
    }
}
