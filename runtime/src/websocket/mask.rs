//! Masking (RFC 6455 section 5.3): in place, eight bytes at a time.
//!
//! Owns: the arithmetic. Must not know: frames.

/// Masks or unmasks `bytes`, which stand at `at` in their frame's payload.
pub fn apply_mask(bytes: &mut [u8], key: [u8; 4], at: usize) {
    let mut key = key;
    key.rotate_left(at % 4);
    let four = u32::from_ne_bytes(key);
    let eight = u64::from(four) << 32 | u64::from(four);
    // The compiler makes vectors of it.
    let mut words = bytes.chunks_exact_mut(8);
    for word in &mut words {
        if let Ok(array) = <[u8; 8]>::try_from(&*word) {
            word.copy_from_slice(&(u64::from_ne_bytes(array) ^ eight).to_ne_bytes());
        }
    }
    for (index, byte) in words.into_remainder().iter_mut().enumerate() {
        *byte ^= key[index % 4];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn section_5_3_octet_i_is_masked_with_octet_i_modulo_4_of_the_key() {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        let original: Vec<u8> = (0..100).collect();
        for (from, to) in (0..20).flat_map(|from| (from..60).map(move |to| (from, to))) {
            let mut bytes = original[from..to].to_vec();
            apply_mask(&mut bytes, key, from);
            let expected: Vec<u8> = (from..to).map(|at| original[at] ^ key[at % 4]).collect();
            assert_eq!(bytes, expected, "{from}..{to}");
        }
        let mut hello = [0x7f, 0x9f, 0x4d, 0x51, 0x58];
        apply_mask(&mut hello, key, 0);
        assert_eq!(&hello, b"Hello");
    }
}
