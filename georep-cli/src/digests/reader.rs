//! Reads and digests the spans of a file, several at the same time.
//!
//! Reading waits for the network, and for a client and bricks that want the processor as well; a
//! digest wants the processor. Side by side neither waits for the other.

use std::collections::BTreeMap;
use std::io;
use std::ops::{self, ControlFlow};
use std::sync::mpsc::{self, Sender};
use std::sync::{Mutex, PoisonError};
use std::thread;

use qcow2_snap::image::Extent;
use sha2::{Digest, Sha256};

use super::ranges::{MOST, Range, Window};
use super::{Ended, Reading};
use crate::image_file::{ImageFile, hex};
use crate::sampling::Piece;

/// How many spans are worked on at the same time.
const WORKERS: usize = 4;

/// No more is read at once, and no read goes across a multiple of it: that is how a file is read
/// fastest.
const CHUNK: u64 = 1 << 20;

/// How many bytes between two ranges are read along rather than left out by another read.
const GAP: u64 = 64 << 10;

/// What a worker tells.
enum Event {
    /// So many bytes of the state have been read.
    Read(u64),
    /// A span is done.
    Span(u64, io::Result<String>),
}

/// Calls `see` with the number and the digest of each span, in order, and `read` with the number of
/// bytes of the state after every read.
///
/// # Errors
/// Where the tables end it, or somebody.
pub(super) fn each_span(
    reading: &Reading<'_>,
    mut read: impl FnMut(u64),
    mut see: impl FnMut(u64, io::Result<String>),
) -> Result<(), Ended> {
    let plan = Mutex::new(Plan::new(reading));
    let (sender, events) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            let (plan, sender) = (&plan, sender.clone());
            scope.spawn(move || work(reading, plan, &sender));
        }
        // The events end when the last worker does.
        drop(sender);
        let (mut early, mut next) = (BTreeMap::new(), 0);
        for event in events {
            match event {
                Event::Read(bytes) => read(bytes),
                Event::Span(number, digest) => drop(early.insert(number, digest)),
            }
            while let Some(digest) = early.remove(&next) {
                see(next, digest);
                next += 1;
            }
        }
    });
    let ended = plan.into_inner().unwrap_or_else(PoisonError::into_inner).ended;
    ended.map_or(Ok(()), Err)
}

/// Works on one span after the other, until there is none or it is ended. Its file is its own: the
/// system foresees what a file is read for by what was read through it before.
fn work(reading: &Reading<'_>, plan: &Mutex<Plan<'_>>, events: &Sender<Event>) {
    let file = reading.file.again();
    let mut buffer = Vec::new();
    loop {
        let mut all = plan.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((number, ranges)) = all.next() else { return };
        drop(all);
        let result = match &file {
            Ok(file) => digest(reading, file, &ranges, &mut buffer, events),
            Err(error) => Err(same(error)),
        };
        // Nobody listens any more where hearing of another one panicked.
        if events.send(Event::Span(number, result)).is_err() {
            return;
        }
    }
}

/// The digest of the ranges of one span.
fn digest(
    reading: &Reading<'_>,
    file: &ImageFile,
    ranges: &[Range],
    buffer: &mut Vec<u8>,
    events: &Sender<Event>,
) -> io::Result<String> {
    let mut digest = Sha256::new();
    let mut parts = ranges.iter().copied().flat_map(parts).peekable();
    let mut chunk = Vec::new();
    while let Some(part) = parts.next() {
        chunk.push(part);
        if parts.peek().is_some_and(|next| are_read_at_once(&part, next)) {
            continue;
        }
        let start = chunk.first().map_or(part.offset, |first| first.offset);
        file.read(Piece { offset: start, length: part.end() - start }, buffer)?;
        for part in &chunk {
            let place = part.place_in(start).and_then(|place| buffer.get_mut(place));
            let bytes = place.unwrap_or_default();
            if part.has_flags {
                reading.state.clear_flags(bytes);
            }
            if let Some(length) = part.begins {
                digest.update(part.offset.to_be_bytes());
                digest.update(length.to_be_bytes());
            }
            digest.update(bytes);
        }
        // See above.
        let _ = events.send(Event::Read(chunk.drain(..).map(|part| part.length).sum()));
        if reading.stop.is_due() {
            return Err(io::ErrorKind::Interrupted.into());
        }
    }
    Ok(hex(&digest.finalize()))
}

/// A part of a range that is read at once.
#[derive(Debug, Clone, Copy)]
struct Part {
    offset: u64,
    length: u64,
    /// The length of the range, where it begins with this.
    begins: Option<u64>,
    has_flags: bool,
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

/// Cuts a range where chunks end.
fn parts(range: Range) -> impl Iterator<Item = Part> {
    let Range { start, end, has_flags } = range;
    let mut offset = start;
    std::iter::from_fn(move || {
        let length = end.checked_sub(offset)?.min(CHUNK - offset % CHUNK);
        let begins = (offset == start).then_some(end - start);
        let part = Part { offset, length, begins, has_flags };
        offset += length;
        (length > 0).then_some(part)
    })
}

fn are_read_at_once(before: &Part, part: &Part) -> bool {
    before.offset / CHUNK == part.offset / CHUNK && part.offset - before.end() <= GAP
}

/// The error once more.
fn same(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

/// The spans that are still to be worked on.
struct Plan<'a> {
    reading: &'a Reading<'a>,
    number: u64,
    ranges: std::iter::Peekable<std::vec::IntoIter<Range>>,
    /// Where the ranges that are known end.
    known: u64,
    ended: Option<Ended>,
}

impl<'a> Plan<'a> {
    fn new(reading: &'a Reading<'a>) -> Self {
        let ranges = Vec::new().into_iter().peekable();
        Self { reading, number: 0, ranges, known: 0, ended: None }
    }

    /// The next span: its number, and what the state has in it.
    fn next(&mut self) -> Option<(u64, Vec<Range>)> {
        let Reading { size, span, stop, .. } = *self.reading;
        let start = self.number.checked_mul(span)?;
        if stop.is_due() {
            self.ended = Some(Ended::Stopped);
        }
        if start >= size || self.ended.is_some() {
            return None;
        }
        if start >= self.known {
            match self.window(start) {
                Ok((ranges, next)) => {
                    self.ranges = ranges.into_iter().peekable();
                    self.known = next.unwrap_or(size);
                }
                Err(ended) => {
                    self.ended = Some(ended);
                    return None;
                }
            }
        }
        let number = self.number;
        self.number += 1;
        Some((number, self.ranges_before(start.saturating_add(span))))
    }

    fn ranges_before(&mut self, end: u64) -> Vec<Range> {
        let mut before = Vec::new();
        while let Some(range) = self.ranges.peek_mut().filter(|range| range.start < end) {
            let cut = range.end.min(end);
            before.push(Range { end: cut, ..*range });
            if cut < range.end {
                range.start = cut;
                break;
            }
            self.ranges.next();
        }
        before
    }

    /// Walks through the tables for the ranges from `start` on. Where these lead to more than
    /// they did once they are not followed on: they may go round in a circle.
    fn window(&self, start: u64) -> Result<(Vec<Range>, Option<u64>), Ended> {
        let Reading { state, file, size, allocated, span, stop } = *self.reading;
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
}
