//! The study's LeNet-5 with ReLU, and batch norm after each convolution's ReLU (in that order).

use super::parts::{conv, linear, max_pool, norm};
use super::{Blueprint, Definition};
use crate::layers::Activation::{None, Relu};
use crate::layers::{Flatten, Layer};
use crate::profile::Model;

pub(super) const ALL: &[Definition] = &[Definition::plain("modern-lenet", layers)];

fn layers(_: &Model, classes: usize) -> Blueprint {
    Blueprint::counted(vec![
        conv(8, 3, 1, Relu),
        norm(None),
        max_pool(2),
        conv(25, 5, 0, Relu),
        norm(None),
        conv(84, 4, 0, Relu),
        norm(None),
        max_pool(2),
        Layer::Flatten(Flatten {}),
        linear(120, Relu),
        linear(84, Relu),
        linear(classes, None),
    ])
}
