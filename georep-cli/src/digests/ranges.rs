//! Which bytes of a file a state is made of, in the order of the file and in bounded memory.

use qcow2_snap::image::Extent;

/// How many ranges are held at once, more or less. An image has a few for each GiB, unless its
/// clusters are much scattered.
pub(super) const MOST: usize = 256 << 10;

/// Bytes that follow one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Range {
    pub start: u64,
    pub end: u64,
    /// A level-2 table in which "copied" flags say nothing.
    pub has_flags: bool,
}

/// The ranges that begin a file, from `start` on: as many as there is room for. What lies behind
/// them needs another walk through the tables.
#[derive(Debug)]
pub(super) struct Window {
    start: u64,
    end: u64,
    size: u64,
    span: u64,
    ranges: Vec<Range>,
    most: usize,
    room: usize,
}

impl Window {
    /// Takes in what lies from `start` on, where a span begins, and before `size`: the file of a
    /// running VM grows.
    pub(super) fn new(start: u64, size: u64, span: u64, most: usize) -> Self {
        Self { start, end: size, size, span, ranges: Vec::new(), most, room: 2 * most }
    }

    /// Takes in one more extent, in whatever order they come.
    pub(super) fn add(&mut self, extent: &Extent, has_flags: bool) {
        let start = extent.offset.max(self.start);
        let end = extent.offset.saturating_add(extent.length).min(self.end);
        if start >= end {
            return;
        }
        match self.ranges.last_mut() {
            Some(last) if last.end == start && last.has_flags == has_flags => last.end = end,
            _ => self.ranges.push(Range { start, end, has_flags }),
        }
        if self.ranges.len() >= self.room {
            self.join();
            self.cut();
            // What cannot be cut must not be looked at again with every extent.
            self.room = 2 * self.most.max(self.ranges.len());
        }
    }

    /// The ranges in the order of the file, without gap or overlap, and where the next window
    /// starts, if there is one.
    pub(super) fn finish(mut self) -> (Vec<Range>, Option<u64>) {
        self.join();
        (self.ranges, Some(self.end).filter(|&end| end < self.size))
    }

    fn join(&mut self) {
        self.ranges.sort_unstable();
        let mut joined: Vec<Range> = Vec::with_capacity(self.ranges.len());
        for &range in &self.ranges {
            match joined.last_mut() {
                Some(last) if range.end <= last.end => {}
                Some(last) if range.start <= last.end && range.has_flags == last.has_flags => {
                    last.end = range.end;
                }
                Some(&mut Range { end, .. }) => {
                    joined.push(Range { start: range.start.max(end), ..range });
                }
                None => joined.push(range),
            }
        }
        self.ranges = joined;
    }

    /// Gives up the ranges behind those that there is room for, whole spans of them.
    fn cut(&mut self) {
        let Some(first) = self.ranges.get(self.most) else { return };
        let end = first.start / self.span * self.span;
        if end <= self.start {
            return;
        }
        self.end = end;
        self.ranges.retain_mut(|range| {
            range.end = range.end.min(end);
            range.start < end
        });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use qcow2_snap::image::ExtentKind;

    use super::*;

    const SPAN: u64 = 64;
    const SIZE: u64 = 20_000;

    fn extent(offset: u64, length: u64) -> Extent {
        Extent { offset, length, kind: ExtentKind::Data }
    }

    /// All windows, one after the other.
    fn all(extents: &[(u64, u64, bool)], most: usize) -> (Vec<Range>, usize) {
        let (mut ranges, mut start, mut windows) = (Vec::new(), Some(0), 0);
        while let Some(from) = start {
            let mut window = Window::new(from, SIZE, SPAN, most);
            for &(offset, length, has_flags) in extents {
                window.add(&extent(offset, length), has_flags);
            }
            let (found, next) = window.finish();
            ranges.extend(found);
            (start, windows) = (next, windows + 1);
        }
        (ranges, windows)
    }

    #[test]
    fn neighbours_are_one_range_unless_they_are_of_another_kind() {
        let (ranges, _) =
            all(&[(30, 10, false), (10, 10, false), (20, 10, false), (40, 5, true)], 9);
        assert_eq!(
            ranges,
            [
                Range { start: 10, end: 40, has_flags: false },
                Range { start: 40, end: 45, has_flags: true }
            ]
        );
    }

    #[test]
    fn what_there_is_no_room_for_comes_in_the_next_window() {
        let extents: Vec<_> = (0..1000).rev().map(|n| (n * 16, 8, false)).collect();
        let (ranges, windows) = all(&extents, 20);
        assert_eq!(ranges.len(), 1000);
        assert!(windows > 10, "{windows}");
    }

    proptest! {
        #[test]
        fn every_byte_of_the_extents_comes_once_and_no_other_in_however_many_windows(
            extents in prop::collection::vec((0_u64..2000, 1_u64..100, any::<bool>()), 0..200),
            most in 1_usize..50,
        ) {
            let (ranges, _) = all(&extents, most);
            let mut covered = vec![false; 2200];
            for (offset, length, _) in extents {
                for byte in offset..offset + length {
                    covered[usize::try_from(byte).unwrap()] = true;
                }
            }
            let mut end = 0;
            for range in ranges {
                prop_assert!(end <= range.start && range.start < range.end);
                end = range.end;
                for byte in range.start..range.end {
                    let byte = &mut covered[usize::try_from(byte).unwrap()];
                    prop_assert!(std::mem::replace(byte, false));
                }
            }
            prop_assert!(!covered.contains(&true));
        }
    }
}
