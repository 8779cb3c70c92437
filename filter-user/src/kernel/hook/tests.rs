//! The last step of the ladder, which this kernel needs not and older ones do.

mod as_root {
    use std::path::Path;
    use std::process::Command;
    use std::time::Duration;

    use filter_common::{BlockAction, PrefixLengths, Rate};
    use nix::mount::{MsFlags, mount};
    use nix::sched::{CloneFlags, unshare};

    use crate::config::{Hook, KernelLog};
    use crate::kernel::adopt::Adopted;
    use crate::kernel::hook::{Mode, climb};
    use crate::kernel::interface::index_of;
    use crate::kernel::pin::Pins;
    use crate::kernel::places::Places;
    use crate::kernel::programs::Programs;
    use crate::kernel::{Kernel, KernelSettings, load};

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
        drop(link.pin(pins, "v0", &mut programs).unwrap());
        assert_eq!(pins.filters().unwrap(), ["v0"]);
    }

    /// With network and mounts of its own, gone with the thread, and a pair of interfaces.
    fn alone(test: impl FnOnce(&Path) + Send + 'static) {
        let folder = tempfile::tempdir().unwrap();
        let pins = folder.path().join("pins");
        let test = std::thread::spawn(move || {
            unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).unwrap();
            let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
            mount(None::<&str>, "/", None::<&str>, private, None::<&str>).unwrap();
            run("ip link add v0 type veth peer name v1");
            test(&pins);
        });
        test.join().unwrap();
    }

    #[test]
    fn a_filter_outlasts_its_process_is_replaced_by_the_next_and_taken_off() {
        alone(|path| {
            let pins = Pins::prepare(path).unwrap();
            attach(&pins);
            let first = filters();
            assert_eq!(first.len(), 1, "{first:?}");
            attach(&pins);
            let second = filters();
            assert!(second.len() == 1 && first != second, "{first:?}, then {second:?}");
            drop(pins);
            assert_eq!(Kernel::left(path).unwrap(), ["v0"]);
            assert!(Kernel::detach(path).unwrap());
            assert!(filters().is_empty() && !path.exists());
        });
    }

    /// A kernel that got links at tc, a foreign XDP program that has gone, an interface that is not set any more.
    #[test]
    fn a_filter_goes_once_the_program_is_at_another_hook_or_not_wanted_there() {
        alone(|path| {
            for (hook, interface) in
                [(Hook::XdpGeneric, "v0"), (Hook::Tc, "v0"), (Hook::XdpNative, "v1"), (Hook::None, "v0")]
            {
                let pins = Pins::prepare(path).unwrap();
                attach(&pins);
                assert_eq!(filters().len(), 1);
                let places = Places::occupy(programs(), Some(pins), hook, &[interface.to_owned()]);
                assert_eq!(places.is_err(), hook == Hook::None, "{hook:?}: {places:?}");
                assert!(filters().is_empty(), "{hook:?} on {interface}");
                drop(places);
                let left = Kernel::left(path).unwrap();
                let wanted: &[&str] = if hook == Hook::None { &[] } else { &[interface] };
                assert_eq!(left, wanted);
            }
        });
    }
}
