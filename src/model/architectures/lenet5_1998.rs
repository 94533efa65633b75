//! LeCun, Bottou, Bengio, Haffner 1998: C1, S2, C3 (fully connected to S2), S4, C5, F6 and a linear output.
//!
//! S2 and S4 average without the original's trained factor and bias; the output is linear instead of radial basis
//! functions.

use super::parts::{avg_pool, conv, linear};
use super::{Blueprint, Definition};
use crate::layers::Activation::{None, Tanh};
use crate::layers::{Flatten, Layer};
use crate::profile::Model;

pub(super) const ALL: &[Definition] = &[Definition::plain("lenet5-1998", layers)];

fn layers(_: &Model, classes: usize) -> Blueprint {
    Blueprint::counted(vec![
        conv(6, 5, 2, Tanh),
        avg_pool(2),
        conv(16, 5, 0, Tanh),
        avg_pool(2),
        conv(120, 5, 0, Tanh),
        Layer::Flatten(Flatten {}),
        linear(84, Tanh),
        linear(classes, None),
    ])
}
