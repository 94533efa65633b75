//! Answers of the terminal, which come in among the keys.
//!
//! crossterm knows no Operating System Command (`ESC ] … BEL`, or `ESC \` at the end) and hands it on as one key for
//! each sign of it. Here those are taken out, whoever asked for them: an editor that has just been left may have. A key
//! is held back only while it can still become an answer; what a user binds to Alt-] comes a little later.
//!
//! Where Esc and a key that is written as a sequence come at once, as on a line that has stalled, crossterm takes the
//! two `ESC` for one Esc and hands the rest of the sequence on as letters (`ESC ESC [ 6 ~`: Esc, `[`, `6`, `~`). Here
//! they are the key again that was pressed.

use std::time::{Duration, Instant};

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::app::Input;
use super::theme::{Ground, Rgb, ground_of_color};

/// How long after a question an answer is awaited.
const AWAITED: Duration = Duration::from_secs(5);
/// How long a lone Esc may be the beginning or the end of an answer, where a slow line has torn it there.
const TORN: Duration = Duration::from_millis(50);
/// How long an answer that has begun may pause.
const PAUSE: Duration = Duration::from_millis(500);
/// The same while one is awaited.
const LONG_PAUSE: Duration = Duration::from_secs(2);
/// Signs of an answer that are looked at.
const LONGEST: usize = 4096;

/// How far an answer has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Keys,
    /// Esc, which may begin one.
    Torn,
    /// `ESC ]` and digits: still keys, perhaps.
    Begun,
    /// `ESC ] 11 ;` …: an answer without doubt.
    Certain,
    /// Esc within it, which may begin its end.
    Ending,
    /// `[` at once after Esc: the rest of a sequence.
    Sequence,
}

/// What a key is to an answer.
enum Sign {
    /// `ESC ]`.
    Begin,
    /// BEL or `ESC \`.
    End,
    Escape,
    Letter(char),
    Other,
}

impl Sign {
    fn of(key: KeyEvent) -> Self {
        let held = key.modifiers & (KeyModifiers::ALT | KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char(']') if held == KeyModifiers::ALT => Self::Begin,
            KeyCode::Char('\\') if held == KeyModifiers::ALT => Self::End,
            KeyCode::Char('g') if held == KeyModifiers::CONTROL => Self::End,
            KeyCode::Esc if held.is_empty() => Self::Escape,
            KeyCode::Char(sign) if held.is_empty() => Self::Letter(sign),
            _ => Self::Other,
        }
    }
}

/// Tells answers from keys.
#[derive(Debug, Default)]
pub(super) struct Replies {
    state: State,
    /// Keys that may be part of an answer.
    held: Vec<KeyEvent>,
    /// The answer so far, without its beginning.
    text: String,
    /// When the last sign of it came.
    since: Option<Instant>,
    /// When the terminal was asked; none once it has answered.
    asked: Option<Instant>,
    /// When Esc was the last key.
    escaped: Option<Instant>,
}

impl Replies {
    /// The terminal has been asked something.
    pub(super) fn expect(&mut self, now: Instant) {
        self.asked = Some(now);
    }

    /// True when an answer may come within `patience` after the question, or has begun.
    #[must_use]
    pub(super) fn is_due(&self, patience: Duration, now: Instant) -> bool {
        self.state != State::Keys || self.asked.is_some_and(|at| now - at < patience)
    }

    /// The longest time until [`hear`](Self::hear) wants to be told of the time.
    #[must_use]
    pub(super) fn patience(&self) -> Duration {
        if self.state == State::Keys {
            Duration::MAX
        } else {
            TORN
        }
    }

    /// What an input comes to: keys that are none are left out, and come as an answer when it is whole.
    pub(super) fn hear(&mut self, input: Input, now: Instant) -> Vec<Input> {
        let mut out = Vec::new();
        self.give_up(now, &mut out);
        match input {
            Input::Key(key) => self.take(key, now, &mut out),
            other => out.push(other),
        }
        out
    }

