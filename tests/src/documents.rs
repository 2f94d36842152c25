//! The documents of the repository, and the commands that they show.
//!
//! A block of commands is fenced as `sh`. In the documents that are run it has a mark on the line
//! before: `<!-- run on: p1 -->`, `<!-- run on: dr; primary: off -->` where p1 and p2 have to be gone,
//! or `<!-- not run: WHY; tested by PATH -->`.

use std::fs;
use std::path::{Path, PathBuf};

/// Those of which every block has a mark, in the order in which they are run.
pub const RUN: &[&str] = &[
    "README.md",
    "docs/backup.md",
    "docs/monitoring.md",
    "docs/from-cron.md",
    "docs/disaster-day.md",
];

/// Files that are there as soon as there are packages.
const MORE: &[&str] = &["shim/README.md", "packaging/README.md", "CONTRIBUTING.md"];

/// A block of commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The document, and the line on which the commands begin.
    pub place: String,
    /// What it says of where it is run.
    pub mark: Option<Mark>,
    /// The commands.
    pub commands: String,
}

/// Where a block is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mark {
    /// On a node of the testbed.
    On {
        /// The node.
        node: String,
        /// Whether the nodes of the primary are gone meanwhile.
        primary_off: bool,
    },
    /// Nowhere, as another test does the same.
    Not {
        /// The file that holds that test.
        tested_by: String,
    },
    /// It cannot be understood.
    Unclear(String),
}

/// The repository.
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Every document that shows commands of `georep`: [`RUN`], the others in `docs`, and those of the
/// packages.
///
/// # Panics
/// Where `docs` cannot be read.
pub fn all() -> Vec<String> {
    let docs = fs::read_dir(root().join("docs")).expect("docs");
    let docs = docs.map(|entry| format!("docs/{}", entry.expect("an entry").file_name().display()));
    let more = MORE.iter().filter(|file| root().join(file).exists()).map(|&file| file.to_owned());
    let mut all: Vec<_> = docs.chain(more).chain([RUN[0].to_owned()]).collect();
    all.sort();
    all
}

/// The blocks of a document.
///
/// # Panics
/// Where it cannot be read.
pub fn blocks(document: &str) -> Vec<Block> {
    let path: PathBuf = root().join(document);
    let text = fs::read_to_string(&path);
    blocks_of(document, &text.unwrap_or_else(|error| panic!("{document}: {error}")))
}

fn blocks_of(document: &str, text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut before = "";
    let mut lines = text.lines().enumerate();
    while let Some((_, line)) = lines.next() {
        if line.trim() == "```sh" {
            let inside: Vec<_> =
                lines.by_ref().take_while(|(_, line)| line.trim() != "```").collect();
            let number = inside.first().map_or(0, |(number, _)| number + 1);
            let commands: Vec<_> = inside.iter().map(|(_, line)| *line).collect();
            blocks.push(Block {
                place: format!("{document}:{number}"),
                mark: mark(before),
                commands: commands.join("\n"),
            });
        }
        before = line;
    }
    blocks
}

fn mark(line: &str) -> Option<Mark> {
    let text = line.trim().strip_prefix("<!--")?.strip_suffix("-->")?.trim();
    let unclear = || Mark::Unclear(text.to_owned());
    Some(if let Some(place) = text.strip_prefix("run on: ") {
        match place.split_once("; ") {
            None => Mark::On { node: place.to_owned(), primary_off: false },
            Some((node, "primary: off")) => Mark::On { node: node.to_owned(), primary_off: true },
            Some(_) => unclear(),
        }
    } else if let Some(why) = text.strip_prefix("not run: ") {
        let tested_by = why.split_once("; tested by ").map(|(_, file)| file.to_owned());
        tested_by.map_or_else(unclear, |tested_by| Mark::Not { tested_by })
    } else {
        unclear()
    })
}

impl Block {
    /// The arguments of each call of `georep` in the block.
    ///
    /// # Panics
    /// Where a quote is not closed.
    pub fn calls(&self) -> Vec<Vec<String>> {
        let joined = self.commands.replace("\\\n", " ");
        joined.lines().flat_map(|line| calls_in(&self.place, line)).collect()
    }
}

/// What ends a command, or is not for it.
const ENDS: &[&str] = &["&&", "||", "|", ";", ">", ">>", "2>&1", "<"];

fn calls_in(place: &str, line: &str) -> Vec<Vec<String>> {
    // A comment may hold a quote that is not closed.
    let line = if line.trim_start().starts_with('#') { "" } else { line };
    let line = line.split(" # ").next().unwrap_or(line);
    if !line.contains("georep ") {
        return Vec::new();
    }
    let words = shell_words::split(line).unwrap_or_else(|error| panic!("{place}: {line}: {error}"));
    let mut calls = Vec::new();
    for command in words.split(|word| ENDS.contains(&word.as_str())) {
        if let Some(at) = command.iter().position(|word| word == "georep") {
            calls.push(command[at + 1..].to_vec());
        }
    }
    calls
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(text: &str) -> Block {
        let mut blocks = blocks_of("a.md", text);
        assert_eq!(blocks.len(), 1, "{blocks:?}");
        blocks.remove(0)
    }

    #[test]
    fn a_block_has_the_mark_on_the_line_before() {
        let on = |node: &str, primary_off| Mark::On { node: node.to_owned(), primary_off };
        let block = only("text\n\n<!-- run on: p1 -->\n```sh\ngeorep status\n```\n");
        assert_eq!((block.place.as_str(), block.mark), ("a.md:5", Some(on("p1", false))));
        let block = only("<!-- run on: dr; primary: off -->\n```sh\ntrue\n```\n");
        assert_eq!(block.mark, Some(on("dr", true)));
        let block = only("<!-- not run: it installs; tested by tests/a.rs -->\n```sh\ntrue\n```\n");
        assert_eq!(block.mark, Some(Mark::Not { tested_by: "tests/a.rs".to_owned() }));
        assert_eq!(only("text\n```sh\ntrue\n```\n").mark, None);
        let block = only("<!-- not run: no time -->\n```sh\ntrue\n```\n");
        assert_eq!(block.mark, Some(Mark::Unclear("not run: no time".to_owned())));
    }

    #[test]
    fn what_is_not_shell_is_no_block() {
        assert_eq!(blocks_of("a.md", "```text\ngeorep status\n```\n```rust\n```\n"), []);
    }

    #[test]
    fn calls_are_found_wherever_they_stand_in_a_line() {
        let block = only(
            "```sh\n# it's georep\ngeorep status   # that's all\ntime georep verify \\\n  dr::gv2 && \
             georep runs | tail -n 1\nls .georep\n```\n",
        );
        let calls: Vec<_> = block.calls().iter().map(|call| call.join(" ")).collect();
        assert_eq!(calls, ["status", "verify dr::gv2", "runs"]);
    }
}
