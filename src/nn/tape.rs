//! A record of the operations of a forward pass, to go back along without the zero-fill and the addition that Candle's
//! own backward pass spends on every edge: the first gradient to arrive at a tensor is taken as it is.
//!
//! The operations are Candle's custom operations and stay in Candle's graph too, so both ways back give the same bits.
//! Deliberately knows nothing of what the operations compute.

use std::cell::RefCell;
use std::sync::Arc;

use candle_core::backprop::GradStore;
use candle_core::{CustomOp1, CustomOp2, CustomOp3, Result, Shape, Tensor};

type Op1 = Arc<Box<dyn CustomOp1 + Send + Sync>>;
type Op2 = Arc<Box<dyn CustomOp2 + Send + Sync>>;
type Op3 = Arc<Box<dyn CustomOp3 + Send + Sync>>;

/// Where the layers of this room write down what they did; switched off it records nothing.
#[derive(Default)]
pub struct Tape(Option<RefCell<Vec<Record>>>);

/// One tensor and how it was made.
struct Record {
    made: Tensor,
    from: Origin,
}

enum Origin {
    One(Tensor, Op1),
    Two(Tensor, Tensor, Op2),
    Three(Tensor, Tensor, Tensor, Op3),
    Sum(Tensor, Tensor),
    /// The same numbers in another shape or order of storage.
    Same(Tensor),
}

impl Tape {
    /// A tape that records.
    #[must_use]
    pub fn on() -> Self {
        Self(Some(RefCell::default()))
    }

    /// A tape that records nothing: for evaluation, and where Candle goes back by itself.
    #[must_use]
    pub fn off() -> Self {
        Self(None)
    }

    pub(super) fn op1(
        &self,
        x: &Tensor,
        op: impl CustomOp1 + Send + Sync + 'static,
    ) -> Result<Tensor> {
        let x = self.contiguous(x)?;
        let op: Op1 = Arc::new(Box::new(op));
        let made = x.apply_op1_arc(Arc::clone(&op))?;
        Ok(self.keep(made, || Origin::One(x, op)))
    }

    pub(super) fn op2(
        &self,
        x: &Tensor,
        w: &Tensor,
        op: impl CustomOp2 + Send + Sync + 'static,
    ) -> Result<Tensor> {
        let (x, w) = (self.contiguous(x)?, self.contiguous(w)?);
        let op: Op2 = Arc::new(Box::new(op));
        let made = x.apply_op2_arc(&w, Arc::clone(&op))?;
        Ok(self.keep(made, || Origin::Two(x, w, op)))
    }

    pub(super) fn op3(
        &self,
        x: &Tensor,
        w: &Tensor,
        b: &Tensor,
        op: impl CustomOp3 + Send + Sync + 'static,
    ) -> Result<Tensor> {
        let (x, w, b) = (
            self.contiguous(x)?,
            self.contiguous(w)?,
            self.contiguous(b)?,
        );
        let op: Op3 = Arc::new(Box::new(op));
        let made = x.apply_op3_arc(&w, &b, Arc::clone(&op))?;
        Ok(self.keep(made, || Origin::Three(x, w, b, op)))
    }

    /// a + b.
    ///
    /// # Errors
    /// When the shapes differ or the device fails.
    pub fn add(&self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        let made = (a + b)?;
        Ok(self.keep(made, || Origin::Sum(a.clone(), b.clone())))
    }

    /// The same numbers in another shape.
    ///
    /// # Errors
    /// When the counts differ or the device fails.
    pub fn reshape(&self, x: &Tensor, shape: impl Into<Shape>) -> Result<Tensor> {
        let x = self.contiguous(x)?;
        let made = x.reshape(shape.into())?;
        Ok(self.keep(made, || Origin::Same(x)))
    }

    fn contiguous(&self, x: &Tensor) -> Result<Tensor> {
        if x.is_contiguous() {
            return Ok(x.clone());
        }
        let made = x.contiguous()?;
        Ok(self.keep(made, || Origin::Same(x.clone())))
    }

    fn keep(&self, made: Tensor, from: impl FnOnce() -> Origin) -> Tensor {
        if let Some(records) = self.0.as_ref().filter(|_| made.track_op()) {
            records.borrow_mut().push(Record {
                made: made.clone(),
                from: from(),
            });
        }
        made
    }

    /// The gradients of `loss`, a single number, to everything it was made from.
    ///
    /// Everything between the parameters and `loss` must have been done on this tape, or the tape be off.
    ///
    /// # Errors
    /// When an operation has no gradient or the device fails.
    pub fn backward(self, loss: Tensor) -> Result<GradStore> {
        let Some(records) = self.0 else {
            return loss.backward();
        };
        let mut store = GradStore::default();
        let seed = loss.ones_like()?;
        store.insert(&loss, seed);
        drop(loss);
        let mut records = records.into_inner();
        // Each record is dropped once it is used, and with it the tensors nobody needs any more.
        while let Some(Record { made, from }) = records.pop() {
            let Some(dy) = store.remove(&made) else {
                continue;
            };
            match from {
                Origin::One(x, op) => arrive(&mut store, &x, op.bwd(&x, &made, &dy)?)?,
                Origin::Two(x, w, op) => {
                    let (dx, dw) = op.bwd(&x, &w, &made, &dy)?;
                    arrive(&mut store, &w, dw)?;
                    arrive(&mut store, &x, dx)?;
                }
                Origin::Three(x, w, b, op) => {
                    let (dx, dw, db) = op.bwd(&x, &w, &b, &made, &dy)?;
                    arrive(&mut store, &w, dw)?;
                    arrive(&mut store, &b, db)?;
                    arrive(&mut store, &x, dx)?;
                }
                Origin::Sum(a, b) => {
                    arrive(&mut store, &a, Some(dy.clone()))?;
                    arrive(&mut store, &b, Some(dy))?;
                }
                Origin::Same(x) => arrive(&mut store, &x, Some(dy.reshape(x.shape())?))?,
            }
        }
        Ok(store)
    }
}

/// Adds a gradient to what has arrived at `x` so far.
fn arrive(store: &mut GradStore, x: &Tensor, gradient: Option<Tensor>) -> Result<()> {
    if let Some(gradient) = gradient.filter(|_| x.track_op()) {
        let sum = match store.remove(x) {
            Some(before) => (before + gradient)?,
            None => gradient,
        };
        store.insert(x, sum);
    }
    Ok(())
}
