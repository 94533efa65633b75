//! Every combination once. Parameters that are not used are no axis of the grid there.

use crate::error::{Error, Result};
use crate::rng::{Purpose, Stream};
use crate::search::distribution::{Distribution, to_f64};
use crate::search::space::{Point, Space};

/// The most combinations of a grid.
const LARGEST: usize = 1_000_000;

/// The combination that a trial tries; none where all are used up.
pub(super) fn propose(space: &Space, seed: u64, number: usize) -> Result<Option<Point>> {
    let points = points(space)?;
    let mut order: Vec<usize> = (0..points.len()).collect();
    Stream::new(seed, Purpose::Search, u64::MAX).shuffle(&mut order);
    Ok(order.get(number).map(|at| points[*at].clone()))
}

/// How many combinations there are.
///
/// # Errors
/// `Input` naming a parameter whose values cannot be counted, or that there are too many.
pub(crate) fn size(space: &Space) -> Result<usize> {
    points(space).map(|points| points.len())
}

fn points(space: &Space) -> Result<Vec<Point>> {
    let mut points = vec![Point::new()];
    for (at, parameter) in space.parameters.iter().enumerate() {
        let values = values(&parameter.distribution).ok_or_else(|| {
            Error::input(
                &*parameter.name,
                "takes any number, and a grid needs some of them",
                "give its `step` or a list of values, or use another sampler",
            )
        })?;
        let mut next = Vec::new();
        for point in points {
            if space.is_used(at, &point) {
                for value in &values {
                    let mut point = point.clone();
                    point.push(Some(*value));
                    next.push(point);
                }
            } else {
                let mut point = point;
                point.push(None);
                next.push(point);
            }
            if next.len() > LARGEST {
                return Err(Error::input(
                    "sweep.sampler",
                    format!("is `grid`, of more than {LARGEST} combinations"),
                    "take larger steps or fewer values, or use another sampler",
                ));
            }
        }
        points = next;
    }
    Ok(points)
}

fn values(distribution: &Distribution) -> Option<Vec<f64>> {
    match distribution {
        Distribution::Choice(choices) => Some((0..choices.len() as u64).map(to_f64).collect()),
        Distribution::Number(range) if range.low >= range.high => Some(vec![range.low]),
        Distribution::Number(range) => {
            let count = range.count()?.min(LARGEST as u64 + 1);
            Some((0..count).map(|at| range.nth(at)).collect())
        }
    }
}
