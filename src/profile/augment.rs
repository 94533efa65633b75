//! How training images change.

use std::fmt;

use serde::{Deserialize, Serialize};

/// `[augment]`: how training images change at random from step to step. All of it left out changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Augment {
    /// Probability of being mirrored, left for right.
    pub flip: f64,
    /// **Units** pixels: moved by at most so many, down or up and left or right. What comes in is black.
    pub shift: usize,
    /// **Units** degrees: turned by at most so many, either way.
    pub rotate: f64,
    /// Probability that a rectangle of 2 to 33 % becomes black.
    pub erase: f64,
}

impl Augment {
    /// Whether nothing changes.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Augment {
    /// Such as `flip 0.5, shift 2`, or `none`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        #[expect(clippy::cast_precision_loss, reason = "at most some hundred pixels")]
        let all = [
            ("flip", self.flip),
            ("shift", self.shift as f64),
            ("rotate", self.rotate),
            ("erase", self.erase),
        ];
        let asked = all.iter().filter(|(_, value)| *value != 0.0);
        let words: Vec<String> = asked
            .map(|(name, value)| format!("{name} {value}"))
            .collect();
        if words.is_empty() {
            return f.write_str("none");
        }
        f.write_str(&words.join(", "))
    }
}
