//! Images that lie on the disk are read before they are asked for.
//!
//! Whoever trains says in which order it will ask; a few threads read ahead of it, as far as there is room. An image
//! that is not there yet is waited for or read on the spot, so that only the time depends on them, never the images.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Dataset;
use crate::error::{Error, Result};

/// Threads that read. They wait for the disk nearly all the time, and a disk answers several of them at once.
const READERS: usize = 4;

/// What may be read and not yet asked for; at least [`LEAST`] images. **Units** bytes.
const ROOM: usize = 32 << 20;
const LEAST: usize = 512;

const NOWHERE: usize = usize::MAX;

/// What reading the images of a set ahead takes at most; nothing where they are in memory.
///
/// **Units** bytes.
#[must_use]
pub(crate) fn room(dataset: &Dataset) -> u64 {
    let [channels, height, width] = dataset.shape();
    if dataset.is_in_memory() {
        return 0;
    }
    ROOM.max(LEAST * channels * height * width) as u64
}

/// Reads the images of a data set ahead.
#[derive(Debug)]
pub(crate) struct ReadAhead {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    dataset: Arc<Dataset>,
    state: Mutex<State>,
    /// There is room, or something new to read.
    wanted: Condvar,
    /// An image has been read, or cannot be.
    arrived: Condvar,
    /// **Units** bytes.
    room: usize,
    /// Summed over the threads that asked. **Units** nanoseconds.
    waited: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    /// Pooled indices in the order in which they will be asked for.
    order: Vec<u32>,
    /// How many of them may be asked for at the same time.
    at_once: usize,
    /// The place in the order that is read next.
    next: usize,
    /// Of each image its place in the order, and [`NOWHERE`] once it has been asked for.
    places: Vec<usize>,
    /// By place: being read (`None`), or read and not asked for yet.
    images: BTreeMap<usize, Option<Vec<u8>>>,
    /// Of images that were asked for, to be used again: memory that comes and goes would stop the threads of the step.
    spare: Vec<Vec<u8>>,
    /// Bytes of `images`.
    held: usize,
    /// Whether the readers rest until half the room is free again.
    is_full: bool,
    /// Counts the orders; what was read for an older one is dropped.
    number: u64,
    is_over: bool,
}

impl ReadAhead {
    /// Starts the threads.
    ///
    /// # Errors
    /// `Compute` when a thread cannot be started.
    pub(crate) fn new(dataset: Arc<Dataset>) -> Result<Self> {
        let state = State {
            places: vec![NOWHERE; dataset.len()],
            ..State::default()
        };
        let room = usize::try_from(room(&dataset)).unwrap_or(usize::MAX);
        let shared = Arc::new(Shared {
            dataset,
            room,
            state: Mutex::new(state),
            wanted: Condvar::new(),
            arrived: Condvar::new(),
            waited: AtomicU64::new(0),
        });
        let ahead = Self { shared };
        for _ in 0..READERS {
            let shared = Arc::clone(&ahead.shared);
            std::thread::Builder::new()
                .name("reading ahead".into())
                .spawn(move || shared.read_on())
                .map_err(|e| Error::compute("starting a thread to read images", e))?;
        }
        Ok(ahead)
    }

    /// Says that these pooled indices will be asked for next, in this order but for those that are asked for at once;
    /// what was said before is forgotten. Some may be left out: then they have been read in vain.
    ///
    /// # Panics
    /// When an index is not below the data set's length.
    pub(crate) fn expect(&self, indices: &[u32], at_once: usize) {
        let mut state = self.shared.lock();
        let state = &mut *state;
        state.number += 1;
        state.images.clear();
        (state.held, state.is_full, state.next) = (0, false, 0);
        state.at_once = at_once;
        state.places.fill(NOWHERE);
        for (place, index) in indices.iter().enumerate() {
            state.places[*index as usize] = place;
        }
        state.order.clear();
        state.order.extend(indices);
        self.shared.wanted.notify_all();
    }

