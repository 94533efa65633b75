//! Pieces several tabs draw with.

pub mod canvas;
pub mod fit;
pub mod input;
pub mod picture;
