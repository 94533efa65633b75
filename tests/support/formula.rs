//! Numbers from one formula that `scripts/torch_formula.py` repeats, so that nothing but results is exchanged.

/// FNV-1a: the number of a stream.
pub fn fnv(text: &str) -> u32 {
    let step = |h: u32, byte: u8| (h ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    text.bytes().fold(0x811c_9dc5, step)
}

pub fn hash(stream: u32, index: u32) -> u32 {
    let start = stream.wrapping_mul(40_503).wrapping_add(12_345);
    let mut h = index.wrapping_mul(2_654_435_761).wrapping_add(start);
    h ^= h >> 16;
    h = h.wrapping_mul(0x045d_9f3b);
    h ^ (h >> 16)
}

/// Uniform numbers in shift ± scale.
pub fn fill(stream: &str, count: usize, scale: f64, shift: f32) -> Vec<f32> {
    let stream = fnv(stream);
    let unit = |i| (hash(stream, i) >> 8) as f32 / 8_388_608.0 - 1.0;
    (0..count as u32)
        .map(|i| unit(i) * scale as f32 + shift)
        .collect()
}
