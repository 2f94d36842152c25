//! Header extensions (`docs/interop/qcow2.rst`, section "Header extensions").

use nom::Parser;
use nom::number::complete::{be_u32, be_u64};

use super::error::{Ended, accept};
use super::features::{self, FeatureName};
use super::limits::{MAX_BACKING_FORMAT, MAX_BITMAP_DIRECTORY_BYTES, MAX_BITMAPS};
use super::problem::{Findings, Problem, ProblemCode};

const END: u32 = 0;
const BACKING_FORMAT: u32 = 0xe279_2aca;
const FEATURE_NAMES: u32 = 0x6803_f857;
const BITMAPS: u32 = 0x2385_2875;
const LUKS_HEADER: u32 = 0x0537_be77;
const DATA_FILE: u32 = 0x4441_5441;

/// Bytes of an extension before its data: type and length.
const HEAD: usize = 8;

/// What the extensions of a header say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Extensions {
    /// The format of the backing file.
    pub backing_format: Option<String>,
    /// Names of feature bits.
    pub feature_names: Vec<FeatureName>,
    /// Where the persistent dirty bitmaps are; `None` also where they are out of date.
    pub bitmaps: Option<Bitmaps>,
    /// Where the header of LUKS is.
    pub luks_header: Option<LuksHeader>,
    /// The name of the file with the guest's data.
    pub data_file: Option<String>,
    /// Those of no known type, in their order.
    pub unknown: Vec<UnknownExtension>,
}

/// The bitmaps extension. The directory itself is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bitmaps {
    /// How many bitmaps.
    pub count: u32,
    /// Bytes of their directory.
    pub directory_size: u64,
    /// Where it starts in the file.
    pub directory_offset: u64,
}

/// Where in the file the header of LUKS is. It is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LuksHeader {
    /// Where it starts.
    pub offset: u64,
    /// Its length in bytes.
    pub length: u64,
}

/// An extension of a type that is not known here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownExtension {
    /// Its type.
    pub kind: u32,
    /// Its data, without the padding.
    pub data: Vec<u8>,
}

/// What the header says that an extension must fit to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context {
    pub cluster_size: u64,
    pub is_luks: bool,
    pub has_bitmaps: bool,
}

/// Reads the extensions in `area`, which begins at the end of the header and ends 8 bytes after
/// the place where the last of them must end.
pub(super) fn read(
    area: &[u8],
    context: Context,
    findings: &mut Findings,
) -> Result<Extensions, Ended> {
    let mut extensions = Extensions::default();
    let end = area.len().saturating_sub(HEAD);
    let mut position = 0;
    while position < end {
        let head = area.get(position..).unwrap_or_default();
        let Ok((_, (kind, length))) = (be_u32::<_, ()>, be_u32).parse(head) else { break };
        position += HEAD;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        accept(position <= end && length <= end - position, ProblemCode::InvalidExtension, || {
            format!("the header extension {kind:#010x} has {length} bytes and does not fit")
        })?;
        if kind == END {
            break;
        }
        let data = area.get(position..position + length).unwrap_or_default();
        let padded = length.next_multiple_of(8);
        let padding = area.get(position + length..(position + padded).min(end)).unwrap_or_default();
        findings.expect(padding.iter().all(|&byte| byte == 0), ProblemCode::NonZeroPadding, || {
            format!("the padding of the header extension {kind:#010x} is not zero")
        });
        extensions.take(kind, data, context)?;
        position += padded;
    }
    Ok(extensions)
}

impl Extensions {
    fn take(&mut self, kind: u32, data: &[u8], context: Context) -> Result<(), Ended> {
        match kind {
            BACKING_FORMAT => {
                let fits = data.len() <= MAX_BACKING_FORMAT;
                accept(fits, ProblemCode::InvalidBackingFile, || {
                    format!("the name of the backing format has {} bytes", data.len())
                })?;
                self.backing_format = Some(super::until_nul(data));
            }
            FEATURE_NAMES => self.feature_names = features::names(data),
            BITMAPS => self.bitmaps = bitmaps(data, context)?,
            LUKS_HEADER => self.luks_header = Some(luks_header(data, context)?),
            DATA_FILE => self.data_file = Some(super::until_nul(data)),
            kind => self.unknown.push(UnknownExtension { kind, data: data.to_owned() }),
        }
        Ok(())
    }
}

/// Count u32, reserved u32, size of the directory u64, its offset u64.
fn bitmaps(data: &[u8], context: Context) -> Result<Option<Bitmaps>, Ended> {
    let parsed = (be_u32::<_, ()>, be_u32, be_u64, be_u64).parse(data);
    let valid = |&(count, reserved, size, offset): &(u32, u32, u64, u64)| {
        (1..=MAX_BITMAPS).contains(&count)
            && reserved == 0
            && offset.is_multiple_of(context.cluster_size)
            && size <= MAX_BITMAP_DIRECTORY_BYTES
    };
    match parsed {
        Ok(([], fields)) if context.has_bitmaps && valid(&fields) => {
            let (count, _, directory_size, directory_offset) = fields;
            Ok(Some(Bitmaps { count, directory_size, directory_offset }))
        }
        Ok(([], _)) if !context.has_bitmaps => Ok(None),
        _ => invalid("the bitmaps extension does not say where bitmaps could be"),
    }
}

/// Offset u64, length u64.
fn luks_header(data: &[u8], context: Context) -> Result<LuksHeader, Ended> {
    accept(context.is_luks, ProblemCode::InvalidEncryption, || {
        "it has a header of LUKS, but is not encrypted by it".to_owned()
    })?;
    match (be_u64::<_, ()>, be_u64).parse(data) {
        Ok(([], (offset, length))) if offset.is_multiple_of(context.cluster_size) => {
            Ok(LuksHeader { offset, length })
        }
        _ => invalid("the encryption extension does not say where a header of LUKS could be"),
    }
}

fn invalid<T>(message: &str) -> Result<T, Ended> {
    let (code, message) = (ProblemCode::InvalidExtension, message.to_owned());
    Err(Ended::Rejected(Problem { code, message }))
}
