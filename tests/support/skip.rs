//! What cannot be tested here is said loudly: past the harness, which keeps to itself what a passing test prints.

use std::io::Write;

/// Says why a test does not test anything.
pub fn skipped(why: &str) {
    let _ = writeln!(std::io::stderr().lock(), "\nSKIPPED: {why}");
}
