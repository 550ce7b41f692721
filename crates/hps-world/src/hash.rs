//! A hash that is the same in every version and on every machine.

/// 64-bit FNV-1a with a final mix, so that the remainder by any number is even.
pub(crate) fn fnv1a(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for &byte in bytes {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ (hash >> 33)
}

/// 32 well mixed bits from a key and a cell of a grid.
pub(crate) fn cell(key: u32, x: i32, y: i32) -> u32 {
    let mut hash =
        key ^ (x as u32).wrapping_mul(0x9e37_79b1) ^ (y as u32).wrapping_mul(0x85eb_ca77);
    hash ^= hash >> 15;
    hash = hash.wrapping_mul(0x2c1b_3c6d);
    hash ^= hash >> 12;
    hash = hash.wrapping_mul(0x297a_2d39);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_frozen() {
        assert_eq!(fnv1a(b""), 0xecba_3df2_c338_3c52);
        assert_eq!(fnv1a(b"star"), 0xbd78_c222_2bcf_54a8);
        assert_eq!(cell(1, 2, 3), 0x05f6_d155);
    }
}
