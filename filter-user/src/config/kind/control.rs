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
        "the path of a socket, and mode=0660 where its group may open it too, such as \
         `/run/relaygate/control mode=0660`"
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
    item.end()?;
    Ok(ControlSettings { path: path.into(), mode })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_and_who_may_open_it() {
        for (text, path, mode) in [
            ("/run/relaygate/control", "/run/relaygate/control", 0o600),
            ("/run/c mode=0660", "/run/c", 0o660),
            ("\"/run/a b\" mode=0600", "/run/a b", 0o600),
        ] {
            assert_eq!(read(text), Ok(ControlSettings { path: path.into(), mode }), "{text}");
        }
        for (text, fault) in [
            ("", "there is no path"),
            ("mode=0660", "there is no path"),
            ("/run/c mode=0666", "neither 0600 nor 0660"),
            ("/run/c /run/d", "one word too many"),
        ] {
            let said = ControlPath.fault(text).unwrap_or_default();
            assert!(said.contains(fault), "{text}: {said}");
        }
    }
}
