//! Where printed lines go. A closed pipe is an error here, never a panic.

use std::fmt::Display;
use std::io::{self, Write};

use crate::error::{Error, Result};
use crate::run::signals::writing;

/// A place for lines.
pub struct Output {
    out: Box<dyn Write + Send>,
}

impl Output {
    /// Standard output.
    #[must_use]
    pub fn standard() -> Self {
        Self::to(Box::new(io::stdout()))
    }

    #[must_use]
    pub fn to(out: Box<dyn Write + Send>) -> Self {
        Self { out }
    }

    /// Prints a line.
    ///
    /// # Errors
    /// `Io` when it cannot be written.
    pub fn line(&mut self, text: impl Display) -> Result<()> {
        self.raw(&format!("{text}\n"))
    }

    /// Prints text as it is, in one write.
    ///
    /// # Errors
    /// `Io` when it cannot be written.
    pub fn raw(&mut self, text: &str) -> Result<()> {
        writing(|| {
            self.out
                .write_all(text.as_bytes())
                .and_then(|()| self.out.flush())
        })
        .map_err(|e| Error::io("write", STANDARD_OUTPUT, e))
    }
}

const STANDARD_OUTPUT: &str = "standard output";

/// Whether the error says that nobody reads standard output any more: its pipe is closed, its terminal is gone.
#[must_use]
pub fn is_hung_up(error: &Error) -> bool {
    matches!(error, Error::Io { path, source, .. }
        if path.as_os_str() == STANDARD_OUTPUT && is_gone(source))
}

fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe
        || error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error())
}

/// Says something aside, on standard error; nobody listening is no problem.
pub fn notice(text: impl Display) {
    let _ = writing(|| writeln!(io::stderr(), "{text}"));
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Keeps what was printed.
    #[derive(Clone, Default)]
    pub struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Kept {
        pub fn output(&self) -> Output {
            Output::to(Box::new(self.clone()))
        }

        pub fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_closed_pipe_is_told_from_other_errors() {
        let hung_up = Error::io("write", STANDARD_OUTPUT, io::ErrorKind::BrokenPipe.into());
        assert!(is_hung_up(&hung_up));
        let gone = io::Error::from(rustix::io::Errno::IO);
        assert!(is_hung_up(&Error::io("write", STANDARD_OUTPUT, gone)));
        let full = Error::io("write", STANDARD_OUTPUT, io::ErrorKind::StorageFull.into());
        assert!(!is_hung_up(&full));
    }
}
