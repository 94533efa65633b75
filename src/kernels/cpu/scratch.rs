//! Working memory that is kept between calls, a stack of buffers per thread.

use std::cell::RefCell;

thread_local! {
    static FREE: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// Lends `work` a buffer of `len` numbers with arbitrary contents.
///
/// Calls may nest; buffers are handed out largest demand last, so a loop over one shape allocates once.
pub(in crate::kernels) fn with<T>(len: usize, work: impl FnOnce(&mut [f32]) -> T) -> T {
    let mut buffer = FREE
        .with_borrow_mut(|free| {
            let fitting = free.iter().position(|b| b.len() >= len);
            fitting.map(|i| free.swap_remove(i)).or_else(|| free.pop())
        })
        .unwrap_or_default();
    if buffer.len() < len {
        buffer.resize(len, 0.0);
    }
    let result = work(&mut buffer[..len]);
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
