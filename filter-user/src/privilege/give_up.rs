//! Gives privileges up for good. Capabilities belong to a thread, and a new one has those of the thread that made it: so
//! this is done while there is one thread, and what the kernel then says of every thread is compared with what was meant.

use std::path::Path;

use nix::unistd::{getgroups, getresgid, getresuid, setgroups, setresgid, setresuid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_keep_capabilities, set_no_new_privs,
};

use super::thread_status::Capabilities;
use super::{Identity, PrivilegeError, ThreadStatus};

/// What it takes to become another user.
const TO_BECOME: CapabilitySet = CapabilitySet::SETUID.union(CapabilitySet::SETGID);

/// The capabilities that are in force now, of the calling thread.
pub fn effective() -> Result<CapabilitySet, PrivilegeError> {
    let sets =
        capabilities(None).map_err(PrivilegeError::refused("ask for the capabilities of this process"))?;
    Ok(sets.effective)
}

/// A set of capabilities as it is said in messages: `CAP_BPF and CAP_NET_ADMIN`; empty for none.
#[must_use]
pub fn as_spoken(set: CapabilitySet) -> String {
    let each = set.iter_names().map(|(name, _)| format!("CAP_{name}")).collect::<Vec<_>>();
    match each.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => String::new(),
    }
}

/// Becomes that user, and gives up every capability but those of `kept` that are there: for this process and whatever it
/// starts, which can gain none either. Says which are kept. To be called while there is one thread.
pub fn give_up(user: Option<&Identity>, kept: CapabilitySet) -> Result<CapabilitySet, PrivilegeError> {
    let had =
        capabilities(None).map_err(PrivilegeError::refused("ask for the capabilities of this process"))?;
    let kept = kept & had.permitted;
    set_no_new_privs(true).map_err(PrivilegeError::refused("rule out new privileges (no_new_privs)"))?;
    if had.effective.contains(CapabilitySet::SETPCAP) {
        empty_bounding_set()?;
    }
    if let Some(user) = user {
        set_keep_capabilities(true)
            .map_err(PrivilegeError::refused("keep capabilities over a change of user"))?;
        become_user(user, had.effective)?;
        set_keep_capabilities(false).map_err(PrivilegeError::refused("end the keeping of capabilities"))?;
    }
    let sets = CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() };
    set_capabilities(None, sets).map_err(PrivilegeError::refused("give up capabilities"))?;
    clear_ambient_capability_set()
        .map_err(PrivilegeError::refused("empty the ambient set of capabilities"))?;
    let bounded = had.effective.contains(CapabilitySet::SETPCAP);
    verify_all(Path::new("/proc/self/task"), &|status| fault(status, user, kept, bounded))?;
    Ok(kept)
}

/// Nothing that is started can come to have a capability: the second lock, behind no_new_privs.
fn empty_bounding_set() -> Result<(), PrivilegeError> {
    // A kernel knows the first so many; asked about others it answers that there is no such capability.
    for capability in (0..u64::BITS).map(|number| CapabilitySet::from_bits_retain(1 << number)) {
        if capability_is_in_bounding_set(capability) == Ok(true) {
            remove_capability_from_bounding_set(capability)
                .map_err(PrivilegeError::refused("empty the bounding set of capabilities"))?;
        }
    }
    Ok(())
}

/// For every thread at once, as the C library does it. Needs no privilege where the process is that user already.
fn become_user(user: &Identity, had: CapabilitySet) -> Result<(), PrivilegeError> {
    let (uid, gid) = (user.uid, user.gid);
    let missing = TO_BECOME - had;
    if !missing.is_empty() {
        let name = user.name().to_owned();
        return match is_already(user)? {
            true => Ok(()),
            false => Err(PrivilegeError::MayNotBecome { name, missing: as_spoken(missing) }),
        };
    }
    // The groups first: without CAP_SETGID, which the user has not, they could not be changed any more.
    setgroups(&user.groups).map_err(PrivilegeError::refused("take on the groups of the user"))?;
    setresgid(gid, gid, gid).map_err(PrivilegeError::refused("take on the group of the user"))?;
    setresuid(uid, uid, uid).map_err(PrivilegeError::refused("become the user"))
}

/// Whether the process is this user, and in no group that is not the user's.
fn is_already(user: &Identity) -> Result<bool, PrivilegeError> {
    let uids = getresuid().map_err(PrivilegeError::refused("ask for the user of this process"))?;
    let gids = getresgid().map_err(PrivilegeError::refused("ask for the group of this process"))?;
    let groups = getgroups().map_err(PrivilegeError::refused("ask for the groups of this process"))?;
    Ok([uids.real, uids.effective, uids.saved] == [user.uid; 3]
        && [gids.real, gids.effective, gids.saved] == [user.gid; 3]
        && groups.iter().all(|group| user.groups.contains(group)))
}

/// Asks for the status of every thread.
fn verify_all(threads: &Path, fault: &dyn Fn(&ThreadStatus) -> Option<String>) -> Result<(), PrivilegeError> {
    let unreadable = PrivilegeError::refused::<std::io::Error>;
    for thread in std::fs::read_dir(threads).map_err(unreadable("list the threads of this process"))? {
        let thread = thread.map_err(unreadable("list the threads of this process"))?;
        let what = match std::fs::read_to_string(thread.path().join("status")) {
            Ok(status) => match ThreadStatus::read(&status) {
                Some(status) => fault(&status),
                None => Some("a status that cannot be read".to_owned()),
            },
            // It has ended meanwhile.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) if error.raw_os_error() == Some(nix::libc::ESRCH) => None,
            Err(error) => return Err(unreadable("read the status of a thread")(error)),
        };
        if let Some(what) = what {
            let thread = thread.file_name().to_string_lossy().into_owned();
            return Err(PrivilegeError::NotGivenUp { thread, what });
        }
    }
    Ok(())
}

