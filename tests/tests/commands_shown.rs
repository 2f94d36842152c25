//! Every command that the documents show is one that `georep` understands, and is run by a test:
//! the documents that tell somebody what to do are run as they stand (`documented.rs`), but for what
//! another test does. And every test that stands for a promise is there.

use std::fs;

use georep_tests::documents::{Mark, RUN, all, blocks, root};
use georep_tests::output::text;
use georep_tests::program;

/// Stands for the name of a run that a shell's variable has.
const A_RUN: &str = "georep-20261124T020000Z";

/// With `--help` behind it nothing is done. What is missing from a command line shows where it is run.
#[test]
fn every_georep_line_is_understood() {
    let mut refused = Vec::new();
    let calls = all().into_iter().flat_map(|document| blocks(&document));
    for (place, mut call) in calls
        .flat_map(|block| block.calls().into_iter().map(move |call| (block.place.clone(), call)))
    {
        for word in &mut call {
            if word.starts_with('$') {
                A_RUN.clone_into(word);
            }
        }
        let output = program::command().args(&call).arg("--help").output().expect("georep");
        if !output.status.success() {
            refused.push(format!("{place}: georep {}\n{}", call.join(" "), text(&output)));
        }
    }
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

#[test]
fn every_block_says_where_it_is_run_or_what_tests_it() {
    let mut unclear = Vec::new();
    for block in RUN.iter().flat_map(|document| blocks(document)) {
        match &block.mark {
            Some(Mark::On { node, .. }) if ["p1", "p2", "dr"].contains(&node.as_str()) => {}
            Some(Mark::Not { tested_by }) if root().join(tested_by).exists() => {}
            mark => unclear.push(format!("{}: {mark:?}", block.place)),
        }
    }
    assert!(unclear.is_empty(), "{}", unclear.join("\n"));
}

/// What is promised names its tests, and they are there.
#[test]
fn every_test_that_the_readme_names_is_there() {
    let readme = fs::read_to_string(root().join("README.md")).expect("the README");
    let promises =
        readme.split("## ").find(|section| section.starts_with("What georep guarantees"));
    let mut file = String::new();
    let mut tests = 0;
    // What stands in backquotes is every second piece.
    for name in promises.expect("promises").split('`').skip(1).step_by(2) {
        if name.ends_with(".rs") {
            file = fs::read_to_string(root().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        } else if name.contains('_') {
            assert!(file.contains(name), "`{name}` is not in the file that is named before it");
            tests += 1;
        } else if name.contains('/') {
            assert!(root().join(name).exists(), "{name}");
        }
    }
    assert!(tests > 10, "{tests}");
}
