//! The last step of the ladder, which this kernel needs not and older ones do.

mod as_root {
    use std::process::Command;
    use std::time::Duration;

    use filter_common::{BlockAction, PrefixLengths, Rate};
    use nix::mount::{MsFlags, mount};
    use nix::sched::{CloneFlags, unshare};

    use crate::config::{Hook, KernelLog};
    use crate::kernel::adopt::Adopted;
    use crate::kernel::hook::{Mode, climb, remove_filters};
    use crate::kernel::interface::index_of;
    use crate::kernel::pin::Pins;
    use crate::kernel::programs::Programs;
    use crate::kernel::{KernelSettings, load};

    fn programs() -> Programs {
        let rate = Rate::new(6, Duration::from_secs(60), 2);
        let settings = KernelSettings {
            interfaces: Vec::new(),
            hook: Hook::Tc,
            ports: vec![25],
            addresses: Vec::new(),
            allow: Vec::new(),
            prefixes: PrefixLengths::default(),
            limit_rate: rate,
            network_rate: rate,
            network_threshold: 0,
            syn_limit: None,
            syn_limit_peers: 64,
            block_action: BlockAction::Drop,
            reply_rate: rate,
            max_peers: 100,
            max_authenticated: 100,
            authenticated_max: std::time::Duration::from_secs(1),
            growing: crate::kernel::Growing::Here,
            pins: None,
            owner: None,
            log_level: KernelLog::Off,
        };
        let adopted = Adopted::look(&settings, None).unwrap();
        Programs::Loaded(Box::new(load::object(&settings, &adopted, None).unwrap()))
    }

    fn run(command_line: &str) -> String {
        let words: Vec<&str> = command_line.split(' ').collect();
        let output = Command::new(words[0]).args(&words[1..]).output().unwrap();
        assert!(output.status.success(), "{command_line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// What `tc` says of our filters at the ingress of v0.
    fn filters() -> Vec<String> {
        let shown = run("tc filter show dev v0 ingress");
        shown.lines().filter(|line| line.contains("relaygate_tc")).map(str::to_owned).collect()
    }

    /// As an earlier process, which has ended, and the next one do it.
    fn attach(pins: &Pins) {
        let mut programs = programs();
        let index = index_of("v0").unwrap().unwrap();
        let (mode, link) = climb(&mut programs, &[Mode::Clsact], "v0", index, &mut Vec::new()).unwrap();
        assert_eq!(mode, Mode::Clsact);
        drop(link.pin(pins, "v0").unwrap());
    }

    #[test]
    fn a_filter_outlasts_its_process_is_replaced_by_the_next_and_taken_off() {
        let folder = tempfile::tempdir().unwrap();
        let pins = folder.path().join("pins");
        let test = std::thread::spawn(move || {
            // Network and mounts of its own, gone with this thread.
            unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).unwrap();
            let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
            mount(None::<&str>, "/", None::<&str>, private, None::<&str>).unwrap();
            run("ip link add v0 type veth peer name v1");
            let pins = Pins::prepare(&pins).unwrap();
            attach(&pins);
            let first = filters();
            assert_eq!(first.len(), 1, "{first:?}");
            attach(&pins);
            let second = filters();
            assert!(second.len() == 1 && first != second, "{first:?}, then {second:?}");
            remove_filters();
            assert!(filters().is_empty());
        });
        test.join().unwrap();
    }
}
