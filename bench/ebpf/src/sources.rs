//! Which address source number `n` has. Compiled into the programs and into `bench`, so that both mean the same hosts.

/// Odd, so that multiplying by it sends no two numbers to one address.
const SPREAD: u32 = 0x9e37_79b1;

/// The IPv4 address of a source, in host order. Neighbours in number are far apart as addresses, as attackers are.
#[must_use]
#[inline(always)]
pub(crate) const fn address(number: u32) -> u32 {
    number.wrapping_add(1).wrapping_mul(SPREAD)
}
