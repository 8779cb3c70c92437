//! The kernel's part: the same rows in the kernel, the kernel as a home of sanctions, and real connections.

mod events;
mod home;
mod hosts;
mod limits;
mod random;
mod size;
mod wire;

use filter_user::kernel::Entry;

use super::kernel::Programs;
use super::{check, kernel, modelled, rows};

#[test]
fn every_row_holds_for_xdp() {
    let mut programs = Programs::default();
    check(|row| kernel::run(&mut programs, row, Entry::Xdp));
}

#[test]
fn every_row_holds_for_tc() {
    let mut programs = Programs::default();
    // What the kernel does not run for tc without an interface is none of tc's rows: the network stack sees no such frame.
    check(|row| match kernel::is_runnable(Entry::Tc, &row.frame) {
        true => kernel::run(&mut programs, row, Entry::Tc),
        false => modelled(row, &row.frame),
    });
    let run = rows().iter().filter(|row| kernel::is_runnable(Entry::Tc, &row.frame)).count();
    assert!(run >= 190, "{run} rows");
}

#[test]
fn every_row_cut_to_every_length_holds_in_the_kernel() {
    let mut programs = Programs::default();
    let mut cut = 0;
    for row in rows() {
        // What limiters do to them, random packets show.
        if row.times > 1 {
            continue;
        }
        programs.with(&row.world, row.at, |kernel| {
            for length in 14..row.frame.len() {
                let frame = &row.frame[..length];
                let expected = modelled(&row, frame);
                for entry in [Entry::Xdp, Entry::Tc] {
                    if !kernel::is_runnable(entry, frame) {
                        continue;
                    }
                    let (fate, answer) = kernel::fate(kernel, entry, frame);
                    let got = (kernel::verdict(fate, row.world.action), &answer);
                    let wanted = (expected.verdict, &expected.answer);
                    assert_eq!(got, wanted, "{} cut to {length}, {entry:?}", row.name);
                    cut += 1;
                }
            }
        });
    }
    assert!(cut > 10_000, "{cut} frames");
}
