//! Reads the ranges of a state in the order of the file, while another thread works on what was
//! read before.

use std::io;
use std::ops::{self, ControlFlow};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;

use qcow2_snap::image::Extent;

use super::ranges::{MOST, Range, Window};
use super::{Ended, Reading};
use crate::sampling::Piece;

/// No more is read at once, and no read goes across a multiple of it: that is how a file is read
/// fastest. Every span is a multiple of it.
const CHUNK: u64 = 1 << 20;

/// How many bytes between two ranges are read along rather than left out by another read.
const GAP: u64 = 64 << 10;

/// How many chunks wait to be worked on at most.
const WAITING: usize = 8;

/// A part of the file that was read at once. It lies in one span.
#[derive(Debug)]
pub(super) struct Chunk {
    /// Where it starts in the file.
    pub offset: u64,
    /// What of it belongs to the state, in order.
    pub parts: Vec<Part>,
    /// Its bytes, without "copied" flags where these say nothing.
    pub bytes: io::Result<Vec<u8>>,
}

/// A part of a range that lies in one chunk.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    /// Where it starts in the file.
    pub offset: u64,
    /// Its length in bytes.
    pub length: u64,
    /// Where a range begins with it: the range's length, up to the end of the span.
    pub begins: Option<u64>,
    /// Whether it is of a level-2 table in which "copied" flags say nothing.
    has_flags: bool,
}

impl Chunk {
    /// The bytes of a part of it.
    pub(super) fn bytes_of<'a>(&self, part: &Part, bytes: &'a [u8]) -> &'a [u8] {
        part.place_in(self.offset).and_then(|place| bytes.get(place)).unwrap_or_default()
    }
}

impl Part {
    fn end(&self) -> u64 {
        self.offset + self.length
    }

    /// Where it is in what was read from `start` on.
    fn place_in(&self, start: u64) -> Option<ops::Range<usize>> {
        let from = usize::try_from(self.offset.checked_sub(start)?).ok()?;
        Some(from..from.checked_add(usize::try_from(self.length).ok()?)?)
    }
}

/// Calls `work` with every chunk, in the order of the file.
///
/// # Errors
/// Where the tables end it, or somebody.
pub(super) fn each_chunk(reading: &Reading<'_>, mut work: impl FnMut(&Chunk)) -> Result<(), Ended> {
    let (sender, chunks) = mpsc::sync_channel(WAITING);
    let (give_back, empty) = mpsc::channel();
    thread::scope(|scope| {
        let reader = scope.spawn(move || Reader { reading, sender, empty }.read());
        for chunk in chunks {
            work(&chunk);
            if let Ok(buffer) = chunk.bytes {
                // The reader may have come to its end.
                let _ = give_back.send(buffer);
            }
        }
        reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

struct Reader<'a> {
    reading: &'a Reading<'a>,
    sender: SyncSender<Chunk>,
    empty: Receiver<Vec<u8>>,
}

impl Reader<'_> {
    fn read(self) -> Result<(), Ended> {
        let (mut start, mut parts) = (Some(0), Vec::new());
        while let Some(from) = start {
            let (ranges, next) = self.window(from)?;
            for part in ranges.iter().flat_map(|range| self.parts(*range)) {
                let before = parts.last();
                if before.is_some_and(|before| !are_read_at_once(before, &part)) {
                    self.read_chunk(std::mem::take(&mut parts))?;
                }
                parts.push(part);
            }
            start = next;
        }
        self.read_chunk(parts)
    }

    /// Walks through the tables for the ranges from `start` on. Where these lead to more than
    /// they did once they are not followed on: they may go round in a circle.
    fn window(&self, start: u64) -> Result<(Vec<Range>, Option<u64>), Ended> {
        let Reading { state, file, size, allocated, span, stop, .. } = *self.reading;
        let mut window = Window::new(start, size, span, MOST);
        let (mut left, mut ended) = (allocated, None);
        let see = |extent: Extent| {
            let before_size = extent.length.min(size.saturating_sub(extent.offset));
            match left.checked_sub(before_size) {
                Some(rest) => left = rest,
                None => ended = Some(Ended::TooMuch),
            }
            if stop.is_due() {
                ended = Some(Ended::Stopped);
            }
            window.add(&extent, state.has_flags(extent.kind));
            if ended.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        state.each_extent(file, see).map_err(Ended::Unsound)?;
        ended.map_or_else(|| Ok(window.finish()), Err)
    }

    /// Cuts a range where chunks end.
    fn parts(&self, range: Range) -> impl Iterator<Item = Part> + use<> {
        let (span, has_flags) = (self.reading.span, range.has_flags);
        let (mut offset, mut begins) = (range.start, true);
        std::iter::from_fn(move || {
            let in_span = (span - offset % span).min(range.end.checked_sub(offset)?);
            let length = in_span.min(CHUNK - offset % CHUNK);
            let part = Part { offset, length, begins: begins.then_some(in_span), has_flags };
            (offset, begins) = (offset + length, length == in_span);
            (length > 0).then_some(part)
        })
    }

    fn read_chunk(&self, parts: Vec<Part>) -> Result<(), Ended> {
        if self.reading.stop.is_due() {
            return Err(Ended::Stopped);
        }
        let (Some(first), Some(last)) = (parts.first(), parts.last()) else { return Ok(()) };
        let piece = Piece { offset: first.offset, length: last.end() - first.offset };
        let mut buffer = self.empty.try_recv().unwrap_or_default();
        let result = self.reading.file.read(piece, &mut buffer);
        for part in parts.iter().filter(|part| part.has_flags) {
            let place = part.place_in(piece.offset);
            if let Some(table) = place.and_then(|place| buffer.get_mut(place)) {
                self.reading.state.clear_flags(table);
            }
        }
        let chunk = Chunk { offset: piece.offset, parts, bytes: result.map(|()| buffer) };
        // Nobody is there to receive it where working on another one panicked.
        self.sender.send(chunk).map_err(|_| Ended::Stopped)
    }
}

fn are_read_at_once(before: &Part, part: &Part) -> bool {
    before.offset / CHUNK == part.offset / CHUNK && part.offset - before.end() <= GAP
}
