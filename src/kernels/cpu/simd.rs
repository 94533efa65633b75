//! Vectors of f32 for the register tiles of the matrix product; one implementation an instruction set.
//!
//! Every method must be inlined into a function compiled for the instruction set, hence `inline(always)` throughout.

#![expect(
    clippy::inline_always,
    reason = "vector code must be inlined into the function that enables its features"
)]

/// A vector register.
///
/// # Safety of its methods
/// The processor must have the instruction set; pointers must be readable or writable for `LANES` numbers, or for as
/// many as the mask was made for.
pub(super) trait Simd: Copy {
    /// Numbers in a vector.
    const LANES: usize;
    /// Rows of a register tile that is two vectors wide.
    const ROWS: usize;
    /// Selects the first lanes.
    type Mask: Copy;

    /// Selects the first `lanes` ≤ `LANES`.
    unsafe fn mask(lanes: usize) -> Self::Mask;
    unsafe fn zero() -> Self;
    unsafe fn splat(value: f32) -> Self;
    unsafe fn load(from: *const f32) -> Self;
    /// Zeros outside the mask, which is not read.
    unsafe fn load_masked(from: *const f32, mask: Self::Mask) -> Self;
    unsafe fn store(self, to: *mut f32);
    /// Leaves alone what is outside the mask.
    unsafe fn store_masked(self, to: *mut f32, mask: Self::Mask);
    /// self·b + c.
    unsafe fn mul_add(self, b: Self, c: Self) -> Self;
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn sub(self, other: Self) -> Self;
    /// The larger one; `other` where either is not a number.
    unsafe fn max(self, other: Self) -> Self;
    /// The sum of the lanes, in a fixed order.
    unsafe fn sum(self) -> f32;
}

/// Compiles a function once per vector: `fn name<V>(arguments) { … }` becomes `fn name(isa, arguments)`, whose body
/// works with vectors of type `V` and vouches for its pointers itself.
macro_rules! per_vector {
    ($(#[$meta:meta])* $vis:vis fn $name:ident<$vector:ident>($($arg:ident: $ty:ty),* $(,)?) $body:block) => {
        $(#[$meta])*
        $vis fn $name(isa: $crate::kernels::cpu::isa::Isa, $($arg: $ty),*) {
            use $crate::kernels::cpu::isa::Isa;
            use $crate::kernels::cpu::simd::{Portable, Simd};

            #[inline(always)]
            #[allow(clippy::inline_always, reason = "features are the caller's")]
            unsafe fn body<$vector: Simd>($($arg: $ty),*) $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
            fn avx512($($arg: $ty),*) {
                // SAFETY: the features are enabled.
                unsafe { body::<std::arch::x86_64::__m512>($($arg),*) }
            }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn avx2($($arg: $ty),*) {
                // SAFETY: the features are enabled.
                unsafe { body::<std::arch::x86_64::__m256>($($arg),*) }
            }

            match isa {
                // SAFETY: an `Isa` is only made for a processor that has it.
                #[cfg(target_arch = "x86_64")]
                Isa::Avx512 => unsafe { avx512($($arg),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                Isa::Avx2 => unsafe { avx2($($arg),*) },
                // SAFETY: needs no feature.
                _ => unsafe { body::<Portable>($($arg),*) },
            }
        }
    };
}
pub(super) use per_vector;

/// Four numbers for targets without an implementation of their own; the compiler maps them to what it has.
#[derive(Clone, Copy)]
#[repr(align(16))]
pub(super) struct Portable([f32; 4]);

impl Simd for Portable {
    const LANES: usize = 4;
    const ROWS: usize = 6;
    type Mask = usize;

    #[inline(always)]
    unsafe fn mask(lanes: usize) -> usize {
        lanes
    }

    #[inline(always)]
    unsafe fn zero() -> Self {
        Self([0.0; 4])
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self([value; 4])
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller vouches for four readable numbers.
        Self(unsafe { from.cast::<[f32; 4]>().read_unaligned() })
    }

    #[inline(always)]
    unsafe fn load_masked(from: *const f32, mask: usize) -> Self {
        let mut lanes = [0.0; 4];
        for (i, lane) in lanes.iter_mut().enumerate().take(mask) {
            // SAFETY: the caller vouches for `mask` readable numbers.
            *lane = unsafe { *from.add(i) };
        }
        Self(lanes)
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller vouches for four writable numbers.
        unsafe { to.cast::<[f32; 4]>().write_unaligned(self.0) }
    }

    #[inline(always)]
    unsafe fn store_masked(self, to: *mut f32, mask: usize) {
        for (i, lane) in self.0.iter().enumerate().take(mask) {
            // SAFETY: the caller vouches for `mask` writable numbers.
            unsafe { *to.add(i) = *lane };
        }
    }

    #[inline(always)]
    unsafe fn mul_add(self, b: Self, c: Self) -> Self {
        const FMA: bool = cfg!(any(target_arch = "aarch64", target_feature = "fma"));
        Self(std::array::from_fn(|i| {
            super::isa::mul_add::<FMA>(self.0[i], b.0[i], c.0[i])
        }))
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] + other.0[i]))
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] - other.0[i]))
    }

    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| {
            if self.0[i] > other.0[i] {
                self.0[i]
            } else {
                other.0[i]
            }
        }))
    }

    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        let [a, b, c, d] = self.0;
        (a + c) + (b + d)
    }
}

