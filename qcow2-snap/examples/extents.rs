//! Lists the byte ranges of a qcow2 file that one state of the disk is made of.
//!
//! ```text
//! extents IMAGE [SNAPSHOT]
//! ```
//!
//! One range a line: kind, offset, length. With a snapshot's name, what it holds; else what the
//! guest sees now.

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write, stdout};

use qcow2_snap::image::{Image, Point, extents};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let file = File::open(arguments.next().ok_or("usage: extents IMAGE [SNAPSHOT]")?)?;
    let name = arguments.next();

    let image = Image::read(&file)?;
    let point = match &name {
        Some(name) => Point::Snapshot(name.as_encoded_bytes()),
        None => Point::Active,
    };
    let mut out = BufWriter::new(stdout().lock());
    for extent in extents(&file, &image, point)? {
        let extent = extent?;
        writeln!(out, "{:?} {} {}", extent.kind, extent.offset, extent.length)?;
    }
    out.flush()?;
    Ok(())
}
