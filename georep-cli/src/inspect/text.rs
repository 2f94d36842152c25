//! Images for people: the verdict, what the image is, its snapshots, its problems.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use jiff::Timestamp;
use qcow2_snap::image::{Image, Snapshot, Verdict};

use super::Inspected;
use crate::say::bytes;

/// All images, a few lines each.
pub(super) fn report(inspected: &[Inspected<'_>]) -> String {
    let mut text = String::new();
    for image in inspected {
        // Writing to a string does not fail.
        let _ = add(&mut text, image);
    }
    text
}

fn add(text: &mut String, inspected: &Inspected<'_>) -> std::fmt::Result {
    let name = printable(&inspected.path.display().to_string());
    let bad = AnsiColor::Red.on_default().bold();
    let (_, inspection) = match &inspected.result {
        Ok(read) => read,
        Err(error) => return writeln!(text, "{name}: {bad}unreadable{bad:#}: {error}"),
    };
    let verdict = inspection.verdict();
    let style = style(verdict);
    writeln!(text, "{name}: {style}{verdict}{style:#}")?;
    if let Some(image) = &inspection.image {
        writeln!(text, "  {}", what(image))?;
        for snapshot in &image.snapshots {
            writeln!(text, "  snapshot {}", line(snapshot))?;
        }
    }
    for problem in &inspection.problems {
        writeln!(text, "  {style}{}{style:#}: {}", problem.code, printable(&problem.message))?;
    }
    Ok(())
}

fn style(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Valid => AnsiColor::Green.on_default(),
        Verdict::Damaged => AnsiColor::Yellow.on_default(),
        Verdict::Rejected => AnsiColor::Red.on_default().bold(),
    }
}

fn what(image: &Image) -> String {
    let header = &image.header;
    let mut what = format!(
        "version {}, {} for the guest, clusters of {}",
        header.version,
        bytes(header.virtual_size),
        bytes(header.cluster_size())
    );
    if let Some(backing) = &header.backing {
        what += &format!(", backing file `{}`", printable(&backing.file));
        what += &match &backing.format {
            Some(format) => format!(" ({})", printable(format)),
            None => " (of a format it does not name)".to_owned(),
        };
    }
    let flags = [
        (header.has_extended_l2(), "subclusters"),
        (header.compression_type == 1, "compressed with zstd"),
        (header.encryption != 0, "encrypted"),
        (header.has_data_file(), "data in another file"),
    ];
    for (_, flag) in flags.iter().filter(|(holds, _)| *holds) {
        what += ", ";
        what += flag;
    }
    what
}

fn line(snapshot: &Snapshot) -> String {
    let text = |bytes: &[u8]| printable(&String::from_utf8_lossy(bytes));
    let time = Timestamp::from_second(snapshot.date_sec.into()).unwrap_or_default();
    let state = match snapshot.vm_state_size {
        0 => "no VM state".to_owned(),
        size => format!("{} of VM state", bytes(size)),
    };
    format!("{} `{}`, {time}, {state}", text(&snapshot.id), text(&snapshot.name))
}

/// Text from an image may hold anything: what would move the cursor is escaped.
fn printable(text: &str) -> String {
    let escape = |c: char| match c.is_control() {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    };
    text.chars().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_move_the_cursor_or_change_a_colour() {
        assert_eq!(printable("süß \u{1b}[31m\n\u{9b}2J"), "süß \\u{1b}[31m\\n\\u{9b}2J");
    }
}
