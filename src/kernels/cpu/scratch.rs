//! Working memory that is kept between calls, a stack of buffers per thread.

use std::cell::RefCell;

thread_local! {
    static FREE: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// **Units** numbers: buffers start at cache lines.
const ALIGN: usize = 16;

/// Lends `work` a buffer of `len` numbers with arbitrary contents, at the start of a cache line.
///
/// Calls may nest; buffers are handed out largest demand last, so a loop over one shape allocates once.
pub(in crate::kernels) fn with<T>(len: usize, work: impl FnOnce(&mut [f32]) -> T) -> T {
    let mut buffer = FREE
        .with_borrow_mut(|free| {
            let fitting = free.iter().position(|b| b.len() >= len + ALIGN);
            fitting.map(|i| free.swap_remove(i)).or_else(|| free.pop())
        })
        .unwrap_or_default();
    if buffer.len() < len + ALIGN {
        buffer.resize(len + ALIGN, 0.0);
    }
    let start = buffer
        .as_ptr()
        .align_offset(ALIGN * size_of::<f32>())
        .min(ALIGN);
    let result = work(&mut buffer[start..start + len]);
    FREE.with_borrow_mut(|free| free.push(buffer));
    result
}

#[cfg(test)]
mod tests {
    #[test]
    fn nested_buffers_are_apart() {
        let sum = super::with(3, |a| {
            a.fill(1.0);
            super::with(5, |b| b.fill(2.0));
            a.iter().sum::<f32>()
        });
        assert!((sum - 3.0).abs() < f32::EPSILON);
    }
}
