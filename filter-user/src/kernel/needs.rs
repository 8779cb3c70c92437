//! What the program and its loader ask of the kernel, each with the first kernel that has it: data, for whoever says why
//! a kernel is too old. A test compares it with what the committed object really holds, so that neither has anything
//! that the other does not know. Asks no kernel: `probe` does.

/// Major and minor of a kernel's release.
pub type Version = (u32, u32);

/// Something that is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// As the kernel's sources name it.
    pub name: &'static str,
    /// The first kernel that has it.
    pub since: Version,
    /// How it is known in the object.
    pub kind: Kind,
}

/// Where a need shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A function that the program calls, by its number (`enum bpf_func_id`).
    Helper(i32),
    /// An instruction that reads, changes and writes memory at once, by its operation (`BPF_ATOMIC`).
    Atomic(i32),
    /// A type of map (`enum bpf_map_type`).
    Map(u32),
    /// A flag that a map is made with.
    Flag(u32),
    /// Something that the object does not show: userspace asks for it.
    Call,
}

const fn helper(name: &'static str, id: i32, since: Version) -> Need {
    Need { name, since, kind: Kind::Helper(id) }
}

const fn atomic(name: &'static str, operation: i32, since: Version) -> Need {
    Need { name, since, kind: Kind::Atomic(operation) }
}

const fn map(name: &'static str, number: u32, since: Version) -> Need {
    Need { name, since, kind: Kind::Map(number) }
}

const fn flag(name: &'static str, bit: u32, since: Version) -> Need {
    Need { name, since, kind: Kind::Flag(bit) }
}

const fn call(name: &'static str, since: Version) -> Need {
    Need { name, since, kind: Kind::Call }
}

/// All of them. What a later kernel has and relaygate does without elsewhere (TCX, 6.6) is none.
pub const NEEDS: &[Need] = &[
    helper("bpf_map_lookup_elem", 1, (3, 19)),
    helper("bpf_map_update_elem", 2, (3, 19)),
    helper("bpf_get_prandom_u32", 7, (4, 1)),
    helper("bpf_skb_store_bytes", 9, (4, 1)),
    helper("bpf_l4_csum_replace", 11, (4, 1)),
    helper("bpf_redirect", 23, (4, 4)),
    helper("bpf_skb_load_bytes", 26, (4, 5)),
    helper("bpf_skb_change_tail", 38, (4, 9)),
    helper("bpf_skb_pull_data", 39, (4, 9)),
    helper("bpf_xdp_adjust_tail", 65, (4, 18)),
    helper("bpf_ktime_get_boot_ns", 125, (5, 8)),
    helper("bpf_ringbuf_reserve", 131, (5, 8)),
    helper("bpf_ringbuf_submit", 132, (5, 8)),
    helper("bpf_ringbuf_discard", 133, (5, 8)),
    helper("bpf_ktime_get_coarse_ns", 160, (5, 11)),
    atomic("BPF_FETCH | BPF_ADD", 0x01, (5, 12)),
    atomic("BPF_CMPXCHG", 0xf1, (5, 12)),
    map("BPF_MAP_TYPE_HASH", 1, (3, 19)),
    map("BPF_MAP_TYPE_ARRAY", 2, (3, 19)),
    map("BPF_MAP_TYPE_PERCPU_ARRAY", 6, (4, 6)),
    map("BPF_MAP_TYPE_LRU_HASH", 9, (4, 10)),
    map("BPF_MAP_TYPE_LPM_TRIE", 11, (4, 11)),
    map("BPF_MAP_TYPE_ARRAY_OF_MAPS", 12, (4, 12)),
    map("BPF_MAP_TYPE_RINGBUF", 27, (5, 8)),
    flag("BPF_F_NO_PREALLOC", 1, (4, 6)),
    flag("BPF_F_RDONLY_PROG", 1 << 7, (5, 2)),
    flag("BPF_F_MMAPABLE", 1 << 10, (5, 5)),
    flag("BPF_F_INNER_MAP", 1 << 12, (5, 10)),
    call("CAP_BPF", (5, 8)),
    call("BPF_LINK_CREATE and BPF_LINK_UPDATE for XDP", (5, 9)),
];

