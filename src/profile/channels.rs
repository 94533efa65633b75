//! Settings about the channels of images: how many, and numbers that each channel has.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use toml::Value;

/// How many channels a network gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Channels {
    /// As many as the images have: one or three. Opacity is no channel of its own: what shows through is white.
    #[default]
    Auto,
    /// 1, grey, or 3.
    Of(usize),
}

impl Channels {
    /// Channels of the network for images of `own`.
    #[must_use]
    pub fn of(self, own: usize) -> usize {
        match self {
            Self::Auto => own.min(3),
            Self::Of(channels) => channels,
        }
    }
}

impl Serialize for Channels {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => to.serialize_str("auto"),
            Self::Of(channels) => channels.serialize(to),
        }
    }
}

impl<'de> Deserialize<'de> for Channels {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match Value::deserialize(from)? {
            Value::String(word) if word == "auto" => Ok(Self::Auto),
            Value::Integer(channels @ (1 | 3)) => Ok(Self::Of(if channels == 1 { 1 } else { 3 })),
            _ => Err(de::Error::custom("expected \"auto\", 1 or 3")),
        }
    }
}

/// A number for all channels, or one for each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PerChannel {
    All(f64),
    Each(Vec<f64>),
}

impl PerChannel {
    /// The number of one channel; `None` where the list is shorter.
    #[must_use]
    pub fn at(&self, channel: usize) -> Option<f64> {
        match self {
            Self::All(number) => Some(*number),
            Self::Each(numbers) => numbers.get(channel).copied(),
        }
    }

    /// How many numbers it is.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::All(_) => 1,
            Self::Each(numbers) => numbers.len(),
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<Vec<f64>> for PerChannel {
    fn from(numbers: Vec<f64>) -> Self {
        match numbers.as_slice() {
            [number] => Self::All(*number),
            _ => Self::Each(numbers),
        }
    }
}

/// With four digits at most, for people.
impl std::fmt::Display for PerChannel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let told = |number: f64| ((number * 1e4).round() / 1e4).to_string();
        match self {
            Self::All(number) => f.write_str(&told(*number)),
            Self::Each(numbers) => {
                let all: Vec<String> = numbers.iter().map(|n| told(*n)).collect();
                f.write_str(&all.join(", "))
            }
        }
    }
}
