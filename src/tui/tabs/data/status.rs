//! What is being done about a data set, or what went wrong; it stands where the set's place stands else.

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Status {
    #[default]
    Idle,
    /// Under way.
    Doing(String),
    /// Stays until it is dismissed.
    Failed(String),
}

impl Status {
    /// Says what is under way; nothing is, where that is empty.
    pub(super) fn begin(&mut self, words: String) {
        *self = if words.is_empty() {
            Self::Idle
        } else {
            Self::Doing(words)
        };
    }

    pub(super) fn fail(&mut self, words: String) {
        *self = Self::Failed(words);
    }

    pub(super) fn end(&mut self) {
        *self = Self::Idle;
    }

    /// Takes a failure away; false where there is none.
    pub(super) fn dismiss(&mut self) -> bool {
        let is_failed = matches!(self, Self::Failed(_));
        if is_failed {
            self.end();
        }
        is_failed
    }

    /// Empty where nothing is to be said.
    pub(super) fn words(&self) -> &str {
        match self {
            Self::Idle => "",
            Self::Doing(words) | Self::Failed(words) => words,
        }
    }

    pub(super) fn is_failed(&self) -> bool {
        matches!(self, Self::Failed(_))
    }
}