/// What a kernel of this version lacks.
pub fn lacking(version: Version) -> impl Iterator<Item = &'static Need> {
    NEEDS.iter().filter(move |need| need.since > version)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use aya_obj::generated::bpf_insn;

    use super::*;
    use crate::kernel::load::OBJECT;
    use crate::kernel::probe::OLDEST_KERNEL;

    /// The third version of the instruction set, of kernel 5.1 and, with atomics, 5.12: its classes, and the calls to
    /// other functions of the object.
    const CLASS: u8 = 0x07;
    const STORE: u8 = 0x03;
    const ATOMIC: u8 = 0xc0 | STORE;
    const SIZES: u8 = 0x18;
    const CALL: u8 = 0x85;

    /// What an instruction needs, if it is anything beyond what version 3 has.
    fn of_instruction(instruction: &bpf_insn) -> Option<Kind> {
        if instruction.code == CALL && instruction.src_reg() == 0 {
            return Some(Kind::Helper(instruction.imm));
        }
        if instruction.code & !SIZES == ATOMIC {
            return Some(Kind::Atomic(instruction.imm));
        }
        assert!(is_of_version_3(instruction), "an instruction of a later version: {:#x}", instruction.code);
        None
    }

    /// Version 4 (kernel 6.6) put its instructions where version 3 wants zeros: sign-extending moves and loads, signed
    /// division, byte swaps, long jumps.
    fn is_of_version_3(instruction: &bpf_insn) -> bool {
        let is_arithmetic = matches!(instruction.code & CLASS, 4 | 7);
        let is_long_jump = instruction.code == 0x06;
        let is_sign_extending_load = instruction.code & CLASS == 1 && instruction.code & 0xe0 == 0x80;
        let is_plain_swap = instruction.code == 0xd7;
        !(is_long_jump || is_sign_extending_load || is_plain_swap || is_arithmetic && instruction.off != 0)
    }

    /// What the committed object needs.
    fn of_the_object() -> BTreeSet<String> {
        let object = aya_obj::Object::parse(OBJECT).unwrap();
        let instructions = object.functions.values().flat_map(|function| &function.instructions);
        let mut kinds: Vec<Kind> = instructions.filter_map(of_instruction).collect();
        for map in object.maps.values() {
            kinds.push(Kind::Map(map.map_type()));
            let inner = map.inner().map_or(0, |inner| inner.map_flags());
            let flags = map.map_flags() | inner;
            kinds.extend((0..32).map(|bit| 1 << bit).filter(|bit| flags & bit != 0).map(Kind::Flag));
        }
        kinds.iter().map(|kind| format!("{kind:?}")).collect()
    }

    #[test]
    fn the_object_needs_what_is_listed_and_nothing_else() {
        let listed = NEEDS.iter().filter(|need| need.kind != Kind::Call);
        let listed: BTreeSet<_> = listed.map(|need| format!("{:?}", need.kind)).collect();
        let needed = of_the_object();
        assert_eq!(
            needed.difference(&listed).collect::<Vec<_>>(),
            [""; 0],
            "add each to NEEDS with the first kernel that has it; beyond {OLDEST_KERNEL:?}, do without"
        );
        assert_eq!(listed.difference(&needed).collect::<Vec<_>>(), [""; 0], "not needed any more");
    }

    #[test]
    fn the_oldest_kernel_that_is_promised_has_it_all() {
        assert_eq!(lacking(OLDEST_KERNEL).next(), None);
        let of_5_10: Vec<_> = lacking((5, 10)).map(|need| need.name).collect();
        assert_eq!(of_5_10, ["bpf_ktime_get_coarse_ns", "BPF_FETCH | BPF_ADD", "BPF_CMPXCHG"]);
    }
}
