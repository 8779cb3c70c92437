//! The control socket: a path, and who may open it. Opens nothing.

use super::{Item, Kind};
use crate::config::ControlSettings;

/// A unix socket that we make.
#[derive(Debug)]
pub struct ControlPath;

impl Kind for ControlPath {
    type Value = ControlSettings;

    fn parse(&self, text: &str) -> Option<ControlSettings> {
        read(text).ok()
    }

    fn placeholder(&self) -> &'static str {
        "PATH"
    }

    fn expected(&self) -> String {
        "the path of a socket, mode=0660 where its group may open it too, and edit=group where that may change peers, \
         such as `/run/relaygate/control mode=0660`"
            .to_owned()
    }

    fn fault(&self, text: &str) -> Option<String> {
        read(text).err()
    }
}

fn read(text: &str) -> Result<ControlSettings, String> {
    let mut item = Item::parse(text)?;
    let path = item.word().filter(|path| !path.is_empty()).ok_or("there is no path")?;
    let mode = match item.option("mode")?.as_deref() {
        None | Some("0600") => 0o600,
        Some("0660") => 0o660,
        Some(other) => return Err(format!("mode={other} is neither 0600 nor 0660")),
    };
    let group_edits = match item.option("edit")?.as_deref() {
        None => false,
        Some("group") if mode == 0o660 => true,
        Some("group") => return Err("edit=group is for mode=0660: else the group cannot open it".to_owned()),
        Some(other) => return Err(format!("there is no edit={other}")),
    };
    item.end()?;
    Ok(ControlSettings { path: path.into(), mode, group_edits })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_and_who_may_open_it() {
        for (text, path, mode, group_edits) in [
            ("/run/relaygate/control", "/run/relaygate/control", 0o600, false),
            ("/run/c mode=0660", "/run/c", 0o660, false),
            ("/run/c mode=0660 edit=group", "/run/c", 0o660, true),
            ("\"/run/a b\" mode=0600", "/run/a b", 0o600, false),
        ] {
            assert_eq!(read(text), Ok(ControlSettings { path: path.into(), mode, group_edits }), "{text}");
        }
        for (text, fault) in [
            ("", "there is no path"),
            ("mode=0660", "there is no path"),
            ("/run/c edit=group", "edit=group is for mode=0660"),
            ("/run/c mode=0660 edit=all", "there is no edit=all"),
            ("/run/c mode=0666", "neither 0600 nor 0660"),
            ("/run/c /run/d", "one word too many"),
        ] {
            let said = ControlPath.fault(text).unwrap_or_default();
            assert!(said.contains(fault), "{text}: {said}");
        }
    }
}
