//! Users that a package's installation would have made: added to the layer of one peer, never to the machine.

use std::fs;
use std::path::Path;

use anyhow::Context;
use nix::unistd::{Group, User};

use super::Site;

/// A user with a group of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) user: u32,
    pub(super) group: u32,
}

/// Where numbers begin that are looked at for a new one; Debian gives these to nobody by itself.
const FIRST: u32 = 61_200;

impl Account {
    /// The machine's of this name, or a new one that the peer alone sees.
    pub(super) fn of(name: &str, site: &Site) -> anyhow::Result<Self> {
        let user = User::from_name(name).with_context(|| format!("cannot look for the user {name}"))?;
        let group = Group::from_name(name).with_context(|| format!("cannot look for the group {name}"))?;
        if let (Some(user), Some(group)) = (user, group) {
            return Ok(Self { user: user.uid.as_raw(), group: group.gid.as_raw() });
        }
        let folder = site.over("etc")?;
        let [mut users, mut groups] = [text(&folder, "passwd")?, text(&folder, "group")?];
        let number = free_number(&users, &groups);
        users += &format!("{name}:x:{number}:{number}::/nonexistent:/usr/sbin/nologin\n");
        groups += &format!("{name}:x:{number}:\n");
        for (file, text) in [("passwd", users), ("group", groups)] {
            let path = folder.join(file);
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(Self { user: number, group: number })
    }

    /// Gives it a folder of the site, which is made.
    pub(super) fn folder(self, site: &Site, name: &str) -> anyhow::Result<()> {
        let path = site.folder.join(name);
        let own = || {
            fs::create_dir(&path)?;
            std::os::unix::fs::chown(&path, Some(self.user), Some(self.group))
        };
        own().with_context(|| format!("cannot make {}", path.display()))
    }
}

/// The layer's file, and before there is one, the machine's.
fn text(folder: &Path, file: &str) -> anyhow::Result<String> {
    let own = folder.join(file);
    let path = if own.exists() { own } else { Path::new("/etc").join(file) };
    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// The first that neither a user nor a group has.
fn free_number(users: &str, groups: &str) -> u32 {
    let taken = |number: u32| {
        let number = number.to_string();
        users.lines().chain(groups.lines()).any(|line| line.split(':').nth(2) == Some(&number))
    };
    (FIRST..).find(|number| !taken(*number)).unwrap_or(FIRST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_account_has_a_number_of_its_own() {
        assert_eq!(free_number("root:x:0:0::/:/bin/sh\n", "root:x:0:\n"), FIRST);
        let users = format!("a:x:{FIRST}:0::/:/bin/sh\n");
        let groups = format!("b:x:{}:\n", FIRST + 1);
        assert_eq!(free_number(&users, &groups), FIRST + 2);
    }

    #[test]
    fn what_the_machine_lacks_is_in_the_layer_alone() {
        let folder = tempfile::tempdir().unwrap();
        let site = Site::at(folder.path());
        assert_eq!(Account::of("root", &site).unwrap(), Account { user: 0, group: 0 });
        assert!(!folder.path().join("over").exists());
        let first = Account::of("nobody-has-this", &site).unwrap();
        let second = Account::of("nor-this", &site).unwrap();
        assert_ne!(first, second);
        let users = fs::read_to_string(folder.path().join("over/etc/passwd")).unwrap();
        assert!(users.starts_with("root:") && users.contains("\nnobody-has-this:x:"), "{users}");
    }
}
