//! One generation of the table of hosts, as the template that the map of generations is made by. Finds a bucket by its
//! number; what is in it is `hosts`' matter.

use core::ptr::NonNull;

use aya_ebpf::bindings::{BPF_F_INNER_MAP, BPF_F_MMAPABLE, bpf_map_type::BPF_MAP_TYPE_ARRAY};
use aya_ebpf::helpers::bpf_map_lookup_elem;
use filter_common::table::{Bucket, SMALLEST};

use crate::maps::HOSTS;

/// Mapped into userspace. The size of each is its own: the second flag lets a larger one take another's place.
const FLAGS: usize = (BPF_F_MMAPABLE | BPF_F_INNER_MAP) as usize;

/// What the loader reads of the type alone, as it does of every map (see aya's `btf_maps`). Key and value are described by
/// their sizes: were their types, kernels before 6.2 would take no generation that was made without, as userspace does.
#[repr(C)]
pub struct Generation {
    r#type: *const [i32; BPF_MAP_TYPE_ARRAY as usize],
    key_size: *const [i32; size_of::<u32>()],
    value_size: *const [i32; size_of::<Bucket>()],
    max_entries: *const [i32; 1 << SMALLEST],
    map_flags: *const [i32; FLAGS],
}

impl Generation {
    /// A bucket of a generation; nothing where either is not there. The number is a reference, so that it is on the stack
    /// before the generation is looked up: written in between, it doubles what the verifier has to walk through.
    #[inline(always)]
    pub fn bucket(generation: u32, number: &u32) -> Option<NonNull<Bucket>> {
        let map = NonNull::from(HOSTS.get(generation)?).as_ptr().cast();
        // SAFETY: a helper; this is a map that the kernel gave, and the number outlives the call.
        NonNull::new(unsafe { bpf_map_lookup_elem(map, core::ptr::from_ref(number).cast()) }.cast())
    }
}
