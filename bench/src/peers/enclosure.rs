//! A command that runs in a group of its own, and where it needs one, over a tree of its own. Nothing on the machine is
//! changed: the tree is mounted in a mount namespace that ends with the command.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

/// Joins the group, if any; then the command, in a process group of its own, so that an interrupt from the terminal
/// reaches the bench alone, which ends it in order.
const PLAIN: &str = r#"
set -e
group=$1; shift
[ -z "$group" ] || echo 0 > "$group/cgroup.procs"
exec "$@"
"#;

/// The same, with a layer over the machine's root. What is written goes to memory, but for the folder of the site.
const LAYERED: &str = r#"
set -e
group=$1; layer=$2; site=$3; shift 3
[ -z "$group" ] || echo 0 > "$group/cgroup.procs"
mount -t tmpfs -o mode=755 tmpfs "$site/room"
mkdir "$site/room/upper" "$site/room/work" "$site/room/root"
mount -t overlay overlay -o "lowerdir=$layer:/,upperdir=$site/room/upper,workdir=$site/room/work" "$site/room/root"
for folder in /proc /dev /sys; do mount --rbind "$folder" "$site/room/root$folder"; done
mkdir -p "$site/room/root$site"
mount --bind "$site" "$site/room/root$site"
exec chroot "$site/room/root" "$@"
"#;

/// What encloses a command.
#[derive(Clone, Copy, Debug)]
pub(super) struct Enclosure<'e> {
    /// The control group that it joins.
    pub(super) group: Option<&'e Path>,
    /// The tree over the machine's root.
    pub(super) layer: Option<&'e Path>,
    /// The folder that the command writes to.
    pub(super) site: &'e Path,
}

impl Enclosure<'_> {
    /// `command`, enclosed. Its arguments, folder and environment stay.
    pub(super) fn around(&self, command: &Command) -> Command {
        let group = self.group.map_or(OsStr::new(""), Path::as_os_str);
        let mut enclosed = match self.layer {
            None => {
                let mut shell = Command::new("sh");
                shell.args(["-c", PLAIN, "sh"]).arg(group);
                shell
            }
            Some(layer) => {
                let mut shell = Command::new("unshare");
                shell.args(["--mount", "--propagation", "private", "sh", "-c", LAYERED, "sh"]);
                shell.arg(group).arg(layer).arg(self.site);
                shell
            }
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
        let enclosure = Enclosure { group: None, layer: None, site: site.path() };
        let output = enclosure.around(&command).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "a b|$c|blue|");
    }
}
