//! How a download stands, in words.

use crate::net::DownloadProgress;
use crate::text;

/// `downloading FILE: 3.1 MB of 30.9 MB, …`, or what keeps it from going on.
pub(super) fn words(p: &DownloadProgress) -> String {
    let number = match p.files {
        1 => String::new(),
        files => format!(" ({} of {files})", p.file_index + 1),
    };
    let place = format!("downloading {}{number}", text::sanitize(&p.file));
    if let Some(note) = &p.note {
        return format!("{place}: {}; Esc cancels", text::sanitize(note));
    }
    let total = p
        .total
        .map_or(String::new(), |t| format!(" of {}", text::bytes(t)));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a speed for people; the cast saturates"
    )]
    let speed = text::bytes(p.bytes_per_second.max(0.0) as u64);
    let left = p.seconds_left().map_or(String::new(), |s| {
        format!(", {} left", text::seconds(s.ceil()))
    });
    format!(
        "{place}: {}{total}, {speed}/s{left}; Esc cancels",
        text::bytes(p.bytes)
    )
}