/// What a thread has that it should not.
fn fault(
    status: &ThreadStatus,
    user: Option<&Identity>,
    kept: CapabilitySet,
    bounded: bool,
) -> Option<String> {
    let none = Capabilities::default();
    let sets = [
        ("effective", status.effective, Capabilities(kept)),
        ("permitted", status.permitted, Capabilities(kept)),
        ("inheritable", status.inheritable, none),
        ("ambient", status.ambient, none),
        // Without CAP_SETPCAP it stays as it was; with no_new_privs nothing comes of it.
        ("bounding", status.bounding, if bounded { none } else { status.bounding }),
    ];
    if let Some((name, found, _)) = sets.iter().find(|(_, found, wanted)| found != wanted) {
        return Some(format!("the {name} capabilities {found:?}"));
    }
    if !status.no_new_privileges {
        return Some("a way to new privileges".to_owned());
    }
    let user = user?;
    let (uid, gid) = user.owner();
    let others = |numbers: &[u32], wanted: u32| numbers.iter().find(|number| **number != wanted).copied();
    if let Some(other) = others(&status.users, uid) {
        return Some(format!("the user {other}"));
    }
    if let Some(other) = others(&status.groups, gid) {
        return Some(format!("the group {other}"));
    }
    let foreign = |group: &&u32| !user.groups.iter().any(|own| own.as_raw() == **group);
    status.further_groups.iter().find(foreign).map(|group| format!("the further group {group}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> ThreadStatus {
        ThreadStatus {
            users: vec![0; 4],
            groups: vec![0; 4],
            further_groups: vec![0],
            no_new_privileges: true,
            ..ThreadStatus::default()
        }
    }

    #[test]
    fn capabilities_are_spoken_as_people_say_them() {
        let rows = [
            (CapabilitySet::empty(), ""),
            (CapabilitySet::BPF, "CAP_BPF"),
            (CapabilitySet::BPF | CapabilitySet::NET_ADMIN, "CAP_NET_ADMIN and CAP_BPF"),
            (TO_BECOME | CapabilitySet::BPF, "CAP_SETGID, CAP_SETUID and CAP_BPF"),
        ];
        for (set, spoken) in rows {
            assert_eq!(as_spoken(set), spoken);
        }
    }

    #[test]
    fn whatever_a_thread_still_has_is_found() {
        let root = Identity::of("root").unwrap();
        let some = Capabilities(CapabilitySet::NET_RAW);
        let found = |change: fn(&mut ThreadStatus, Capabilities)| {
            let mut changed = status();
            change(&mut changed, some);
            fault(&changed, Some(&root), CapabilitySet::empty(), true).unwrap_or_default()
        };
        assert_eq!(found(|_, _| ()), "");
        assert_eq!(found(|s, some| s.effective = some), "the effective capabilities 0000000000002000");
        assert_eq!(found(|s, some| s.permitted = some), "the permitted capabilities 0000000000002000");
        assert_eq!(found(|s, some| s.inheritable = some), "the inheritable capabilities 0000000000002000");
        assert_eq!(found(|s, some| s.ambient = some), "the ambient capabilities 0000000000002000");
        assert_eq!(found(|s, some| s.bounding = some), "the bounding capabilities 0000000000002000");
        assert_eq!(found(|s, _| s.no_new_privileges = false), "a way to new privileges");
        assert_eq!(found(|s, _| s.users[2] = 7), "the user 7");
        assert_eq!(found(|s, _| s.groups[3] = 8), "the group 8");
        assert_eq!(found(|s, _| s.further_groups.push(9)), "the further group 9");
    }

    #[test]
    fn what_is_kept_is_wanted_and_without_setpcap_the_bounding_set_is_left() {
        let kept = CapabilitySet::NET_RAW;
        let mut keeps = status();
        (keeps.effective, keeps.permitted) = (Capabilities(kept), Capabilities(kept));
        keeps.bounding = Capabilities(CapabilitySet::all());
        assert_eq!(fault(&keeps, None, kept, false), None);
        assert_eq!(
            fault(&keeps, None, CapabilitySet::empty(), false).unwrap(),
            "the effective capabilities 0000000000002000"
        );
        assert!(fault(&status(), None, kept, false).is_some(), "it lacks what it should keep");
    }

    #[test]
    fn one_thread_of_many_that_has_something_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let own = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let line = |no_new: u8| format!("NoNewPrivs:\t{no_new}");
        let ended = own.lines().find(|line| line.starts_with("NoNewPrivs:")).unwrap();
        for (thread, no_new) in [("100", 1), ("101", 0), ("102", 1)] {
            std::fs::create_dir(folder.path().join(thread)).unwrap();
            let status = own.replace(ended, &line(no_new));
            std::fs::write(folder.path().join(thread).join("status"), status).unwrap();
        }
        // It has ended between the list and the question.
        std::fs::create_dir(folder.path().join("103")).unwrap();
        let fault = |status: &ThreadStatus| (!status.no_new_privileges).then(|| "something".to_owned());
        let error = verify_all(folder.path(), &fault).unwrap_err().to_string();
        assert!(error.starts_with("thread 101 still has something"), "{error}");
    }
}
