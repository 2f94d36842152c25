//! The text under the options of `--help`, taken apart into what a manual page is made of.

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Block {
    /// Prose, its lines joined.
    Paragraph(String),
    /// Words and what they stand for.
    Terms(Vec<(String, String)>),
    /// Lines that stay as they are.
    Lines(Vec<String>),
}

/// A text's prose, examples and exit codes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct HelpText {
    /// All but the other two.
    pub prose: Vec<Block>,
    /// What stands under `Example:` or `Examples:`.
    pub examples: Vec<Block>,
    /// What stands under `Exit codes:`.
    pub exit_codes: Vec<Block>,
}

impl HelpText {
    /// Takes `text` apart.
    pub(super) fn parse(text: &str) -> Self {
        let mut parsed = Self::default();
        for paragraph in text.split("\n\n") {
            let lines: Vec<_> = paragraph.lines().collect();
            match lines.split_first() {
                Some((&("Example:" | "Examples:"), lines)) => {
                    parsed.examples.extend(indented(lines).map(Block::Lines));
                }
                Some((&"Exit codes:", lines)) => parsed.exit_codes.extend(blocks(lines)),
                _ => parsed.prose.extend(blocks(&lines)),
            }
        }
        parsed
    }
}

/// Runs of lines that are indented, and of lines that are not.
fn blocks(lines: &[&str]) -> Vec<Block> {
    let runs = lines.chunk_by(|one, next| is_indented(one) == is_indented(next));
    let block = |run: &[&str]| match run.first() {
        // Two columns: a word, two blanks, what it stands for.
        Some(first) if is_indented(first) && first.trim().contains("  ") => {
            indented(run).map(|lines| terms(&lines))
        }
        Some(first) if is_indented(first) => indented(run).map(Block::Lines),
        Some(_) => Some(Block::Paragraph(run.join(" "))),
        None => None,
    };
    runs.filter_map(block).collect()
}

fn is_indented(line: &str) -> bool {
    line.starts_with(' ')
}

/// The lines without what all of them are set in by.
fn indented(lines: &[&str]) -> Option<Vec<String>> {
    let indent = lines.iter().map(|line| line.len() - line.trim_start().len()).min()?;
    Some(lines.iter().filter_map(|line| line.get(indent..)).map(str::to_owned).collect())
}

fn terms(lines: &[String]) -> Block {
    Block::Terms(lines.iter().fold(Vec::new(), |terms, line| with_line(terms, line)))
}

/// A line that is indented further goes on with what stands above it.
fn with_line(mut terms: Vec<(String, String)>, line: &str) -> Vec<(String, String)> {
    match (terms.last_mut(), line.split_once("  ")) {
        (Some((_, text)), _) if is_indented(line) => {
            text.push(' ');
            text.push_str(line.trim());
        }
        (_, Some((term, text))) => terms.push((term.to_owned(), text.trim().to_owned())),
        (_, None) => terms.push((line.to_owned(), String::new())),
    }
    terms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_taken_apart() {
        let text = "\
An image is
read. It is
  valid     where
            it is
  rejected  else
All else.

Examples:
  georep inspect /vm/*.qcow2

  georep job --help

Exit codes:
  0   done
  10  not done,
      yet";
        let terms = |terms: &[(&str, &str)]| {
            Block::Terms(terms.iter().map(|&(a, b)| (a.to_owned(), b.to_owned())).collect())
        };
        let lines = |lines: &str| Block::Lines(lines.lines().map(str::to_owned).collect());
        let parsed = HelpText::parse(text);
        assert_eq!(
            parsed.prose,
            [
                Block::Paragraph("An image is read. It is".to_owned()),
                terms(&[("valid", "where it is"), ("rejected", "else")]),
                Block::Paragraph("All else.".to_owned()),
                lines("georep job --help"),
            ]
        );
        assert_eq!(parsed.examples, [lines("georep inspect /vm/*.qcow2")]);
        assert_eq!(parsed.exit_codes, [terms(&[("0", "done"), ("10", "not done, yet")])]);
    }
}
