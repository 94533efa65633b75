//! Words and numbers for people: what makes text from outside harmless, and number formats shared by all outputs.

pub(crate) mod figure;
mod format;
mod locale;
mod nearest;
mod sanitize;
mod time;

pub use format::{
    bytes, count, duration, ellipsis, folded, grouped, percent, seconds, shape, short_count,
};
pub use locale::{ascii, ascii_sign, is_utf8};
pub use nearest::nearest;
pub use sanitize::{Harmless, harmless, harmless_json, harmless_toml, is_harmless, sanitize};
pub use time::{exact_timestamp, local, now, seconds_of, timestamp};
