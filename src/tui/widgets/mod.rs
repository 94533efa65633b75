//! Pieces several tabs draw with.
