//! The kernel's part: the same rows in the kernel, the kernel as a home of sanctions, and real connections.

mod home;
mod wire;

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::row::Row;
use super::{check, kernel, rows, twin};

#[test]
fn every_row_holds_in_the_kernel() {
    check(kernel::run);
}

#[test]
fn kernel_and_userspace_agree_on_mangled_packets() {
    // Without a limiter, which packets move, and with time left to try many.
    let fit = |row: &Row| !row.has_limited() && row.at <= Duration::from_secs(1);
    let rows: Vec<Row> = rows().into_iter().filter(fit).map(|row| Row { times: 1, ..row }).collect();
    let kernels: Vec<_> = rows.iter().map(kernel::prepare).collect();
    let mangled = (
        0..rows.len(),
        prop::collection::vec((0usize..90, any::<u8>()), 0..4),
        prop::option::of(14usize..120),
    );
    let mut runner = TestRunner::new(Config { cases: 4000, failure_persistence: None, ..Config::default() });
    runner
        .run(&mangled, |(index, bytes, length)| {
            let mut row = rows[index].clone();
            for (at, byte) in bytes {
                if let Some(there) = row.frame.get_mut(at) {
                    *there = byte;
                }
            }
            if let Some(length) = length {
                row.frame.resize(length, 0);
            }
            prop_assert_eq!(kernel::run_in(&kernels[index], &row), twin::run(&row), "{:02x?}", row.frame);
            Ok(())
        })
        .unwrap();
}
