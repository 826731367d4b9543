//! Which frame of a video file stands for a packet.

/// The frames of a video file. Some files have packets without a frame of their own: a hidden frame, the second field of
/// a frame, or a frame that cannot be decoded.
#[derive(Debug, PartialEq)]
pub(super) struct Shown {
    /// The number of frames.
    count: usize,
    /// The times of the frames and their numbers in the order of decoding, sorted by time.
    times: Vec<(i64, usize)>,
    /// Whether the decoder refuses a packet.
    pub(super) is_damaged: bool,
}

/// The frame for a packet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Choice {
    /// The frame, counted from 0 in the order of decoding.
    pub(super) number: usize,
    /// Whether it stands in for a frame that cannot be decoded.
    pub(super) is_replaced: bool,
}

impl Shown {
    /// At least one frame, with the times of the frames in the order of decoding.
    pub(super) fn new(times: &[Option<i64>], is_damaged: bool) -> Self {
        let numbered = times.iter().enumerate();
        let mut numbered: Vec<(i64, usize)> = numbered
            .filter_map(|(number, time)| Some(((*time)?, number)))
            .collect();
        numbered.sort_unstable();
        Self {
            count: times.len(),
            times: numbered,
            is_damaged,
        }
    }

    /// The frames for the packets at `indices`, each once and in order. `packets` has the times of all packets in order,
    /// or `None` where the order of decoding is all that is known. `are_timed` tells whether the file has all these times.
    ///
    /// The frames are those of torchcodec. It fails where the decoder refuses a packet, where a packet has no time, and
    /// where there are more packets than frames at the end of the file. Frames stand in there.
    pub(super) fn choose(
        &self,
        packets: Option<&[i64]>,
        are_timed: bool,
        indices: &[usize],
    ) -> Vec<Choice> {
        let Some(packets) = packets.filter(|_| !self.times.is_empty()) else {
            return indices.iter().map(|&index| self.nth(index)).collect();
        };
        let is_read = are_timed && !self.is_damaged;
        let read = is_read.then(|| self.read(packets, indices)).flatten();
        read.unwrap_or_else(|| {
            let choices = indices.iter().map(|&index| self.stand_in(packets, index));
            choices.collect()
        })
    }

    /// torchcodec's choice: after the packet before, the next frame; otherwise the first frame that is not earlier than
    /// the packet. `None` where it finds no frame.
    fn read(&self, packets: &[i64], indices: &[usize]) -> Option<Vec<Choice>> {
        // In AVI, times of decoding stand for times of presentation, and each frame is late.
        let is_early = |time| self.count < packets.len() && time < self.times[0].0;
        let mut next = (0, 0);
        let choose = |&index: &usize| {
            let number = match next {
                (next_index, next_number) if next_index == index => next_number,
                _ => self.from(packets[index]).first()?.1,
            };
            next = (index + 1, number + 1);
            (number < self.count).then_some(Choice {
                number,
                is_replaced: is_early(packets[index]),
            })
        };
        indices.iter().map(choose).collect()
    }

    /// The packet's own frame. If there is none, the last frame before it; in a file without damage, the next one.
    fn stand_in(&self, packets: &[i64], index: usize) -> Choice {
        let time = packets[index];
        let after = self.from(time);
        let before = &self.times[..self.times.len() - after.len()];
        // Packets at the same time have their frames in order.
        let place = index - packets.partition_point(|&other| other < time);
        let own = after.get(place).filter(|(shown, _)| *shown == time);
        let at_time = after
            .first()
            .filter(|(shown, _)| *shown == time || !self.is_damaged);
        let chosen = own.or(at_time).or(before.last()).or(after.first());
        Choice {
            number: chosen.map_or(0, |(_, number)| *number),
            is_replaced: own.is_none(),
        }
    }

    /// The frames that are not earlier than `time`.
    fn from(&self, time: i64) -> &[(i64, usize)] {
        let first = self.times.partition_point(|(shown, _)| *shown < time);
        &self.times[first..]
    }

