//! Where a plan's buffers lie: one piece of memory, in which buffers that are never needed together share places.

use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

use super::operands::Buffer;

/// **Units** numbers: buffers start at cache lines.
const ALIGN: usize = 16;

/// **Units** bytes: the pages that large memory is asked for in, so that reading along it misses no translations.
const HUGE_PAGE: usize = 2 << 20;

/// Memory handed out at cache lines, zeroed.
pub(in crate::kernels) struct Memory {
    start: NonNull<f32>,
    len: usize,
    layout: std::alloc::Layout,
}

// SAFETY: the memory is this value's alone.
unsafe impl Send for Memory {}
// SAFETY: nothing is read or written through a shared borrow but by `start`'s caller, who answers for it.
unsafe impl Sync for Memory {}

impl Memory {
    /// # Panics
    /// When the numbers do not fit the address space, or the system has no memory for them.
    pub(in crate::kernels) fn new(numbers: usize) -> Self {
        let len = numbers.max(1).next_multiple_of(ALIGN);
        let bytes = len * size_of::<f32>();
        let align = if bytes >= HUGE_PAGE { HUGE_PAGE } else { 64 };
        let Ok(layout) = std::alloc::Layout::from_size_align(bytes, align) else {
            panic!("{numbers} numbers do not fit the address space");
        };
        // SAFETY: the layout is not empty.
        #[expect(clippy::cast_ptr_alignment, reason = "the layout asked for more")]
        let start = unsafe { std::alloc::alloc_zeroed(layout) }.cast::<f32>();
        let Some(start) = NonNull::new(start) else {
            // A panic, unlike an abort, can be told as the run's end.
            panic!(
                "{}: a step's buffers take {bytes} bytes at once",
                super::OUT_OF_MEMORY
            );
        };
        #[cfg(target_os = "linux")]
        if align == HUGE_PAGE {
            // SAFETY: the range was just allocated; the advice changes no content. Where it is not taken, all works the
            // same.
            let _ = unsafe {
                rustix::mm::madvise(
                    start.as_ptr().cast(),
                    bytes,
                    rustix::mm::Advice::LinuxHugepage,
                )
            };
        }
        Self { start, len, layout }
    }

    pub(in crate::kernels) fn start(&mut self) -> *mut f32 {
        self.start.as_ptr()
    }
}

impl Deref for Memory {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: `len` numbers, initialised as zeros.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl DerefMut for Memory {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: `len` numbers, initialised as zeros, and the borrow is this one's.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout, and nothing of it is borrowed any more.
        unsafe { std::alloc::dealloc(self.start.as_ptr().cast(), self.layout) };
    }
}

/// Where each buffer starts, and the memory all of them take.
pub(in crate::kernels) struct Layout {
    starts: Vec<usize>,
    pub(in crate::kernels) total: usize,
}

impl Layout {
    /// BlockPosition `sizes[id]` numbers a block for every buffer, so that no two overlap that are used by times that
    /// do.
    ///
    /// `uses` names the buffers of every moment, in order.
    pub(in crate::kernels) fn new(sizes: &[usize], blocks: usize, uses: &[Vec<Buffer>]) -> Self {
        let mut lives = vec![None::<(usize, usize)>; sizes.len()];
        for (time, buffers) in uses.iter().enumerate() {
            for buffer in buffers {
                let life = lives[buffer.id].get_or_insert((time, time));
                life.1 = time;
            }
        }
        let mut starts = vec![0; sizes.len()];
        let mut total = 0;
        let mut placed: Vec<usize> = Vec::new();
        let mut order: Vec<usize> = (0..sizes.len()).filter(|id| lives[*id].is_some()).collect();
        // Large ones first: small ones then fill the gaps.
        order.sort_by_key(|id| (std::cmp::Reverse(sizes[*id]), *id));
        for id in order {
            let (Some(life), size) = (lives[id], room(sizes[id], blocks)) else {
                continue;
            };
            let mut taken: Vec<(usize, usize)> = placed
                .iter()
                .filter(|other| lives[**other].is_some_and(|o| o.0 <= life.1 && life.0 <= o.1))
                .map(|other| (starts[*other], starts[*other] + room(sizes[*other], blocks)))
                .collect();
            taken.sort_unstable();
            let mut start = 0;
            for (from, to) in taken {
                if start + size <= from {
                    break;
                }
                start = start.max(to);
            }
            starts[id] = start;
            total = total.max(start + size);
            placed.push(id);
        }
        Self { starts, total }
    }

    pub(in crate::kernels) fn start(&self, buffer: Buffer) -> usize {
        self.starts[buffer.id]
    }
}

fn room(size: usize, blocks: usize) -> usize {
    (size * blocks).next_multiple_of(ALIGN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_share_places_only_when_their_lives_are_apart() {
        let sizes = [32, 64, 32, 64];
        let b = |id: usize| Buffer {
            id,
            size: sizes[id],
        };
        let uses = [vec![b(0), b(1)], vec![b(1), b(2)], vec![b(2), b(3)]];
        let layout = Layout::new(&sizes, 2, &uses);
        let range = |id: usize| layout.start(b(id))..layout.start(b(id)) + 2 * sizes[id];
        for time in &uses {
            for (i, a) in time.iter().enumerate() {
                for other in &time[i + 1..] {
                    let (a, o) = (range(a.id), range(other.id));
                    assert!(a.end <= o.start || o.end <= a.start);
                }
            }
        }
        assert_eq!(layout.total, 192);
        let mut memory = Memory::new(17);
        assert_eq!((memory.len(), memory.start() as usize % 64), (32, 0));
    }
}
