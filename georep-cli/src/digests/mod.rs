//! Digests of every byte of an image's state.
//!
//! The file is cut into spans of equal size. The digest of a span is that of the ranges of the
//! state in it, from the first byte on: of each where it begins, its length, and its bytes. So it
//! binds the tables, what they lead to, and where that lies; and a byte that is wrong is known to
//! within one span, whatever else is wrong.
//!
//! Bytes of the file that are no part of the state are not read: GlusterFS's changelog knows
//! nothing of a hole that is punched, so they may differ in a perfect copy.

mod ranges;
mod reader;

use std::io;

use qcow2_snap::image::ImageError;
use serde::{Deserialize, Serialize};
use tool_command::Stop;

use crate::image_file::ImageFile;
use crate::image_state::State;

/// No span is smaller.
const MIN_SPAN: u64 = 1 << 20;

/// How many spans a file is cut into at most: their digests take 512 KiB of the manifest.
const MAX_SPANS: u64 = 8192;

/// Bytes of a digest in hexadecimal.
const HEX: usize = 64;

/// The digests of an image's state, as a manifest holds them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Digests {
    /// Bytes of the file that each of them is about.
    pub span: u64,
    /// SHA-256 of each span in hexadecimal, one after the other.
    pub sha256: String,
}

/// Why not every span could be read.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The tables are not sound, or lead to more than they may.
    Unsound(ImageError),
    /// The tables lead to more than there was.
    TooMuch,
    /// Somebody asked for the end.
    Stopped,
}

/// What is read.
#[derive(Debug)]
pub(crate) struct Reading<'a> {
    /// The image.
    pub file: &'a ImageFile,
    /// Which bytes of it.
    pub state: &'a State,
    /// Its size when it was recorded.
    pub size: u64,
    /// Bytes a span.
    pub span: u64,
    /// To how many bytes the tables may lead.
    pub allocated: u64,
    /// When to end early.
    pub stop: &'a Stop,
}

/// How large the spans of a file of `size` bytes are: what [`MAX_SPANS`] leaves, in powers of two.
pub(crate) fn span_of(size: u64) -> u64 {
    size.div_ceil(MAX_SPANS).checked_next_power_of_two().unwrap_or(1 << 63).max(MIN_SPAN)
}

impl Digests {
    /// Takes the digests of `reading`; `read` hears of every read.
    ///
    /// # Errors
    /// The first thing that cannot be read.
    pub(crate) fn take(
        reading: &Reading<'_>,
        read: impl FnMut(u64),
    ) -> Result<Result<Self, io::Error>, Ended> {
        let mut digests = Self { span: reading.span, sha256: String::new() };
        let mut failed = None;
        reading.each_span(read, |_, digest| match digest {
            Ok(digest) => digests.sha256 += &digest,
            Err(error) => failed = failed.take().or(Some(error)),
        })?;
        Ok(failed.map_or(Ok(digests), Err))
    }

    /// Whether these can be those of a file of `size` bytes.
    pub(crate) fn are_of(&self, size: u64) -> bool {
        let (spans, text) = (size.div_ceil(self.span.max(1)), self.sha256.len() as u64);
        self.span >= MIN_SPAN && spans <= MAX_SPANS && text == spans * HEX as u64
    }

    /// The digest of each span, in order.
    pub(crate) fn of_spans(&self) -> impl Iterator<Item = &str> {
        let (digests, _) = self.sha256.as_bytes().as_chunks::<HEX>();
        digests.iter().map(|digest| std::str::from_utf8(digest).unwrap_or_default())
    }
}

impl Reading<'_> {
    /// Calls `see` with the number and the digest of each span, in order, and `read` with the
    /// number of bytes of the state after every read.
    ///
    /// A span that cannot be read does not end it.
    ///
    /// # Errors
    /// Where the tables end it, or somebody.
    pub(crate) fn each_span(
        &self,
        read: impl FnMut(u64),
        see: impl FnMut(u64, io::Result<String>),
    ) -> Result<(), Ended> {
        reader::each_span(self, read, see)
    }
}

