//! A command that runs in a group of its own, and where it needs one, over a tree of its own. Nothing on the machine is
//! changed: the tree is mounted in a mount namespace that ends with the command.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use super::Site;

/// Joins the group, if any; then the command, in a process group of its own, so that an interrupt from the terminal
/// reaches the bench alone, which ends it in order.
const PLAIN: &str = r#"
set -e
group=$1; shift
[ -z "$group" ] || echo 0 > "$group/cgroup.procs"
exec "$@"
"#;

/// The same, with layers over the machine's folders: the site's own, and below it the packages'. What is written goes to
/// memory, but for the folder of the site. (A layer over all of `/` would lie in what it covers, which overlayfs refuses.)
const LAYERED: &str = r#"
set -e
group=$1; layer=$2; site=$3; shift 3
[ -z "$group" ] || echo 0 > "$group/cgroup.procs"
mount -t tmpfs -o mode=755 tmpfs "$site/room"
for folder in usr etc var; do
    mkdir "$site/room/$folder" "$site/room/$folder.work"
    layers=/$folder
    [ -z "$layer" ] || [ ! -d "$layer/$folder" ] || layers=$layer/$folder:$layers
    [ ! -d "$site/over/$folder" ] || layers=$site/over/$folder:$layers
    options=lowerdir=$layers,upperdir=$site/room/$folder,workdir=$site/room/$folder.work
    mount -t overlay -o "$options" overlay "/$folder"
done
mount -t tmpfs -o mode=755 tmpfs /run
exec "$@"
"#;

/// What encloses a command.
#[derive(Clone, Copy, Debug)]
pub(super) struct Enclosure<'e> {
    /// The control group that it joins.
    pub(super) group: Option<&'e Path>,
    /// The packages' files, for over the machine's.
    pub(super) layer: Option<&'e Path>,
    /// The folder that the command writes to, with its own files for over all others.
    pub(super) site: &'e Site,
}

impl Enclosure<'_> {
    /// Whether it has a tree of its own.
    pub(super) fn is_layered(&self) -> bool {
        self.layer.is_some() || self.site.folder.join("over").exists()
    }

    /// `command`, enclosed. Its arguments, folder and environment stay.
    pub(super) fn around(&self, command: &Command) -> Command {
        let group = self.group.map_or(OsStr::new(""), Path::as_os_str);
        let mut enclosed = if self.is_layered() {
            let mut shell = Command::new("unshare");
            shell.args(["--mount", "--propagation", "private", "sh", "-c", LAYERED, "sh"]);
            shell.arg(group).arg(self.layer.unwrap_or(Path::new(""))).arg(&self.site.folder);
            shell
        } else {
            let mut shell = Command::new("sh");
            shell.args(["-c", PLAIN, "sh"]).arg(group);
            shell
        };
        enclosed.arg(command.get_program()).args(command.get_args()).process_group(0);
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => enclosed.env(name, value),
                None => enclosed.env_remove(name),
            };
        }
        enclosed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_keeps_its_arguments_and_environment() {
        let mut command = Command::new("sh");
        command.args(["-c", "printf '%s|' \"$@\" \"$COLOUR\"", "sh", "a b", "$c"]).env("COLOUR", "blue");
        let site = tempfile::tempdir().unwrap();
        let site = Site::at(site.path());
        let enclosure = Enclosure { group: None, layer: None, site: &site };
        let output = enclosure.around(&command).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "a b|$c|blue|");
    }

    mod as_root {
        use super::*;
        use crate::peers::packages::said;

        #[test]
        fn files_of_layer_and_site_lie_over_the_machines_for_the_command_alone() {
            let (layer, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            let site = Site::at(folder.path());
            std::fs::create_dir(folder.path().join("room")).unwrap();
            std::fs::create_dir_all(layer.path().join("usr/bin")).unwrap();
            std::os::unix::fs::symlink("/usr/bin/cat", layer.path().join("usr/bin/relaygate-cat")).unwrap();
            std::fs::write(site.over("etc").unwrap().join("relaygate-name"), "over").unwrap();
            let enclosure = Enclosure { group: None, layer: Some(layer.path()), site: &site };
            let mut command = Command::new("sh");
            let script =
                "relaygate-cat /etc/relaygate-name; echo x > /var/relaygate-new; cat /var/relaygate-new";
            command.args(["-c", script]);
            let output = said(&mut enclosure.around(&command)).unwrap();
            assert_eq!(String::from_utf8_lossy(&output.stdout), "overx\n");
            assert!(
                !Path::new("/var/relaygate-new").exists() && !Path::new("/usr/bin/relaygate-cat").exists()
            );
        }
    }
}
