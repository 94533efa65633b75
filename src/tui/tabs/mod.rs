//! One file or folder per tab.

pub mod confusion;

mod mistakes;
mod timeline;

#[cfg(test)]
mod testing;