    fn take(&mut self, key: KeyEvent, now: Instant, out: &mut Vec<Input>) {
        let sign = Sign::of(key);
        let escaped = self.escaped.take().map(|at| now - at);
        let was_escaped = escaped.is_some_and(|since| since < PAUSE);
        match (self.state, sign) {
            (State::Keys | State::Certain, Sign::Begin) => {
                self.held.clear();
                self.begin(key, now);
            }
            (State::Keys, Sign::Letter(']')) if was_escaped => self.begin(key, now),
            (State::Torn, Sign::Letter(']')) => self.begin(key, now),
            (State::Keys, Sign::Letter('[')) if escaped.is_some_and(|since| since < TORN) => {
                self.hold(key, State::Sequence, now);
            }
            (State::Torn, Sign::Letter('[')) => {
                self.release(out);
                self.hold(key, State::Sequence, now);
            }
            (State::Sequence, Sign::Letter(sign @ ' '..='?')) if self.text.len() < LONGEST => {
                self.text.push(sign);
                self.hold(key, State::Sequence, now);
            }
            (State::Sequence, Sign::Letter(last @ '@'..='~')) => {
                self.held.clear();
                let pressed = pressed(&self.text, last);
                self.release(out);
                out.extend(pressed.map(Input::Key));
            }
            (State::Keys, Sign::Escape) if self.is_awaiting(now) => {
                self.hold(key, State::Torn, now);
            }
            (State::Keys, sign) => {
                self.escaped = matches!(sign, Sign::Escape).then_some(now);
                out.push(Input::Key(key));
            }
            (State::Begun, Sign::Letter(letter)) if self.goes_on(letter) => {
                self.text.push(letter);
                self.hold(key, State::Begun, now);
                if letter == ';' {
                    self.held.clear();
                    self.state = State::Certain;
                }
            }
            (State::Certain, Sign::Letter(letter)) => {
                if self.text.len() < LONGEST {
                    self.text.push(letter);
                }
                self.since = Some(now);
            }
            (State::Certain, Sign::Escape) => self.hold(key, State::Ending, now),
            (State::Certain, Sign::End) | (State::Ending, Sign::Letter('\\')) => self.end(out),
            // It is none, or was torn off: the key stands for itself.
            (State::Torn | State::Begun | State::Certain | State::Ending | State::Sequence, _) => {
                self.release(out);
                self.take(key, now, out);
            }
        }
    }

    fn begin(&mut self, key: KeyEvent, now: Instant) {
        self.text.clear();
        self.hold(key, State::Begun, now);
    }

    fn hold(&mut self, key: KeyEvent, state: State, now: Instant) {
        self.held.push(key);
        (self.state, self.since) = (state, Some(now));
    }

    /// True when a letter goes on with a number and the semicolon after it.
    fn goes_on(&self, letter: char) -> bool {
        (letter.is_ascii_digit() && self.text.len() < 4) || (letter == ';' && !self.text.is_empty())
    }

    /// The answer is whole.
    fn end(&mut self, out: &mut Vec<Input>) {
        if let Some(ground) = ground(&self.text) {
            self.asked = None;
            out.push(Input::Background(ground));
        }
        self.held.clear();
        self.release(out);
    }

    /// Gives back what was held; nothing of an answer without doubt.
    fn release(&mut self, out: &mut Vec<Input>) {
        if self.state == State::Ending {
            // Some terminals leave the last sign of the end out.
            self.state = State::Keys;
            return self.end(out);
        }
        out.extend(self.held.drain(..).map(Input::Key));
        self.text.clear();
        (self.state, self.since) = (State::Keys, None);
    }

    /// Gives back what has been held for too long.
    fn give_up(&mut self, now: Instant, out: &mut Vec<Input>) {
        let patience = match self.state {
            State::Keys => return,
            State::Torn | State::Ending | State::Sequence => TORN,
            State::Begun | State::Certain if self.is_awaiting(now) => LONG_PAUSE,
            State::Begun | State::Certain => PAUSE,
        };
        if self.since.is_some_and(|at| now - at >= patience) {
            let was_torn = self.state == State::Torn;
            self.release(out);
            self.escaped = was_torn.then_some(now);
        }
    }

