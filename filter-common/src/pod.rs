//! The only `unsafe impl Pod`: which shared layouts may go through a map as bytes, with the asserts that make it true.

use aya::Pod;

use crate::table::{Bucket, Seed};
use crate::{Control, Event, Head, LoadTime, NetworkEntry, PeerKey, Rate};

/// Asserts that a layout is as large as its fields together, so that no byte of it is padding, and aligned as told.
macro_rules! pod {
    ($layout:ty, align $align:literal, fields $($field:ty),+) => {
        const _: () = assert!(size_of::<$layout>() == 0 $(+ size_of::<$field>())+);
        const _: () = assert!(align_of::<$layout>() == $align);
        // SAFETY: `Copy`, `repr(C)` or `repr(transparent)`, integers and arrays of integers alone (each bit pattern
        // is valid), and no padding, as asserted above.
        unsafe impl Pod for $layout {}
    };
}

pod!(PeerKey, align 8, fields [u64; 2]);
pod!(Rate, align 8, fields u64, u64);
pod!(NetworkEntry, align 8, fields u64, u64);
pod!(Event, align 8, fields u32, u32, u64, [u8; 16]);
pod!(LoadTime, align 8, fields Rate, Rate, Rate, Rate, Seed, u32, u32, u32, u32, u32, u32);
pod!(Seed, align 4, fields [u32; 4]);
pod!(Head, align 8, fields [u8; 16], u64, u64, u64, Seed, u32, u32);
pod!(Control, align 64, fields u64, u64, u64, u64, [u64; 2], [u64; 2], u64, u64, [u64; 6]);
pod!(Bucket, align 64, fields [u64; 8]);
