//! Memory for values that are needed until a weight is packed.

use std::sync::{Arc, Mutex, PoisonError};

use memmap2::MmapMut;

/// Bytes from which on a room is asked for apart.
const APART: usize = 128 << 10;
/// A gated MLP packs two weights together.
const AT_ONCE: usize = 2;

/// Rooms that are lent and come back, so that one tensor's values lie where the last one's were: fresh memory takes longer
/// to come, cleared page by page, than all the rest of loading. They are apart from the allocator's, where they would leave
/// holes between the weights made of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rooms(Arc<Mutex<Vec<MmapMut>>>);

/// A room in use.
pub(crate) struct Lent {
    /// There until it is dropped.
    room: Option<MmapMut>,
    len: usize,
    rooms: Rooms,
}

impl Rooms {
    /// A room of `len` bytes, whose values are whatever was there; none for few bytes, which the allocator has.
    pub(crate) fn lend(&self, len: usize) -> Option<Lent> {
        if len < APART {
            return None;
        }
        let room = self.kept(len).or_else(|| MmapMut::map_anon(len).ok());
        let rooms = self.clone();
        room.is_some().then_some(Lent { room, len, rooms })
    }

    /// One that came back, of about this size. If none is, they are too small, or take memory for nothing.
    fn kept(&self, len: usize) -> Option<MmapMut> {
        let mut rooms = self.lock();
        let fits = |room: &MmapMut| (len..=2 * len).contains(&room.len());
        match rooms.iter().position(fits) {
            Some(index) => Some(rooms.swap_remove(index)),
            None => {
                rooms.clear();
                None
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<MmapMut>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lent {
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        let room = self.room.as_mut().expect("it is not dropped");
        &mut room[..self.len]
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        let room = self.room.as_ref().expect("it is not dropped");
        &room[..self.len]
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut rooms = self.rooms.lock();
        if rooms.len() < AT_ONCE {
            rooms.extend(self.room.take());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_comes_back_for_values_of_about_its_size() {
        let rooms = Rooms::default();
        let place = |room: &Lent| room.as_ref().as_ptr();
        let first = rooms.lend(300_000).unwrap();
        let (first_place, len) = (place(&first), first.as_ref().len());
        assert_eq!(len, 300_000);
        let second = rooms.lend(300_000).unwrap();
        assert_ne!(place(&second), first_place);
        drop(first);
        let smaller = rooms.lend(200_000).unwrap();
        assert_eq!(
            (place(&smaller), smaller.as_ref().len()),
            (first_place, 200_000)
        );
        drop((smaller, second));
        assert_eq!(rooms.lock().len(), 2);
        // Too large for the next: it is given back to the system.
        drop(rooms.lend(140_000).unwrap());
        assert_eq!(rooms.lock().len(), 1);
    }

    #[test]
    fn few_bytes_are_the_allocators() {
        assert!(Rooms::default().lend(1000).is_none());
    }
}