    fn is_awaiting(&self, now: Instant) -> bool {
        self.asked.is_some_and(|at| now - at < AWAITED)
    }
}

/// The key that a sequence means, by its parameters and last sign; none for what is not a key of ours.
fn pressed(parameters: &str, last: char) -> Option<KeyEvent> {
    let code = match (parameters, last) {
        ("", 'A') => KeyCode::Up,
        ("", 'B') => KeyCode::Down,
        ("", 'C') => KeyCode::Right,
        ("", 'D') => KeyCode::Left,
        ("", 'H') | ("1" | "7", '~') => KeyCode::Home,
        ("", 'F') | ("4" | "8", '~') => KeyCode::End,
        ("", 'Z') => return Some(KeyEvent::new(KeyCode::BackTab, KeyModifiers::SHIFT)),
        ("2", '~') => KeyCode::Insert,
        ("3", '~') => KeyCode::Delete,
        ("5", '~') => KeyCode::PageUp,
        ("6", '~') => KeyCode::PageDown,
        ("15", '~') => KeyCode::F(5),
        _ => return None,
    };
    Some(code.into())
}

/// The background that an answer tells: `11;rgb:ffff/ffff/ffff`, with one to four digits each.
fn ground(answer: &str) -> Option<Ground> {
    color(answer.strip_prefix("11;")?).map(ground_of_color)
}

fn color(written: &str) -> Option<Rgb> {
    let spec = written
        .strip_prefix("rgb:")
        .or_else(|| written.strip_prefix("rgba:"));
    let channels: Vec<&str> = match (spec, written.strip_prefix('#')) {
        (Some(spec), _) => spec.split('/').collect(),
        (None, Some(hex)) if hex.is_ascii() && hex.len() % 3 == 0 && !hex.is_empty() => {
            let (r, rest) = hex.split_at(hex.len() / 3);
            let (g, b) = rest.split_at(hex.len() / 3);
            vec![r, g, b]
        }
        _ => return None,
    };
    match channels[..] {
        [r, g, b] | [r, g, b, _] => Some((channel(r)?, channel(g)?, channel(b)?)),
        _ => None,
    }
}