/// Side of the square that [`turn_square`] moves.
pub(super) const SQUARE: usize = 8;

/// to\[c\]\[r\] = from\[r\]\[c\] for 8 × 8 numbers, rows `from_row` and `to_row` apart.
///
/// # Safety
/// All of them can be read and written; `VECTORS` only where the processor has AVX.
#[inline(always)]
pub(super) unsafe fn turn_square<const VECTORS: bool>(
    from: *const f32,
    from_row: usize,
    to: *mut f32,
    to_row: usize,
) {
    #[cfg(target_arch = "x86_64")]
    if VECTORS {
        // SAFETY: the caller's.
        return unsafe { x86::turn_square(from, from_row, to, to_row) };
    }
    for r in 0..SQUARE {
        for c in 0..SQUARE {
            // SAFETY: the caller vouches for 8 × 8 numbers on both sides.
            unsafe { *to.add(c * to_row + r) = *from.add(r * from_row + c) };
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Simd;
    use std::arch::x86_64::{
        __m256, __m256i, __m512, __mmask16, _mm_add_ps, _mm_add_ss, _mm_cvtss_f32, _mm_movehl_ps,
        _mm_shuffle_ps, _mm256_add_ps, _mm256_castps256_ps128, _mm256_extractf128_ps,
        _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_loadu_si256, _mm256_maskload_ps,
        _mm256_maskstore_ps, _mm256_max_ps, _mm256_permute2f128_ps, _mm256_set1_ps,
        _mm256_setzero_ps, _mm256_shuffle_ps, _mm256_storeu_ps, _mm256_sub_ps, _mm256_unpackhi_ps,
        _mm256_unpacklo_ps, _mm512_add_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_mask_storeu_ps,
        _mm512_maskz_loadu_ps, _mm512_max_ps, _mm512_reduce_add_ps, _mm512_set1_ps,
        _mm512_setzero_ps, _mm512_storeu_ps, _mm512_sub_ps,
    };

    /// Implements the methods that are one instruction each.
    macro_rules! instructions {
        ($zero:ident, $splat:ident, $load:ident, $store:ident, $mul_add:ident, $add:ident, $sub:ident, $max:ident) => {
            #[inline(always)]
            unsafe fn zero() -> Self {
                // SAFETY: the caller vouches for the instruction set.
                unsafe { $zero() }
            }

            #[inline(always)]
            unsafe fn splat(value: f32) -> Self {
                // SAFETY: the caller vouches for the instruction set.
                unsafe { $splat(value) }
            }

            #[inline(always)]
            unsafe fn load(from: *const f32) -> Self {
                // SAFETY: the caller vouches for instruction set and pointer.
                unsafe { $load(from) }
            }

            #[inline(always)]
            unsafe fn store(self, to: *mut f32) {
                // SAFETY: the caller vouches for instruction set and pointer.
                unsafe { $store(to, self) }
            }

            #[inline(always)]
            unsafe fn mul_add(self, b: Self, c: Self) -> Self {
                // SAFETY: the caller vouches for the instruction set.
                unsafe { $mul_add(self, b, c) }
            }

            #[inline(always)]
            unsafe fn add(self, other: Self) -> Self {
                // SAFETY: the caller vouches for the instruction set.
                unsafe { $add(self, other) }
            }

            #[inline(always)]
            unsafe fn sub(self, other: Self) -> Self {
                // SAFETY: the caller vouches for the instruction set.
                unsafe { $sub(self, other) }
            }

            #[inline(always)]
            unsafe fn max(self, other: Self) -> Self {
                // SAFETY: the caller vouches for the instruction set.
                unsafe { $max(self, other) }
            }
        };
    }

    /// 8 × 8 numbers turned over in registers.
    ///
    /// # Safety
    /// As [`super::turn_square`].
    #[inline(always)]
    pub(super) unsafe fn turn_square(
        from: *const f32,
        from_row: usize,
        to: *mut f32,
        to_row: usize,
    ) {
        // SAFETY: the caller vouches for the instructions and for 8 × 8 numbers on both sides.
        unsafe {
            let mut rows = [_mm256_setzero_ps(); 8];
            for (r, row) in rows.iter_mut().enumerate() {
                *row = _mm256_loadu_ps(from.add(r * from_row));
            }
            let mut pairs = rows;
            for i in 0..4 {
                pairs[2 * i] = _mm256_unpacklo_ps(rows[2 * i], rows[2 * i + 1]);
                pairs[2 * i + 1] = _mm256_unpackhi_ps(rows[2 * i], rows[2 * i + 1]);
            }
            let mut fours = pairs;
            for i in [0, 4] {
                fours[i] = _mm256_shuffle_ps::<0x44>(pairs[i], pairs[i + 2]);
                fours[i + 1] = _mm256_shuffle_ps::<0xEE>(pairs[i], pairs[i + 2]);
                fours[i + 2] = _mm256_shuffle_ps::<0x44>(pairs[i + 1], pairs[i + 3]);
                fours[i + 3] = _mm256_shuffle_ps::<0xEE>(pairs[i + 1], pairs[i + 3]);
            }
            for i in 0..4 {
                let low = _mm256_permute2f128_ps::<0x20>(fours[i], fours[i + 4]);
                let high = _mm256_permute2f128_ps::<0x31>(fours[i], fours[i + 4]);
                _mm256_storeu_ps(to.add(i * to_row), low);
                _mm256_storeu_ps(to.add((i + 4) * to_row), high);
            }
        }
    }

    impl Simd for __m512 {
        const LANES: usize = 16;
        const ROWS: usize = 14;
        type Mask = __mmask16;

        #[inline(always)]
        #[expect(clippy::cast_possible_truncation, reason = "16 lanes, 16 bits")]
        unsafe fn mask(lanes: usize) -> __mmask16 {
            ((1u32 << lanes) - 1) as u16
        }

        instructions!(
            _mm512_setzero_ps,
            _mm512_set1_ps,
            _mm512_loadu_ps,
            _mm512_storeu_ps,
            _mm512_fmadd_ps,
            _mm512_add_ps,
            _mm512_sub_ps,
            _mm512_max_ps
        );

        #[inline(always)]
        unsafe fn load_masked(from: *const f32, mask: __mmask16) -> Self {
            // SAFETY: the caller vouches for instruction set and pointer.
            unsafe { _mm512_maskz_loadu_ps(mask, from) }
        }

        #[inline(always)]
        unsafe fn store_masked(self, to: *mut f32, mask: __mmask16) {
            // SAFETY: the caller vouches for instruction set and pointer.
            unsafe { _mm512_mask_storeu_ps(to, mask, self) }
        }

        #[inline(always)]
        unsafe fn sum(self) -> f32 {
            // SAFETY: the caller vouches for the instruction set.
            unsafe { _mm512_reduce_add_ps(self) }
        }
    }

    /// Eight set and eight clear lanes: a mask of n starts 8 − n in.
    static WINDOW: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

    impl Simd for __m256 {
        const LANES: usize = 8;
        const ROWS: usize = 6;
        type Mask = __m256i;

        #[inline(always)]
        unsafe fn mask(lanes: usize) -> __m256i {
            // SAFETY: lanes ≤ 8, so eight numbers from 8 − lanes on lie inside the window.
            unsafe { _mm256_loadu_si256(WINDOW.as_ptr().add(8 - lanes).cast()) }
        }

        instructions!(
            _mm256_setzero_ps,
            _mm256_set1_ps,
            _mm256_loadu_ps,
            _mm256_storeu_ps,
            _mm256_fmadd_ps,
            _mm256_add_ps,
            _mm256_sub_ps,
            _mm256_max_ps
        );

        #[inline(always)]
        unsafe fn load_masked(from: *const f32, mask: __m256i) -> Self {
            // SAFETY: the caller vouches for instruction set and pointer.
            unsafe { _mm256_maskload_ps(from, mask) }
        }

        #[inline(always)]
        unsafe fn store_masked(self, to: *mut f32, mask: __m256i) {
            // SAFETY: the caller vouches for instruction set and pointer.
            unsafe { _mm256_maskstore_ps(to, mask, self) }
        }

        #[inline(always)]
        unsafe fn sum(self) -> f32 {
            // SAFETY: the caller vouches for the instruction set.
            unsafe {
                let half = _mm_add_ps(
                    _mm256_castps256_ps128(self),
                    _mm256_extractf128_ps::<1>(self),
                );
                let quarter = _mm_add_ps(half, _mm_movehl_ps(half, half));
                let last = _mm_shuffle_ps::<1>(quarter, quarter);
                _mm_cvtss_f32(_mm_add_ss(quarter, last))
            }
        }
    }
}