#[cfg(test)]
mod tests {
    use qcow2_snap::plan::Format;
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::image_file::hex;

    const SIZE: u64 = 5 * MIN_SPAN / 2;

    /// The digest of each span of a raw file of [`SIZE`] bytes, of which `held` are there.
    fn spans(held: u64, stop: &Stop) -> Result<Vec<io::Result<String>>, Ended> {
        let file = tempfile::NamedTempFile::new().unwrap();
        let bytes: Vec<u8> = (0..held).map(|at| at.to_le_bytes()[1]).collect();
        std::fs::write(file.path(), bytes).unwrap();
        let file = ImageFile::open(file.path()).unwrap();
        let mut state = State::read(&file, Format::Raw, None).unwrap();
        state.pretend_size(SIZE);
        let reading = Reading {
            file: &file,
            state: &state,
            size: SIZE,
            span: span_of(SIZE),
            allocated: SIZE,
            stop,
        };
        let mut spans = Vec::new();
        let mut read = 0;
        reading.each_span(|bytes| read += bytes, |_, digest| spans.push(digest))?;
        assert_eq!(read, if held == SIZE { SIZE } else { held / MIN_SPAN * MIN_SPAN });
        Ok(spans)
    }

    #[test]
    fn a_digest_is_that_of_offset_length_and_bytes_of_what_lies_in_the_span() {
        let digests = spans(SIZE, &Stop::default()).unwrap();
        assert_eq!(digests.len(), 3);
        for (digest, offset) in digests.into_iter().zip((0..).step_by(1 << 20)) {
            let length = MIN_SPAN.min(SIZE - offset);
            let mut expected = Sha256::new();
            expected.update(offset.to_be_bytes());
            expected.update(length.to_be_bytes());
            let bytes: Vec<u8> = (offset..offset + length).map(|at| at.to_le_bytes()[1]).collect();
            expected.update(bytes);
            assert_eq!(digest.unwrap(), hex(&expected.finalize()));
        }
    }

    #[test]
    fn what_cannot_be_read_is_one_span_and_not_the_end() {
        let digests = spans(MIN_SPAN + 5, &Stop::default()).unwrap();
        let errors: Vec<_> = digests.iter().map(Result::is_err).collect();
        assert_eq!(errors, [false, true, true]);
    }

    #[test]
    fn it_ends_when_somebody_asks() {
        let stop = Stop::default();
        stop.request();
        assert!(matches!(spans(SIZE, &stop), Err(Ended::Stopped)));
    }

    #[test]
    fn spans_are_as_small_as_their_number_allows() {
        const GIB: u64 = 1 << 30;
        for (size, span) in [
            (0, MIN_SPAN),
            (8 * GIB, MIN_SPAN),
            (8 * GIB + 1, 2 * MIN_SPAN),
            (1024 * GIB, 128 * MIN_SPAN),
        ] {
            assert_eq!(span_of(size), span, "{size}");
        }
        assert!(u64::MAX.div_ceil(span_of(u64::MAX)) <= MAX_SPANS);
    }

    #[test]
    fn digests_are_those_of_a_file_of_their_size_or_refused() {
        let of = |span, count| Digests { span, sha256: "0".repeat(count * HEX) };
        assert!(of(MIN_SPAN, 3).are_of(SIZE));
        for wrong in [of(MIN_SPAN, 2), of(0, 3), of(1, 3), of(2 * MIN_SPAN, 3), of(u64::MAX, 3)] {
            assert!(!wrong.are_of(SIZE), "{wrong:?}");
        }
        assert!(of(MIN_SPAN, 0).are_of(0));
        assert_eq!(of(MIN_SPAN, 3).of_spans().count(), 3);
    }
}
