//! A thin progress bar.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "widths are those of a screen"
)]

use ratatui::text::Span;

use crate::tui::theme::Theme;

/// `━━━━╸─────`, exactly `width` columns.
#[must_use]
pub(crate) fn gauge(share: f64, width: usize, theme: &Theme) -> [Span<'static>; 2] {
    let share = if share.is_finite() {
        share.clamp(0.0, 1.0)
    } else {
        0.0
    };
    let halves = (share * 2.0 * width as f64).round() as usize;
    let (full, half) = (halves / 2, halves % 2);
    let (done, tip, rest) = if theme.ascii {
        ("=", ">", "-")
    } else {
        ("━", "╸", "─")
    };
    [
        Span::styled(
            format!("{}{}", done.repeat(full), tip.repeat(half)),
            theme.accent(),
        ),
        Span::styled(rest.repeat(width - full - half), theme.dim()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::theme::{ColorDepth, Palette};

    #[test]
    fn it_is_always_as_wide_as_asked() {
        let theme = Theme::new(Palette::Dark, ColorDepth::Mono, false);
        for share in [-1.0, 0.0, 0.33, 0.5, 1.0, 7.0, f64::NAN] {
            for width in 0..12 {
                let text: String = gauge(share, width, &theme)
                    .iter()
                    .map(|s| s.content.as_ref())
                    .collect();
                assert_eq!(text.chars().count(), width);
            }
        }
        assert_eq!(gauge(0.25, 6, &theme)[0].content, "━╸");
    }
}
