//! Which instructions the kernels use, decided once at run time.
//!
//! Results are the same bits for one instruction set, and agree to rounding between them.

use std::sync::OnceLock;

/// An instruction set that kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    /// 16 lanes, 32 registers (x86-64 with AVX-512 F, BW, DQ, VL).
    Avx512,
    /// 8 lanes, 16 registers (x86-64 with AVX2 and FMA).
    Avx2,
    /// Whatever the target has at compile time; NEON on 64-bit ARM.
    Portable,
}

impl Isa {
    /// Every instruction set, the fastest first.
    pub const ALL: [Self; 3] = [Self::Avx512, Self::Avx2, Self::Portable];

    /// The name `FMTUI_KERNELS` takes.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Avx512 => "avx512",
            Self::Avx2 => "avx2",
            Self::Portable => "portable",
        }
    }

    /// Whether this processor has it.
    #[must_use]
    pub fn is_available(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
                    && Self::Avx2.is_available()
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx512 | Self::Avx2 => false,
            Self::Portable => true,
        }
    }

    /// The fastest available one no faster than `limit` names; an unknown name is no limit.
    fn best(limit: Option<&str>) -> Self {
        let first = limit.and_then(|name| Self::ALL.iter().position(|isa| isa.name() == name));
        Self::ALL[first.unwrap_or(0)..]
            .iter()
            .copied()
            .find(|isa| isa.is_available())
            .unwrap_or(Self::Portable)
    }
}

/// The instruction set in use: the fastest available, or the one the environment's `FMTUI_KERNELS` names.
#[must_use]
pub fn isa() -> Isa {
    static BEST: OnceLock<Isa> = OnceLock::new();
    #[cfg(test)]
    if let Some(isa) = tests::CHOSEN.get() {
        return isa;
    }
    *BEST.get_or_init(|| Isa::best(std::env::var("FMTUI_KERNELS").ok().as_deref()))
}

/// Compiles a safe function once per instruction set: `fn name<FMA>(arguments) -> result { … }` becomes
/// `fn name(isa, arguments) -> result`, in whose body `FMA` says whether fused multiply-adds are instructions.
macro_rules! per_isa {
    ($(#[$meta:meta])* $vis:vis fn $name:ident<FMA>($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? $body:block) => {
        $(#[$meta])*
        #[allow(clippy::too_many_arguments, reason = "one more than the kernel has")]
        $vis fn $name(isa: $crate::kernels::cpu::isa::Isa, $($arg: $ty),*) $(-> $ret)? {
            use $crate::kernels::cpu::isa::Isa;

            #[inline(always)]
            #[allow(clippy::inline_always, clippy::extra_unused_type_parameters, reason = "features are the caller's")]
            fn body<const FMA: bool>($($arg: $ty),*) $(-> $ret)? $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
            fn avx512($($arg: $ty),*) $(-> $ret)? { body::<true>($($arg),*) }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn avx2($($arg: $ty),*) $(-> $ret)? { body::<true>($($arg),*) }

            match isa {
                // SAFETY: an `Isa` is only made for a processor that has it.
                #[cfg(target_arch = "x86_64")]
                Isa::Avx512 => unsafe { avx512($($arg),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                Isa::Avx2 => unsafe { avx2($($arg),*) },
                _ => body::<{ cfg!(any(target_arch = "aarch64", target_feature = "fma")) }>($($arg),*),
            }
        }
    };
}
pub(super) use per_isa;

/// a·b + c, fused where that is an instruction.
#[inline(always)]
#[expect(clippy::inline_always, reason = "features are the caller's")]
pub(super) fn mul_add<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::cell::Cell;

    thread_local! {
        pub(super) static CHOSEN: Cell<Option<Isa>> = const { Cell::new(None) };
    }

    /// Runs `work` with the kernels it calls restricted to `isa`.
    pub(in crate::kernels) fn with_isa<T>(isa: Isa, work: impl FnOnce() -> T) -> T {
        CHOSEN.set(Some(isa));
        let result = work();
        CHOSEN.set(None);
        result
    }

    /// The instruction sets this processor has.
    pub(in crate::kernels) fn available() -> impl Iterator<Item = Isa> {
        Isa::ALL.into_iter().filter(|isa| isa.is_available())
    }

    #[test]
    fn a_limit_is_kept_and_an_unknown_one_ignored() {
        assert_eq!(Isa::best(Some("portable")), Isa::Portable);
        assert_ne!(Isa::best(Some("avx2")), Isa::Avx512);
        assert_eq!(Isa::best(Some("sse9")), Isa::best(None));
    }
}
