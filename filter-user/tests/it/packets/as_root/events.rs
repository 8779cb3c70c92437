//! What the program tells beside first drops, from the packet to the log: that a block is over, and that a limit of its
//! has no room.

use std::io::Write;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use filter_common::{Counter, PeerKey, Rate, Sanction};
use filter_user::kernel::{Entry, Fate, Kernel};

use super::home::load;
use crate::packets::builder;
use crate::packets::kernel::now;

/// What is logged in this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(octets)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn lines_with(&self, text: &str) -> Vec<String> {
        let log = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        log.lines().filter(|line| line.contains(text)).map(str::to_owned).collect()
    }
}

/// Reads the events of a program while this runs, and then until the log has the text; gives the lines that have it.
fn told(mut kernel: Kernel, text: &str, run: impl FnOnce(&Kernel)) -> Vec<String> {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.spawn(kernel.run_events().expect("not taken yet"));
    run(&kernel);
    runtime.block_on(async {
        let told = tokio::time::timeout(Duration::from_secs(5), async {
            while log.lines_with(text).is_empty() {
                tokio::task::yield_now().await;
            }
        });
        assert!(told.await.is_ok(), "{text}");
    });
    log.lines_with(text)
}

#[test]
fn the_end_of_a_block_is_told_once_and_its_last_drops_are_not_lost() {
    let kernel = load(|_| {}).unwrap();
    let peer = PeerKey::from(Ipv4Addr::new(192, 0, 2, 1));
    let syn = builder::frame("ip4:192.0.2.1 tcp:25:S").unwrap();
    let lines = told(kernel, "its block is over", |kernel| {
        let fate = || kernel.test_run(Entry::Xdp, &syn, 1).unwrap().fate;
        let at = now();
        let until = at.plus(Duration::from_millis(500));
        kernel.enforcer().enforce(peer, Sanction::Blocked { until }, at);
        let mut dropped = 1;
        assert_eq!(fate(), Some(Fate::Dropped));
        kernel.sweep(now());
        while fate() == Some(Fate::Dropped) {
            dropped += 1;
        }
        assert!(dropped > 1, "the sweep took the whole time");
        for _ in 0..9 {
            assert_eq!(fate(), Some(Fate::Passed));
        }
        kernel.sweep(now());
        assert_eq!(kernel.enforcer().dropped(peer).packets, dropped);
        assert!(kernel.counters().unwrap().contains(&(Counter::DroppedBlocked, dropped)));
    });
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("192.0.2.1"), "{lines:?}");
}

/// So small a map that several CPUs push each other's peers out of it before they are counted.
#[test]
fn a_connection_that_no_limiter_had_room_for_passes_and_is_told() {
    let kernel = load(|settings| {
        settings.syn_limit = Some(Rate::new(1, Duration::from_secs(3600), 1));
        settings.syn_limit_peers = 1;
    });
    let lines = told(kernel.unwrap(), "syn-limit has no room", |kernel| {
        std::thread::scope(|scope| {
            for thread in 0..4u8 {
                scope.spawn(move || {
                    for n in 0..50_000u32 {
                        let [.., a, b] = n.to_be_bytes();
                        let syn = builder::frame(&format!("ip4:10.{thread}.{a}.{b} tcp:25:S")).unwrap();
                        let fate = kernel.test_run(Entry::Xdp, &syn, 1).unwrap().fate;
                        assert_eq!(fate, Some(Fate::Passed));
                    }
                });
            }
        });
    });
    assert!(lines[0].contains("10."), "{lines:?}");
}
