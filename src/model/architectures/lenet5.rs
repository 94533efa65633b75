//! The study's LeNet-5: a first 3×3 convolution on 32×32 images and wider maps than the original, max pooling, tanh.

use super::parts::{conv, linear, max_pool};
use super::{Blueprint, Definition};
use crate::layers::Activation::{None, Tanh};
use crate::layers::{Flatten, Layer};
use crate::profile::Model;

pub(super) const ALL: &[Definition] = &[Definition::plain("lenet5", layers)];

fn layers(_: &Model, classes: usize) -> Blueprint {
    Blueprint::counted(vec![
        conv(8, 3, 1, Tanh),
        max_pool(2),
        conv(25, 5, 0, Tanh),
        conv(84, 4, 0, Tanh),
        max_pool(2),
        Layer::Flatten(Flatten {}),
        linear(120, Tanh),
        linear(84, Tanh),
        linear(classes, None),
    ])
}