    /// As [`Dataset::read`].
    ///
    /// # Errors
    /// As [`Dataset::read`].
    ///
    /// # Panics
    /// As [`Dataset::read`].
    pub(crate) fn read(&self, index: usize, out: &mut [u8]) -> Result<()> {
        let shared = &self.shared;
        let mut state = shared.lock();
        let mut begun = None;
        while let Some(None) = state.images.get(&state.places[index]) {
            begun.get_or_insert_with(Instant::now);
            let woken = shared.arrived.wait(state);
            state = woken.unwrap_or_else(PoisonError::into_inner);
        }
        let found = shared.take(&mut state, index);
        let read = if let Some(image) = found {
            out.copy_from_slice(&image);
            state.spare.push(image);
            drop(state);
            Ok(())
        } else {
            drop(state);
            begun.get_or_insert_with(Instant::now);
            shared.dataset.read(index, out)
        };
        if let Some(begun) = begun {
            let nanos = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
            shared.waited.fetch_add(nanos, Ordering::Relaxed);
        }
        read
    }

    /// Time spent waiting for images since it began, summed over the threads that asked.
    pub(crate) fn waited(&self) -> Duration {
        Duration::from_nanos(self.shared.waited.load(Ordering::Relaxed))
    }
}

impl Drop for ReadAhead {
    /// The threads end by themselves, after the image they are reading.
    fn drop(&mut self) {
        self.shared.lock().is_over = true;
        self.shared.wanted.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes of the image at a place in the order.
    fn len(&self, state: &State, place: usize) -> usize {
        let (height, width) = self.dataset.size(state.order[place] as usize);
        self.dataset.channels * height * width
    }

    /// Gives an image that has been read, drops what nobody will ask for any more, and lets the readers go on.
    fn take(&self, state: &mut State, index: usize) -> Option<Vec<u8>> {
        let place = std::mem::replace(&mut state.places[index], NOWHERE);
        if place == NOWHERE {
            return None;
        }
        let found = state.images.remove(&place).flatten();
        if found.is_some() {
            state.held -= self.len(state, place);
        }
        let past = place.saturating_sub(state.at_once);
        state.next = state.next.max(past);
        while let Some(entry) = state.images.first_entry()
            && *entry.key() < past
        {
            let (place, _) = entry.remove_entry();
            state.held -= self.len(state, place);
        }
        if state.is_full && state.held <= self.room / 2 {
            state.is_full = false;
            self.wanted.notify_all();
        }
        found
    }

    /// Reads what is wanted next, for as long as somebody may want it.
    fn read_on(&self) {
        let mut state = self.lock();
        while !state.is_over {
            let place = state.next;
            let wanted = state.order.get(place).filter(|_| !state.is_full);
            let Some(index) = wanted.map(|index| *index as usize) else {
                let woken = self.wanted.wait(state);
                state = woken.unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            state.next += 1;
            if state.places[index] != place {
                continue;
            }
            let (number, len) = (state.number, self.len(&state, place));
            state.images.insert(place, None);
            state.held += len;
            state.is_full = state.held >= self.room;
            let mut image = state.spare.pop().unwrap_or_default();
            drop(state);

            image.resize(len, 0);
            let read = self.dataset.read(index, &mut image);

            state = self.lock();
            let is_wanted = state.number == number && state.images.contains_key(&place);
            if is_wanted && read.is_ok() {
                state.images.insert(place, Some(image));
            } else if is_wanted {
                // Whoever asks for it reads it again, and hears what is wrong.
                state.images.remove(&place);
                state.held -= len;
            }
            self.arrived.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::data::testing;

    fn set(images: usize) -> Arc<Dataset> {
        let sizes: Vec<(usize, usize)> = (0..images).map(|i| (3 + i % 4, 5)).collect();
        Arc::new(testing::lazy(&sizes))
    }

    fn check(ahead: &ReadAhead, set: &Dataset, index: u32) {
        let index = index as usize;
        let expected = set.image(index).unwrap();
        let mut image = vec![0; expected.len()];
        ahead.read(index, &mut image).unwrap();
        assert_eq!(image, expected);
    }

    proptest! {
        /// Orders with repeats, asked for in them or otherwise, by one thread or two, left in the middle.
        #[test]
        fn whatever_is_expected_each_image_is_itself(
            orders in prop::collection::vec(
                (prop::collection::vec(0_u32..40, 0..60), prop::collection::vec(0_u32..40, 0..20)),
                1..5,
            ),
            threads in 1_usize..3,
        ) {
            let set = set(40);
            let ahead = ReadAhead::new(Arc::clone(&set)).unwrap();
            for (order, others) in &orders {
                ahead.expect(order, 8);
                let asked: Vec<u32> = order.iter().chain(others).copied().collect();
                std::thread::scope(|scope| {
                    for first in 0..threads {
                        let own = asked.iter().skip(first).step_by(threads);
                        let (ahead, set) = (&ahead, &set);
                        scope.spawn(move || own.for_each(|index| check(ahead, set, *index)));
                    }
                });
            }
            let state = ahead.shared.lock();
            let held: usize = state.images.keys().map(|place| ahead.shared.len(&state, *place)).sum();
            prop_assert_eq!(state.held, held);
        }
    }

    #[test]
    fn no_more_is_read_than_there_is_room_for() {
        let set = Arc::new(testing::lazy(&vec![(100, 100); 1_300]));
        let ahead = ReadAhead::new(Arc::clone(&set)).unwrap();
        let order: Vec<u32> = (0..1_300).collect();
        ahead.expect(&order, 1);
        let len = 3 * 100 * 100;
        let most = ahead.shared.room + READERS * len;
        for index in &order {
            check(&ahead, &set, *index);
            assert!(ahead.shared.lock().held <= most);
        }
        let state = ahead.shared.lock();
        assert_eq!((state.held, state.images.len(), state.next), (0, 0, 1_300));
    }

    /// As where the features of most images are cached.
    #[test]
    fn what_is_left_out_does_not_stand_in_the_way() {
        let set = Arc::new(testing::lazy(&vec![(100, 100); 3_000]));
        let ahead = ReadAhead::new(Arc::clone(&set)).unwrap();
        let order: Vec<u32> = (0..3_000).collect();
        ahead.expect(&order, 4);
        for index in order.iter().step_by(100) {
            check(&ahead, &set, *index);
        }
        let state = ahead.shared.lock();
        assert!(state.images.keys().all(|place| *place >= 2_896));
    }

    #[test]
    fn what_cannot_be_read_is_an_error_when_it_is_asked_for() {
        let set = Arc::new(testing::unreadable(&[(4, 4), (4, 4), (4, 4)], 1));
        let ahead = ReadAhead::new(Arc::clone(&set)).unwrap();
        for _ in 0..2 {
            ahead.expect(&[0, 1, 2], 1);
            check(&ahead, &set, 0);
            let error = ahead.read(1, &mut [0; 48]).unwrap_err().to_string();
            assert!(error.contains("image 1"), "{error}");
            check(&ahead, &set, 2);
        }
    }

    #[test]
    fn only_waiting_is_counted() {
        let set = set(3);
        let ahead = ReadAhead::new(Arc::clone(&set)).unwrap();
        ahead.expect(&[0, 1, 2], 1);
        while ahead.shared.lock().images.values().flatten().count() < 3 {
            std::thread::yield_now();
        }
        (0..3).for_each(|index| check(&ahead, &set, index));
        assert_eq!(ahead.waited(), Duration::ZERO);
        check(&ahead, &set, 0);
        assert!(ahead.waited() > Duration::ZERO);
    }
}
