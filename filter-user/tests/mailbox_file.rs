//! What a mailbox file of a million addresses costs: octets of memory, counted by an allocator that counts, and time to
//! load. A binary of its own, because the allocator is the process's.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where, and fails")]

use std::alloc::System;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use filter_user::address::{Domain, Mailbox};
use filter_user::lookup::Directories;
use filter_user::policy::DirectoryAnswer;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const ADDRESSES: usize = 1_000_000;
/// Octets that an address may take.
const OCTETS: usize = 64;
/// How long loading may take; a debug build takes several times as long as what is shipped.
const TIME: Duration = Duration::from_secs(if cfg!(debug_assertions) { 12 } else { 2 });

/// Addresses as an organisation has them, 40 octets long.
fn addresses() -> String {
    let mut text = String::with_capacity(ADDRESSES * 40);
    for number in 0..ADDRESSES {
        let domain = number % 3;
        writeln!(text, "Firstname.Lastname{number}@domain{domain}.example").unwrap();
    }
    text
}

fn answer(directories: &Directories, local_part: &str, domain: &str) -> Option<DirectoryAnswer> {
    directories.answer_now(&Mailbox { local_part, domain: Domain::Name(domain), text: local_part })
}

#[test]
fn a_million_addresses_are_small_and_soon_loaded_and_reloading_them_holds_up_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mailboxes");
    std::fs::write(&path, addresses()).unwrap();
    let domains = [0, 1, 2].map(|number| format!("domain{number}.example"));

    let region = Region::new(ALLOCATOR);
    let begun = Instant::now();
    let directories = Directories::from_file(&path, &domains, false).unwrap();
    let took = begun.elapsed();
    let stats = region.change();
    // What a reallocation adds or gives back is in both numbers already.
    let octets = stats.bytes_allocated - stats.bytes_deallocated;
    println!("{} octets an address, loaded in {took:?}", octets / ADDRESSES);
    assert_eq!(directories.len(), ADDRESSES);
    assert!(octets < OCTETS * ADDRESSES, "{octets} octets for {ADDRESSES} addresses");
    assert!(took < TIME, "{took:?}");

    // While all is read anew, answers come as fast as ever, and are never wrong.
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            assert!(directories.reload().is_empty());
            ended.store(true, Ordering::SeqCst);
        });
        let (mut answers, mut slowest) = (0_u64, Duration::ZERO);
        while !ended.load(Ordering::SeqCst) {
            let begun = Instant::now();
            let known = answer(&directories, "firstname.lastname500000", "domain0.example");
            let unknown = answer(&directories, "firstname.lastname500000", "domain1.example");
            slowest = slowest.max(begun.elapsed());
            assert_eq!((known, unknown), (Some(DirectoryAnswer::Unknown), Some(DirectoryAnswer::Unknown)));
            assert_eq!(
                answer(&directories, "Firstname.Lastname500000", "DOMAIN2.example"),
                Some(DirectoryAnswer::Known)
            );
            answers += 1;
        }
        println!("{answers} questions while it was read anew, the slowest answered in {slowest:?}");
        // A busy machine takes a processor away for a while, but not for as long as a file takes.
        assert!(answers > 1000 && slowest < took / 2, "{answers} answers, {slowest:?}");
    });
}
