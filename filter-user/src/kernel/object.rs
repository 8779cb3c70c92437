//! What the committed object is made of, as the kernel will see it: for tests alone, which hold it within bounds and
//! free of what only one machine has. What the verifier makes of it, the tests of packets ask each kernel.

use std::collections::HashSet;

use aya_obj::Object;
use aya_obj::generated::bpf_insn;

use super::load::OBJECT;

/// Instructions of one program with the functions that it calls. The kernel takes a million; a few thousand can be read.
const MOST_INSTRUCTIONS: usize = 8_000;

/// Octets of stack in the deepest chain of calls, each function's rounded up as the oldest kernels do. The kernel has 512.
const DEEPEST_STACK: usize = 512;

/// To which a function's stack is rounded up.
const STACK_UNIT: usize = 32;

/// BPF_CALL, with this source register a function of the object's own.
const CALL: u8 = 0x85;
const OWN_FUNCTION: u8 = 1;
/// BPF_ALU64: a register from another, and a register plus a constant.
const MOVE: u8 = 0xbf;
const ADD: u8 = 0x07;
const FRAME_POINTER: u8 = 10;
/// Classes of instructions that read and write memory.
const LOAD: u8 = 0x01;
const STORES: [u8; 2] = [0x02, 0x03];
/// And those that jump, call and return.
const JUMPS: [u8; 2] = [0x05, 0x06];

/// The object, with the functions that its programs call behind each of them.
pub(super) fn linked() -> Object {
    let mut object = Object::parse(OBJECT).unwrap();
    let sections: HashSet<usize> = object.functions.keys().map(|(section, _)| *section).collect();
    object.relocate_calls(&sections).unwrap();
    object
}

/// A program's instructions, those of its functions behind its own.
fn instructions<'a>(object: &'a Object, program: &aya_obj::Program) -> &'a [bpf_insn] {
    &object.functions[&program.function_key()].instructions
}

/// Where a call leads to, if it is one within the program.
fn target(instructions: &[bpf_insn], at: usize) -> Option<usize> {
    let instruction = &instructions[at];
    let is_own = instruction.code == CALL && instruction.src_reg() == OWN_FUNCTION;
    is_own.then(|| at.wrapping_add_signed(instruction.imm as isize + 1))
}

/// The deepest stack of the function that begins here and all that it calls.
fn stack(instructions: &[bpf_insn], start: usize, starts: &[usize]) -> usize {
    let end = starts.iter().copied().find(|other| *other > start).unwrap_or(instructions.len());
    let called = (start..end).filter_map(|at| target(instructions, at));
    let deepest = called.map(|callee| stack(instructions, callee, starts)).max().unwrap_or(0);
    frame(&instructions[start..end]).next_multiple_of(STACK_UNIT) + deepest
}

/// How far below its frame pointer a function reaches: by itself, or by an address that it makes of it.
fn frame(function: &[bpf_insn]) -> usize {
    let mut deepest = 0;
    // How far below the frame pointer each register points, where it does.
    let mut below: [Option<i32>; 16] = [None; 16];
    below[usize::from(FRAME_POINTER)] = Some(0);
    for instruction in function {
        let (to, from) = (usize::from(instruction.dst_reg()), usize::from(instruction.src_reg()));
        let class = instruction.code & 7;
        let reached = if STORES.contains(&class) {
            below[to].map(|below| below - i32::from(instruction.off))
        } else if class == LOAD {
            below[from].map(|below| below - i32::from(instruction.off))
        } else {
            None
        };
        match instruction.code {
            MOVE => below[to] = below[from],
            ADD => below[to] = below[to].map(|below| below - instruction.imm),
            CALL => below[..=5].fill(None),
            // Whatever else computes or loads leaves something else there.
            _ if !STORES.contains(&class) && !JUMPS.contains(&class) => below[to] = None,
            _ => {}
        }
        // An address that is made of it is for somebody who uses what lies there.
        let made = if matches!(instruction.code, ADD) { below[to] } else { None };
        deepest = deepest.max(reached.max(made).unwrap_or(0));
    }
    usize::try_from(deepest).unwrap_or(usize::MAX)
}

#[test]
fn programs_are_within_their_bounds() {
    let object = linked();
    for (name, program) in &object.programs {
        let instructions = instructions(&object, program);
        let mut starts: Vec<usize> =
            (0..instructions.len()).filter_map(|at| target(instructions, at)).chain([0]).collect();
        starts.sort_unstable();
        starts.dedup();
        let stack = stack(instructions, 0, &starts);
        println!(
            "{name}: {} instructions (bound {MOST_INSTRUCTIONS}) in {} functions, {stack} octets of stack (bound {DEEPEST_STACK})",
            instructions.len(),
            starts.len()
        );
        assert!(instructions.len() <= MOST_INSTRUCTIONS, "{name}: {}", instructions.len());
        assert!((1..=DEEPEST_STACK).contains(&stack), "{name}: {stack}");
    }
}

#[test]
fn the_object_is_described_and_licensed_and_names_no_folder_of_a_machine() {
    let object = Object::parse(OBJECT).unwrap();
    assert_eq!(object.license.to_str(), Ok("Apache-2.0 OR MIT"));
    assert!(
        object.btf.is_some() && object.btf_ext.is_some(),
        "types and lines, for bpftool and the verifier's log"
    );
    // What is between two zero octets, and begins as a path does.
    let text = OBJECT.split(|octet| *octet == 0).filter_map(|text| std::str::from_utf8(text).ok());
    let paths: Vec<&str> = text.filter(|text| text.starts_with('/') && text.ends_with(".rs")).collect();
    let foreign: Vec<_> = paths.iter().filter(|path| !path.starts_with("/usr/src/rustc-")).collect();
    assert!(foreign.is_empty(), "{foreign:?}");
}