    fn nth(&self, index: usize) -> Choice {
        Choice {
            number: index.min(self.count - 1),
            is_replaced: index >= self.count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(times: &[i64], is_damaged: bool) -> Shown {
        let times: Vec<_> = times.iter().copied().map(Some).collect();
        Shown::new(&times, is_damaged)
    }

    /// The numbers of the frames, and how many are replaced.
    fn choices(shown: &Shown, packets: &[i64], indices: &[usize]) -> (Vec<usize>, usize) {
        numbers(shown.choose(Some(packets), true, indices))
    }

    fn numbers(choices: Vec<Choice>) -> (Vec<usize>, usize) {
        let replaced = choices.iter().filter(|choice| choice.is_replaced);
        (
            choices.iter().map(|choice| choice.number).collect(),
            replaced.count(),
        )
    }

    #[test]
    fn a_hidden_packet_shows_the_next_frame() {
        // The packets at 11 and 31 are hidden.
        let (shown, packets) = (
            shown(&[0, 10, 20, 30, 40], false),
            [0, 10, 11, 20, 30, 31, 40],
        );
        assert_eq!(
            choices(&shown, &packets, &[0, 2, 4, 6]),
            (vec![0, 2, 3, 4], 0)
        );
        assert_eq!(choices(&shown, &packets, &[3, 5]), (vec![2, 4], 0));
        // torchcodec does not look at the times of consecutive packets.
        assert_eq!(
            choices(&shown, &packets, &[1, 2, 3, 6]),
            (vec![1, 2, 3, 4], 0)
        );
    }

    #[test]
    fn where_torchcodec_finds_no_frame_all_are_found_by_time() {
        let (shown, packets) = (shown(&[0, 10, 20], false), [0, 10, 10, 20]);
        let all = choices(&shown, &packets, &[0, 1, 2, 3]);
        assert_eq!(all, (vec![0, 1, 1, 2], 1));
        let late = choices(&shown, &[0, 10, 20, 30], &[0, 3]);
        assert_eq!(late, (vec![0, 2], 1));
    }

    #[test]
    fn the_frame_before_stands_in_for_a_refused_packet() {
        let (shown, packets) = (shown(&[0, 10, 30, 40], true), [0, 10, 20, 30, 40]);
        assert_eq!(choices(&shown, &packets, &[0, 2, 4]), (vec![0, 1, 3], 1));
        let all = choices(&shown, &packets, &[0, 1, 2, 3, 4]);
        assert_eq!(all, (vec![0, 1, 1, 2, 3], 1));
        let early = choices(&shown, &[-10, 0], &[0, 1]);
        assert_eq!(early, (vec![0, 0], 1));
    }

    #[test]
    fn the_first_frame_stands_in_for_packets_before_it() {
        let (shown, packets) = (shown(&[10, 20, 30], false), [1, 2, 10, 20, 30]);
        assert_eq!(choices(&shown, &packets, &[1, 3]), (vec![0, 1], 1));
        let untimed = [i64::MIN, i64::MIN, 10, 20, 30];
        let all = shown.choose(Some(&untimed), false, &[0, 1, 2, 3, 4]);
        assert_eq!(numbers(all), (vec![0, 0, 0, 1, 2], 2));
    }

    #[test]
    fn a_second_field_shows_the_frame_of_the_first() {
        let (shown, packets) = (shown(&[10, 20, 30], false), [10, 10, 20, 20, 30, 30]);
        let all = shown.choose(Some(&packets), false, &[0, 1, 2, 3, 4, 5]);
        assert_eq!(numbers(all), (vec![0, 0, 1, 1, 2, 2], 3));
    }

    #[test]
    fn frames_that_are_all_late_are_complete() {
        let (shown, packets) = (shown(&[1, 2, 3, 4], false), [0, 1, 2, 3]);
        assert_eq!(choices(&shown, &packets, &[0, 2]), (vec![0, 1], 0));
        assert_eq!(choices(&shown, &packets, &[0, 1, 2, 3]).1, 0);
    }

    #[test]
    fn without_times_the_order_decides() {
        let shown = Shown::new(&[None, None], false);
        let numbers = |packets: Option<&[i64]>| -> Vec<_> {
            let choices = shown.choose(packets, true, &[0, 1, 2]).into_iter();
            choices
                .map(|choice| (choice.number, choice.is_replaced))
                .collect()
        };
        let expected = [(0, false), (1, false), (1, true)];
        assert_eq!(numbers(None), expected);
        assert_eq!(numbers(Some(&[5, 6, 7])), expected);
    }

    #[test]
    fn frames_keep_their_numbers_in_the_order_of_decoding() {
        let unordered = Shown::new(&[Some(20), None, Some(10)], true);
        assert_eq!(choices(&unordered, &[10, 20], &[0, 1]), (vec![2, 0], 0));
    }
}
