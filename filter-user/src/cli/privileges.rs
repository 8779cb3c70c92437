//! Which privileges a start needs, and that the daemon goes on without: as whom, and what it keeps for which reason. What is
//! read again later, at SIGHUP, is read for the first time after that, so that a start which succeeds is one whose reloads
//! do.

use std::error::Error;
use std::io;
use std::os::unix::fs::lchown;
use std::path::Path;

use anyhow::Context as _;
use nix::unistd::{User, getuid};

use super::core_dumps;
use super::enforcement::Enforcement;
use crate::config::{ClientAddress, Config};
use crate::kernel::probe;
use crate::privilege::{CapabilitySet, Identity, as_spoken, effective, give_up};
use crate::telemetry::field;

/// Privileges that are still there.
pub(super) struct Privileges {
    user: Option<Identity>,
    /// Whether connections to a backend come from the clients' own addresses.
    is_transparent: bool,
    hears_passwords: bool,
}

impl Privileges {
    /// What these settings ask for: who the process is to be is looked up, for it must be known before anything is opened.
    pub(super) fn of(config: &Config) -> anyhow::Result<Self> {
        let user = config.kernel.user.as_deref().map(Identity::of).transpose()?;
        let of_route =
            config.routing.destinations.iter().filter_map(|destination| destination.client_address);
        let mut addresses = of_route.chain([config.backend.client_address]);
        Ok(Self {
            user,
            is_transparent: addresses.any(|address| address == ClientAddress::Transparent),
            hears_passwords: config.auth.is_offered(),
        })
    }

    /// The user and group that are to own what the daemon changes later, where those are others than now.
    pub(super) fn owner(&self) -> Option<(u32, u32)> {
        self.user.as_ref().map(Identity::owner)
    }

    /// Gives a socket in the file system to the user: who may use it is said by owner and group.
    pub(super) fn hand_over(&self, socket: &Path) -> anyhow::Result<()> {
        let Some(user) = &self.user else { return Ok(()) };
        let (uid, gid) = user.owner();
        lchown(socket, Some(uid), Some(gid)).with_context(|| {
            format!("cannot give the socket {} to user = {:?}", socket.display(), user.name())
        })
    }

    /// From here on the process is the user, and has no capability but those that are said. To be called before any other
    /// thread is made.
    pub(super) fn give_up(self, enforcement: &Enforcement) -> anyhow::Result<()> {
        let had = effective()?;
        let mut kept = Vec::new();
        if self.is_transparent {
            // Either will do for IP_TRANSPARENT; the first changes nothing on this host.
            let lesser = if had.contains(CapabilitySet::NET_RAW) {
                CapabilitySet::NET_RAW
            } else {
                CapabilitySet::NET_ADMIN
            };
            kept.push((lesser, "for backend-client-address = transparent"));
        }
        if enforcement.is_in_kernel() && probe::maps_need_privilege() {
            kept.push((
                CapabilitySet::BPF,
                "for the maps, which this kernel lets nobody else use (5.19 does)",
            ));
        }
        let wanted = kept.iter().fold(CapabilitySet::empty(), |all, (one, _)| all | *one);
        give_up(self.user.as_ref(), wanted)?;
        // Whoever becomes another user may be looked into again: so only now.
        if self.hears_passwords {
            core_dumps::forbid();
        }
        for (capability, reason) in kept.iter().filter(|(capability, _)| had.contains(*capability)) {
            tracing::info!(
                { field::REASON } = reason,
                "{} is kept, and no other capability",
                as_spoken(*capability)
            );
        }
        match &self.user {
            Some(user) => tracing::info!("relaygate is user {} from here on", user.name()),
            None if getuid().is_root() => tracing::warn!(
                "relaygate goes on as root, without capabilities: whoever took it over could write root's files; \
                 set `user`"
            ),
            None => {}
        }
        Ok(())
    }
}

/// What is to be done about an error for want of permission: whom the file must let in.
pub(super) fn advice(error: &(dyn Error + 'static)) -> Option<String> {
    let mut causes = std::iter::successors(Some(error), |&error| error.source());
    let is_denied = causes.any(|cause| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
    });
    is_denied.then(|| {
        let uid = getuid();
        let name = User::from_uid(uid).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name);
        format!(
            "relaygate reads and writes as user {name}, without capabilities: let it, by owner, group or ACL"
        )
    })
}

/// The same, before the error.
pub(super) fn advised(error: anyhow::Error) -> anyhow::Error {
    match advice(error.as_ref()) {
        Some(advice) => error.context(advice),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_not_read_a_file_is_told_whom_to_let_in() {
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        let error = Err::<(), _>(denied).context("mailbox file /etc/boxes").unwrap_err();
        let said = format!("{:#}", advised(error));
        assert!(said.starts_with("relaygate reads and writes as user "), "{said}");
        assert!(
            said.contains("by owner, group or ACL: mailbox file /etc/boxes: permission denied"),
            "{said}"
        );
        let other = Err::<(), _>(io::Error::from(io::ErrorKind::NotFound)).context("x").unwrap_err();
        assert_eq!(format!("{:#}", advised(other)), "x: entity not found");
    }
}
