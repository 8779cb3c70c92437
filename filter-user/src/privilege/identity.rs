//! A user of this host, with all its groups.

use std::ffi::CString;
use std::io;

use nix::unistd::{Gid, Uid, User, getgrouplist};

use super::PrivilegeError;

/// Who the process is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    name: String,
    pub(super) uid: Uid,
    pub(super) gid: Gid,
    pub(super) groups: Vec<Gid>,
}

impl Identity {
    /// Looks a user up. May ask whatever this host keeps its users in, so it is done before anything else is.
    pub fn of(name: &str) -> Result<Self, PrivilegeError> {
        let look_up = |source: io::Error| PrivilegeError::LookUp { name: name.to_owned(), source };
        let user = User::from_name(name)
            .map_err(|errno| look_up(errno.into()))?
            .ok_or_else(|| PrivilegeError::Unknown { name: name.to_owned() })?;
        let spelled = CString::new(user.name.as_str()).map_err(|error| look_up(error.into()))?;
        let groups = getgrouplist(&spelled, user.gid).map_err(|errno| look_up(errno.into()))?;
        Ok(Self { name: user.name, uid: user.uid, gid: user.gid, groups })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The numbers of the user and of its own group, for files that it is to own.
    #[must_use]
    pub fn owner(&self) -> (u32, u32) {
        (self.uid.as_raw(), self.gid.as_raw())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_with_its_groups_and_nobody_else_is() {
        let root = Identity::of("root").unwrap();
        assert_eq!((root.name(), root.owner()), ("root", (0, 0)));
        assert!(root.groups.contains(&root.gid));
        for nobody in ["no-such-user-here", "", "with\0nul"] {
            let error = Identity::of(nobody).unwrap_err().to_string();
            assert!(error.starts_with(&format!("user = {nobody:?}: this host")), "{error}");
        }
    }
}
