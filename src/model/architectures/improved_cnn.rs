//! Three 3×3 convolutions with batch norm, then a wide hidden layer with batch norm and dropout.

use super::parts::{conv, flat_norm, linear, max_pool, norm};
use super::{Blueprint, Definition};
use crate::layers::Activation::{None, Relu};
use crate::layers::{Dropout, Flatten, Layer};
use crate::profile::Model;

pub(super) const ALL: &[Definition] = &[Definition::plain("improved-cnn", layers)];

fn layers(_: &Model, classes: usize) -> Blueprint {
    Blueprint::counted(vec![
        conv(32, 3, 1, None),
        norm(Relu),
        conv(64, 3, 1, None),
        norm(Relu),
        max_pool(2),
        conv(128, 3, 1, None),
        norm(Relu),
        max_pool(2),
        Layer::Flatten(Flatten {}),
        linear(256, None),
        flat_norm(Relu),
        Layer::Dropout(Dropout { p: 0.5 }),
        linear(classes, None),
    ])
}
