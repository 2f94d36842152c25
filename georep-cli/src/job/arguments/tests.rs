use std::path::Path;

use super::*;
use crate::args::{Level, Method};

const JOB: &str = r#"
primary = "gv1"
secondary = "geo@dr.example.org::gv2"
pool = "/vm"
method = "external"
"#;

/// [`JOB`] with these lines more.
fn with(lines: &str) -> Result<BackupArgs, JobError> {
    of(&format!("{JOB}{lines}"))
}

#[track_caller]
fn refused(result: Result<BackupArgs, JobError>, message: &str, hint: &str) {
    let error = result.unwrap_err();
    assert_eq!(error.to_string(), message);
    let hints = error.hints().join("\n");
    assert!(hints.contains(hint), "{hints}");
}

#[test]
fn the_keys_are_the_options_of_a_backup() {
    let args = with(
        "timeout = 120\nkeep = 14\nverify = 'full'\nbandwidth = 50\njson = true\n\
         domain = ['web', '-odd name']\nexclude = 'test'\noverlay-dir = '/var/lib/over lays'\n",
    )
    .unwrap();
    assert_eq!((args.primary.as_str(), args.method), ("gv1", Method::External));
    assert_eq!(args.secondary.to_string(), "geo@dr.example.org::gv2");
    assert_eq!(args.pool, Path::new("/vm"));
    assert_eq!((args.timeout, args.keep, args.verify), (120, Some(14), Level::Full));
    assert_eq!(args.bandwidth.map(u32::from), Some(50));
    assert_eq!(args.domain, ["web", "-odd name"]);
    assert_eq!(args.exclude, ["test"]);
    assert_eq!(args.overlay_dir.as_deref(), Some(Path::new("/var/lib/over lays")));
    assert!(args.json && !args.dry_run);
}

#[test]
fn what_a_file_does_not_say_is_as_on_the_command_line() {
    let args = with("json = false\ndomain = []").unwrap();
    assert_eq!((args.timeout, args.merge_timeout, args.keep), (0, 30, None));
    assert_eq!((args.verify, args.json, args.domain.len()), (Level::Quick, false, 0));
}

#[test]
fn an_unknown_key_gets_a_suggestion_and_all_keys_where_none_is_like_it() {
    refused(with("timout = 120"), "there is no key `timout`", "did you mean `timeout`?");
    refused(with("overlay_dir = '/o'"), "there is no key `overlay_dir`", "`overlay-dir`?");
    refused(with("help = true"), "there is no key `help`", "`primary`, `secondary`, `pool`");
    refused(with("[backup]\nkeep = 3"), "there is no key `backup`", "there are: ");
}

#[test]
fn a_key_that_is_missing_is_named_with_what_it_is_for() {
    for (key, hint) in [
        ("primary", "add `primary = PRIMARYVOL`: Primary volume name"),
        ("secondary", "add `secondary = [USER@]HOST::VOL`"),
        ("pool", "add `pool = DIR`: Directory"),
        ("method", "add `method = METHOD`: How"),
    ] {
        let without: Vec<_> = JOB.lines().filter(|line| !line.starts_with(key)).collect();
        refused(of(&without.join("\n")), &format!("`{key}` is missing"), hint);
    }
}

#[test]
fn a_value_of_another_type_says_what_is_expected() {
    for (line, message) in [
        ("json = 'yes'", "`json` is a text, but must be true or false"),
        ("timeout = 1.5", "`timeout` is a number with a fraction, but must be a text or a number"),
        ("timeout = true", "`timeout` is true or false, but must be a text or a number"),
        ("keep = [1, 2]", "`keep` is a list, but must be a text or a number"),
        ("domain = true", "`domain` is true or false, but must be a text or a list of texts"),
        ("domain = [['web']]", "`domain` is a list, but must be a list of texts"),
        ("[keep]\nruns = 3", "`keep` is a table, but must be a text or a number"),
        ("keep = 2026-11-24", "`keep` is a date, but must be a text or a number"),
    ] {
        let key = line.trim_start_matches('[').split([' ', ']']).next().unwrap();
        refused(with(line), message, &format!("`{key} = "));
    }
}

#[test]
fn a_value_that_cannot_be_says_why() {
    refused(
        with("timeout = 'two hours'"),
        "`timeout = \"two hours\"`: invalid digit found in string",
        "Give up waiting for the checkpoint",
    );
    refused(with("keep = 0"), "`keep = 0`: the newest snapshot is never deleted", "`keep = N`");
    refused(
        with("quiesce = 'allways'"),
        "`quiesce = \"allways\"`: must be one of require, try, never",
        "there are: `require`, `try`, `never`",
    );
    refused(
        of(&JOB.replace("external", "extrenal")),
        "`method = \"extrenal\"`: must be one of external, internal",
        "did you mean `external`?",
    );
    refused(
        of(&JOB.replace("/vm", "")),
        "`pool = \"\"`: there must be a value",
        "Directory on the mounted primary volume",
    );
    let error = of(&JOB.replace("::", "/")).unwrap_err().to_string();
    assert!(error.starts_with("`secondary = \"geo@dr.example.org/gv2\"`: "), "{error}");
}

#[test]
fn a_backup_that_is_never_made_is_not_what_a_file_can_ask_for() {
    let message = "`dry-run` does not belong in a job file: no backup would ever be made";
    refused(with("dry-run = true"), message, "georep job FILE --dry-run");
}

#[test]
fn what_is_not_toml_is_told_with_its_line() {
    let error = with("timeout 120").unwrap_err();
    assert!(matches!(error, JobError::NotToml { line: 6, .. }), "{error}");
    let error = with("primary = 'gv3'").unwrap_err();
    assert!(matches!(error, JobError::NotToml { line: 6, .. }), "{error}");
    assert!(error.hints().join("").contains("key = "));
}
