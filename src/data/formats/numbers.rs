//! Numbers of files become pixels and labels: integers and floats of any size, in either order of their bytes.
//!
//! Pixels are whole numbers of 0–255, or fractions of 0–1, of which 255 is 1. All else is refused, not guessed.

/// What the numbers of a file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F16,
    F32,
    F64,
}

/// Which byte of a number comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Lowest,
    Highest,
}

impl Kind {
    /// **Units** bytes of one number.
    #[must_use]
    pub fn size(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 | Self::F16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }

    /// Pixels of as many numbers.
    ///
    /// # Errors
    /// A problem that names the first number that is none.
    pub(super) fn pixels(self, bytes: Vec<u8>, order: Order) -> Result<Vec<u8>, String> {
        if self == Self::U8 {
            return Ok(bytes);
        }
        self.each(&bytes, order, Number::pixel)
    }

    /// Labels of as many numbers.
    ///
    /// # Errors
    /// A problem that names the first number that is none.
    pub(super) fn labels(self, bytes: &[u8], order: Order) -> Result<Vec<i64>, String> {
        match self {
            Self::F16 | Self::F32 | Self::F64 => {
                Err("has fractions for labels, which are whole numbers".into())
            }
            _ => self.each(bytes, order, Number::label),
        }
    }

    fn each<T>(
        self,
        bytes: &[u8],
        order: Order,
        take: impl Fn(Number) -> Result<T, String>,
    ) -> Result<Vec<T>, String> {
        let whole = |number: i64| take(Number::Whole(number.into()));
        let fraction = |number: f64| take(Number::Fraction(number));
        match self {
            Self::U8 => all(bytes, order, |[b]| whole(b.into())),
            Self::I8 => all(bytes, order, |b| whole(i8::from_le_bytes(b).into())),
            Self::U16 => all(bytes, order, |b| whole(u16::from_le_bytes(b).into())),
            Self::I16 => all(bytes, order, |b| whole(i16::from_le_bytes(b).into())),
            Self::U32 => all(bytes, order, |b| whole(u32::from_le_bytes(b).into())),
            Self::I32 => all(bytes, order, |b| whole(i32::from_le_bytes(b).into())),
            Self::U64 => all(bytes, order, |b| {
                take(Number::Whole(u64::from_le_bytes(b).into()))
            }),
            Self::I64 => all(bytes, order, |b| whole(i64::from_le_bytes(b))),
            Self::F16 => all(bytes, order, |b| {
                fraction(half::f16::from_le_bytes(b).to_f64())
            }),
            Self::F32 => all(bytes, order, |b| fraction(f32::from_le_bytes(b).into())),
            Self::F64 => all(bytes, order, |b| fraction(f64::from_le_bytes(b))),
        }
    }
}

/// A number as it was read.
#[derive(Clone, Copy)]
enum Number {
    Whole(i128),
    Fraction(f64),
}

impl Number {
    fn pixel(self) -> Result<u8, String> {
        match self {
            Self::Whole(number) => u8::try_from(number)
                .map_err(|_| format!("has the value {number}, outside 0 to 255")),
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a whole number of 0–255"
            )]
            Self::Fraction(number) if (0.0..=1.0).contains(&number) => {
                Ok((number * 255.0).round() as u8)
            }
            Self::Fraction(number) => Err(format!(
                "has the value {number}; fractions must be 0 to 1, where 1 is white"
            )),
        }
    }

    fn label(self) -> Result<i64, String> {
        match self {
            Self::Whole(number) => i64::try_from(number)
                .map_err(|_| format!("has the label {number}, larger than labels can be")),
            Self::Fraction(number) => Err(format!("has the label {number}, no whole number")),
        }
    }
}

/// Takes every `N` bytes as one number.
fn all<const N: usize, T>(
    bytes: &[u8],
    order: Order,
    number: impl Fn([u8; N]) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    let numbers = bytes.as_chunks::<N>().0.iter();
    numbers
        .map(|bytes| {
            let mut bytes = *bytes;
            if order == Order::Highest {
                bytes.reverse();
            }
            number(bytes)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [Kind; 11] = [
        Kind::U8,
        Kind::I8,
        Kind::U16,
        Kind::I16,
        Kind::U32,
        Kind::I32,
        Kind::U64,
        Kind::I64,
        Kind::F16,
        Kind::F32,
        Kind::F64,
    ];

    fn bytes(kind: Kind, number: f64, order: Order) -> Vec<u8> {
        let mut bytes = match kind {
            Kind::F16 => half::f16::from_f64(number).to_le_bytes().to_vec(),
            Kind::F32 => (number as f32).to_le_bytes().to_vec(),
            Kind::F64 => number.to_le_bytes().to_vec(),
            _ => (number as i64).to_le_bytes()[..kind.size()].to_vec(),
        };
        if order == Order::Highest {
            bytes.reverse();
        }
        bytes
    }

    #[test]
    fn every_kind_gives_the_same_pixels() {
        for kind in KINDS {
            for order in [Order::Lowest, Order::Highest] {
                let is_fraction = matches!(kind, Kind::F16 | Kind::F32 | Kind::F64);
                let most = if kind == Kind::I8 { 127 } else { 255 };
                for value in 0..=most {
                    let number = f64::from(value) / if is_fraction { 255.0 } else { 1.0 };
                    let read = kind.pixels(bytes(kind, number, order), order).unwrap();
                    assert_eq!(read, [value], "{kind:?} {order:?}");
                    let labels = kind.labels(&bytes(kind, number, order), order);
                    assert_eq!(labels.ok(), (!is_fraction).then(|| vec![value.into()]));
                }
            }
        }
    }

    #[test]
    fn halves_are_rounded_away_from_zero() {
        for (number, pixel) in [
            (0.5 / 255.0, 1),
            (127.5 / 255.0, 128),
            (0.0019, 0),
            (1.0, 255),
        ] {
            let read = Kind::F64.pixels(bytes(Kind::F64, number, Order::Lowest), Order::Lowest);
            assert_eq!(read.unwrap(), [pixel]);
        }
    }

    #[test]
    fn other_values_are_named() {
        let message = |kind: Kind, number: f64| {
            let read = kind.pixels(bytes(kind, number, Order::Lowest), Order::Lowest);
            read.unwrap_err()
        };
        assert_eq!(
            message(Kind::I16, 256.0),
            "has the value 256, outside 0 to 255"
        );
        assert_eq!(
            message(Kind::I8, -1.0),
            "has the value -1, outside 0 to 255"
        );
        for (number, told) in [
            (1.5, "1.5"),
            (-0.25, "-0.25"),
            (f64::NAN, "NaN"),
            (255.0, "255"),
        ] {
            let problem = message(Kind::F32, number);
            assert!(
                problem.starts_with(&format!("has the value {told};")),
                "{problem}"
            );
        }
        let large = Kind::U64.labels(&[0xff; 8], Order::Lowest).unwrap_err();
        assert!(large.starts_with("has the label 18446744073709551615"));
        assert_eq!(Kind::I64.labels(&[0xff; 8], Order::Lowest).unwrap(), [-1]);
    }
}
