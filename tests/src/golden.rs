//! What a program shows, as files that people can read: `GEOREP_GOLDEN=write` writes them anew.

use std::fs;
use std::path::PathBuf;

use regex_lite::Regex;

/// The environment variable that has the files written instead of compared.
const WRITE: &str = "GEOREP_GOLDEN";

/// What is another each time it is shown, and what stands in the files instead.
const CHANGES: [(&str, &str); 10] = [
    (r"georep-\d{8}T\d{6}Z", "georep-<TIME>"),
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(Z| UTC)", "<TIME>"),
    (r"/(dev/shm|tmp|[^ ]*worlds)/\.tmp\w+", "<WORLD>"),
    (r"\d+[smhd](\d+m)? ago", "<AGE> ago"),
    // The time that lines begin with, and all that take long.
    (r"(?m)^ +\d+\.\d s  ", "     #.# s  "),
    (r"\d+\.\d s\b", "#.# s"),
    (r"\d+\.\d [KM]iB (compared|read)", "#.# KiB $1"),
    (r"process \d+", "process <PID>"),
    (r"\d+\.\d [KMGT]iB free", "<SIZE> free"),
    (r"\d+\.\d [KMGT]iB/s", "<RATE>"),
];

/// Compares `text` with the file `name`, but for what is another each time.
///
/// # Panics
/// Where they differ.
pub fn assert_golden(name: &str, text: &str) {
    assert_is(name, &steady(text));
}

/// Compares all of `text` with the file `name`.
///
/// # Panics
/// Where they differ.
pub fn assert_is(name: &str, shown: &str) {
    let path = PathBuf::from(format!("{}/golden/{name}.txt", env!("CARGO_MANIFEST_DIR")));
    if std::env::var_os(WRITE).is_some() {
        fs::write(&path, shown).expect("a writable file");
        return;
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        golden == shown,
        "{} is no longer what is shown; if that is meant, run the test with {WRITE}=write\n\
         --- in the file\n{golden}\n--- shown\n{shown}",
        path.display()
    );
}

/// `text` without what is another each time.
fn steady(text: &str) -> String {
    let change = |text: String, (pattern, instead): &(&str, &str)| {
        let pattern = Regex::new(pattern).expect("a pattern");
        pattern.replace_all(&text, *instead).into_owned()
    };
    let text = CHANGES.iter().fold(text.to_owned(), change);
    let lines: Vec<_> = text.lines().map(|line| without_bar(line.trim_end())).collect();
    lines.join("\n").trim_end().to_owned() + "\n"
}

/// In the picture of a run the bars are another each time.
fn without_bar(line: &str) -> String {
    let bar = Regex::new(r"^(\S+ +)[.!=<sCvb]{20,}$").expect("a pattern");
    bar.replace(line, "$1<BAR>").into_owned()
}
