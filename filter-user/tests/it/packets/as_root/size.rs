//! How large the program is and how much the verifier has to look at, printed and bounded: whoever makes it twice as
//! much shall know it.

use filter_user::kernel::Entry;

use super::home::load;

/// Instructions of the translated program. A kernel takes a million.
const MOST_INSTRUCTIONS: u32 = 6_000;

/// Instructions that the verifier walks through. A kernel gives up at a million.
const MOST_VERIFIED: u32 = 250_000;

#[test]
fn the_program_is_small_and_easily_verified() {
    let kernel = load(|_| {}).unwrap();
    for entry in [Entry::Xdp, Entry::Tc] {
        let size = kernel.program_size(entry).unwrap();
        println!("{entry:?}: {size:?}");
        assert!(size.instructions > 500 && size.instructions < MOST_INSTRUCTIONS, "{entry:?}: {size:?}");
        // Kernels before 5.16 do not tell.
        if let Some(verified) = size.verified {
            assert!(verified >= size.instructions / 2 && verified < MOST_VERIFIED, "{entry:?}: {size:?}");
        }
    }
}