/// A share of the full channel, as 8 bits.
fn channel(hex: &str) -> Option<u8> {
    let digits = u32::try_from(hex.len())
        .ok()
        .filter(|n| (1..=4).contains(n))?;
    // A number may have a sign where a channel has none.
    if !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let full = 16_u32.pow(digits) - 1;
    let value = u32::from_str_radix(hex, 16).ok()?;
    u8::try_from(value * 255 / full).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The keys that crossterm makes of bytes of which each string has come at once.
    fn keys(chunks: &[&str]) -> Vec<KeyEvent> {
        let mut keys = Vec::new();
        for chunk in chunks {
            let mut signs = chunk.chars().peekable();
            while let Some(sign) = signs.next() {
                keys.push(match (sign, signs.peek().copied()) {
                    ('\x1b', Some(after)) => {
                        signs.next();
                        KeyEvent::new(KeyCode::Char(after), KeyModifiers::ALT)
                    }
                    ('\x1b', None) => KeyCode::Esc.into(),
                    ('\x07', _) => KeyEvent::new(KeyCode::Char('g'), KeyModifiers::CONTROL),
                    (other, _) => KeyCode::Char(other).into(),
                });
            }
        }
        keys
    }

    #[derive(Debug, Default, PartialEq)]
    struct Heard {
        keys: Vec<KeyEvent>,
        ground: Option<Ground>,
    }

    fn collect(inputs: Vec<Input>, heard: &mut Heard) {
        for input in inputs {
            match input {
                Input::Key(key) => heard.keys.push(key),
                Input::Background(ground) => heard.ground = Some(ground),
                _ => {}
            }
        }
    }

    /// What is heard of keys that come one after the other with a pause in between, and of silence after them.
    fn hear(keys: &[KeyEvent], is_asked: bool, pause: Duration) -> Heard {
        let mut replies = Replies::default();
        let mut now = Instant::now();
        if is_asked {
            replies.expect(now);
        }
        let mut heard = Heard::default();
        for key in keys {
            now += pause;
            collect(replies.hear(Input::Key(*key), now), &mut heard);
        }
        let later = now + Duration::from_secs(10);
        collect(replies.hear(Input::Tick(later), later), &mut heard);
        assert_eq!(replies.state, State::Keys);
        heard
    }

    fn told(chunks: &[&str], is_asked: bool) -> Heard {
        hear(&keys(chunks), is_asked, Duration::from_millis(1))
    }

    #[test]
    fn a_key_that_comes_at_once_with_esc_is_that_key() {
        let esc = KeyEvent::from(KeyCode::Esc);
        // As crossterm hands them on: the second ESC is lost, the rest are letters.
        for (rest, key) in [
            ("[6~", Some(KeyCode::PageDown)),
            ("[5~", Some(KeyCode::PageUp)),
            ("[A", Some(KeyCode::Up)),
            ("[D", Some(KeyCode::Left)),
            ("[F", Some(KeyCode::End)),
            // A click, focus, and what the terminal is.
            ("[<0;16;25M", None),
            ("[O", None),
            ("[?62;22c", None),
        ] {
            let mut given = vec![esc];
            given.extend(keys(&[rest]));
            let wanted: Vec<KeyEvent> = [Some(esc), key.map(KeyEvent::from)]
                .into_iter()
                .flatten()
                .collect();
            for is_asked in [true, false] {
                let heard = hear(&given, is_asked, Duration::from_millis(1));
                assert_eq!(heard.keys, wanted, "{rest}");
            }
            // Typed one after the other they are what they are.
            let typed = hear(&given, false, Duration::from_millis(60));
            assert_eq!(typed.keys, given, "{rest}");
        }
    }

    #[test]
    fn an_answer_is_no_keys_however_it_ends_or_is_torn() {
        let light = Heard {
            keys: Vec::new(),
            ground: Some(Ground::Light),
        };
        for end in ["\x07", "\x1b\\"] {
            let answer = format!("\x1b]11;rgb:fdfd/f6f6/e3e3{end}");
            for is_asked in [true, false] {
                assert_eq!(told(&[&answer], is_asked), light, "{answer:?}");
            }
            for at in 1..answer.len() {
                let (a, b) = answer.split_at(at);
                assert_eq!(told(&[a, b], true), light, "torn at {at} of {answer:?}");
            }
            // A line so slow that every sign comes alone.
            let slow = hear(&keys(&[&answer]), true, Duration::from_millis(150));
            assert_eq!(slow, light);
        }
        let open = told(&["\x1b]11;rgb:fdfd/f6f6/e3e3", "\x1b"], true);
        assert_eq!(open, light, "without the last sign of its end");
    }

    #[test]
    fn torn_behind_a_long_pause_no_letter_of_it_is_a_key() {
        let mut replies = Replies::default();
        let mut now = Instant::now();
        let mut heard = Heard::default();
        // Nobody asked for it, so that the Esc was a key at once.
        for (chunk, pause) in [("\x1b", 0), ("]11;rgb:0/0/0", 200), ("\x07", 400)] {
            now += Duration::from_millis(pause);
            for key in keys(&[chunk]) {
                collect(replies.hear(Input::Key(key), now), &mut heard);
            }
        }
        assert_eq!(heard.keys, [KeyCode::Esc.into()]);
        assert_eq!(heard.ground, Some(Ground::Dark));
    }

    #[test]
    fn keys_around_an_answer_are_keys() {
        let heard = told(&["ab\x1b]11;rgb:0000/0000/0000\x07", "cd"], true);
        assert_eq!(heard.keys, keys(&["abcd"]));
        assert_eq!(heard.ground, Some(Ground::Dark));
        let twice = told(&["\x1b]11;rgb:0/0/0\x07\x1b]11;rgb:f/f/f\x07x"], true);
        assert_eq!(twice.keys, keys(&["x"]));
        assert_eq!(twice.ground, Some(Ground::Light));
    }

    #[test]
    fn other_answers_and_torn_off_ones_are_swallowed() {
        for answer in [
            "\x1b]10;rgb:ffff/ffff/ffff\x07",
            "\x1b]4;1;rgb:ffff/0000/0000\x1b\\",
            "\x1b]52;c;aGVsbG8=\x07",
            "\x1b]11;no colour\x07",
            "\x1b]11;rgb:zz/00/00\x07",
            "\x1b]11;rgb:00000/00/00\x07",
            "\x1b]11;rgb:ff/ff",
            "\x1b]11;#",
        ] {
            assert_eq!(told(&[answer], true), Heard::default(), "{answer:?}");
        }
    }

    #[test]
    fn keys_that_only_look_like_a_beginning_are_given_back() {
        for typed in ["\x1b]", "\x1b]x", "\x1b]1q", "\x1b]12345", "\x1b];"] {
            for is_asked in [true, false] {
                let heard = told(&[typed], is_asked);
                assert_eq!(heard.keys, keys(&[typed]), "{typed:?}");
            }
        }
        for typed in [["\x1b", "x"], ["\x1b", "]"], ["\x1b", "\x1b"]] {
            assert_eq!(told(&typed, true).keys, keys(&typed), "{typed:?}");
        }
        // A key that no answer has in it ends one that came without an end.
        let mut typed = keys(&["\x1b]11;rgb:0"]);
        typed.push(KeyCode::Enter.into());
        let heard = hear(&typed, true, Duration::from_millis(1));
        assert_eq!(heard.keys, [KeyCode::Enter.into()]);
    }

    #[test]
    fn escape_is_a_key_at_once_where_no_answer_is_awaited() {
        let escape = || Input::Key(KeyCode::Esc.into());
        let mut replies = Replies::default();
        let now = Instant::now();
        assert_eq!(replies.hear(escape(), now).len(), 1);
        replies.expect(now);
        assert!(replies.hear(escape(), now).is_empty());
        assert_eq!(replies.patience(), TORN);
        let then = now + TORN;
        assert_eq!(replies.hear(Input::Tick(then), then).len(), 2);
        assert!(replies.is_due(Duration::from_secs(1), then));
        assert_eq!(replies.hear(escape(), now + AWAITED).len(), 1);
        assert!(!replies.is_due(Duration::from_secs(1), now + AWAITED));
    }

    #[test]
    fn colours_are_read_as_terminals_write_them() {
        for (written, expected) in [
            ("rgb:ffff/8080/0000", Some((255, 128, 0))),
            ("rgb:ff/80/00", Some((255, 128, 0))),
            ("rgb:f/8/0", Some((255, 136, 0))),
            ("rgba:ffff/8080/0000/ffff", Some((255, 128, 0))),
            ("#ff8000", Some((255, 128, 0))),
            ("#ff800", None),
            ("#", None),
            ("#é", None),
            ("rgb:ff/80", None),
            ("rgb:+f/80/00", None),
            ("red", None),
        ] {
            assert_eq!(color(written), expected, "{written}");
        }
    }

    proptest! {
        #[test]
        fn no_key_is_lost_and_none_is_made(typed in "[a-z0-9;:/\\]\x07]{0,40}", is_asked: bool) {
            // Without `ESC ]` there is no answer.
            let typed = keys(&[&typed]);
            let heard = hear(&typed, is_asked, Duration::from_millis(1));
            prop_assert_eq!(heard.keys, typed);
            prop_assert_eq!(heard.ground, None);
        }

        #[test]
        fn nothing_panics_and_keys_keep_their_order(chunks in proptest::collection::vec("[\x1b\\]\\\\;0-9a-f\x07]{0,8}", 0..6)) {
            let chunks: Vec<&str> = chunks.iter().map(String::as_str).collect();
            let typed = keys(&chunks);
            let heard = hear(&typed, true, Duration::from_millis(20));
            let mut rest = typed.iter();
            prop_assert!(heard.keys.iter().all(|key| rest.any(|t| t == key)));
        }
    }
}
