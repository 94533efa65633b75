//! What the terminal's locale can show, and the program's own signs in ASCII where that is less than UTF-8.

use std::borrow::Cow;

/// Whether the locale of the environment (`LC_ALL`, else `LC_CTYPE`, else `LANG`) is in UTF-8. Where none is set, as in
/// most containers, it is taken to be.
#[must_use]
pub fn is_utf8(var: impl Fn(&str) -> String) -> bool {
    let names = ["LC_ALL", "LC_CTYPE", "LANG"];
    let locale = names.into_iter().map(var).find(|value| !value.is_empty());
    locale.is_none_or(|locale| {
        let locale = locale.to_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

/// The text in ASCII, where its width is free: some signs become two or three, the others as in [`ascii_sign`].
#[must_use]
pub fn ascii(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for sign in text.chars() {
        match sign {
            '…' => out.push_str("..."),
            '→' => out.push_str("->"),
            '←' => out.push_str("<-"),
            '±' => out.push_str("+/-"),
            '≤' => out.push_str("<="),
            '≥' => out.push_str(">="),
            '·' => out.push('-'),
            _ => out.push(ascii_sign(sign)),
        }
    }
    Cow::Owned(out)
}

/// The ASCII sign nearest to a sign of one column; `?` for letters and for signs that the program does not print.
#[must_use]
pub fn ascii_sign(sign: char) -> char {
    match sign {
        _ if sign.is_ascii() => sign,
        '─' | '╸' | '–' | '—' | '╌' | '┄' | '┈' | '−' => '-',
        '│' | '┃' | '▏' | '▎' | '▐' | '▌' | '╎' => '|',
        '┌' | '┐' | '└' | '┘' | '├' | '┤' | '┬' | '┴' | '┼' | '╭' | '╮' | '╰' | '╯' | '±' => {
            '+'
        }
        '→' | '▸' | '›' | '▶' | '❯' | '≥' => '>',
        '←' | '◂' | '‹' | '◀' | '❮' | '≤' => '<',
        '▾' | '↓' | '▼' => 'v',
        '▴' | '↑' | '▲' => '^',
        '·' | '▁' => '.',
        '●' | '◆' | '▪' | '•' | '★' => '*',
        '○' | '◇' | 'ö' => 'o',
        '×' => 'x',
        '…' => '~',
        '▂' | '▃' => '_',
        '━' | '▄' | '▅' | '▆' | '░' => '=',
        '▇' | '█' | '▉' | '▊' | '▋' | '▍' | '▒' | '▓' => '#',
        '«' | '»' => '"',
        'σ' => 's',
        'Δ' => 'd',
        'µ' => 'u',
        'é' | 'è' => 'e',
        _ => '?',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_locale_of_utf_8_is_one() {
        let set = |given: &'static [(&str, &str)]| {
            is_utf8(|name| {
                let found = given.iter().find(|(own, _)| *own == name);
                found.map_or_else(String::new, |(_, value)| (*value).to_owned())
            })
        };
        assert!(set(&[]));
        assert!(set(&[("LANG", "C.UTF-8")]));
        assert!(set(&[("LC_CTYPE", "UTF-8"), ("LANG", "C")]));
        assert!(set(&[("LANG", "en_US.utf8")]));
        assert!(!set(&[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")]));
        assert!(!set(&[("LC_ALL", "POSIX")]));
        assert!(!set(&[("LANG", "de_DE.ISO-8859-1")]));
        assert!(!set(&[("LANG", "en_US")]));
    }

    #[test]
    fn signs_have_their_ascii() {
        assert_eq!(ascii("3 × 3 → 1,024 · –"), "3 x 3 -> 1,024 - -");
        assert_eq!(ascii("Größe 0.4 ± 0.1…"), "Gro?e 0.4 +/- 0.1...");
        assert!(matches!(ascii("plain"), Cow::Borrowed("plain")));
        assert_eq!("±█…ß".chars().map(ascii_sign).collect::<String>(), "+#~?");
    }
}
