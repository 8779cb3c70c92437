//! Network namespaces without names: each lives in a thread, and is gone with it and what it started, however a test
//! ends. Sockets made and processes started in the thread are in the namespace.

use std::fs::File;
use std::process::Command;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};

type Job = Box<dyn FnOnce() + Send>;

/// A namespace with its loopback up.
pub(crate) struct Namespace {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    tid: i32,
}

impl Namespace {
    pub(crate) fn new() -> Self {
        Self::apart(CloneFlags::CLONE_NEWNET)
    }

    /// The same with mounts of its own: what is mounted inside is gone with it, and nobody outside sees it.
    pub(crate) fn with_own_mounts() -> Self {
        let namespace = Self::apart(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS);
        namespace.run(|| {
            let flags = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
            mount(None::<&str>, "/", None::<&str>, flags, None::<&str>).unwrap();
        });
        namespace
    }

    fn apart(from_what: CloneFlags) -> Self {
        let (jobs, todo) = channel::<Job>();
        let (tell, told) = channel();
        let thread = std::thread::spawn(move || {
            let entered = unshare(from_what);
            tell.send(entered.map(|()| nix::unistd::gettid().as_raw())).unwrap();
            for job in todo {
                job();
            }
        });
        let tid = told.recv().unwrap().expect("network namespaces need root: run `cargo xtask test` as root");
        let namespace = Self { jobs: Some(jobs), thread: Some(thread), tid };
        namespace.ip("link set lo up");
        namespace
    }

    /// Runs this inside.
    pub(crate) fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> T {
        let (tell, told) = channel();
        let jobs = self.jobs.as_ref().expect("the namespace lives as long as this value");
        jobs.send(Box::new(move || {
            // Whoever asked has panicked meanwhile, if nobody listens.
            let _ = tell.send(job());
        }))
        .unwrap();
        told.recv().expect("the job inside the namespace panicked")
    }

    /// Moves the calling thread inside, for good.
    pub(crate) fn enter(&self) {
        let namespace = File::open(format!("/proc/self/task/{}/ns/net", self.tid)).unwrap();
        setns(namespace, CloneFlags::CLONE_NEWNET).unwrap();
    }

    /// Runs `ip` inside.
    pub(crate) fn ip(&self, arguments: &str) {
        let arguments = arguments.to_owned();
        self.run(move || {
            let output = Command::new("ip").args(arguments.split_whitespace()).output().unwrap();
            assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
        });
    }

    /// A link to another namespace, both ends up, with these addresses (`192.0.2.1/24`).
    pub(crate) fn link(
        &self,
        name: &str,
        addresses: &[&str],
        other: &Namespace,
        other_name: &str,
        others: &[&str],
    ) {
        self.ip(&format!("link add {name} type veth peer name {other_name} netns {}", other.tid));
        for (namespace, name, addresses) in [(self, name, addresses), (other, other_name, others)] {
            for address in addresses {
                // Without duplicate address detection, an IPv6 address is usable at once.
                let nodad = if address.contains(':') { "nodad" } else { "" };
                namespace.ip(&format!("address add {address} dev {name} {nodad}"));
            }
            namespace.ip(&format!("link set {name} up"));
        }
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // It panicked in a job, and whoever gave the job knows.
            let _ = thread.join();
        }
    }
}
