use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;
use tool_command::script;

/// A cluster of one volume with one brick that closes its changelog every second.
///
/// `gluster`, `mount`, `umount` and `findmnt` are shell scripts that write down their calls. The
/// session runs while the file `running` exists, and has synced all but the last `age` seconds.
struct Cluster {
    directory: TempDir,
    gluster: Gluster,
    mounts: MountTools,
}

const GLUSTER: &str = r#"
answer() { echo "<cliOutput><opRet>0</opRet>$1</cliOutput>"; }
refuse() { echo "<cliOutput><opRet>-1</opRet><opErrstr>$1</opErrstr></cliOutput>"; exit; }
row() {
    time=$(date -u -d "@$(cat checkpoint)" '+%Y-%m-%d %H:%M:%S')
    synced=$(date -u -d "-$(cat age) seconds" '+%Y-%m-%d %H:%M:%S')
    answer "<geoRep><volume><name>gv1</name><sessions><session>
        <session_secondary>u:ssh://dr::gv2</session_secondary><pair><primary_node>p1</primary_node>
        <primary_brick>/b</primary_brick><status>$1</status><failures>$3</failures>
        <checkpoint_completed>$2</checkpoint_completed><checkpoint_time>$time</checkpoint_time>
        <last_synced>$synced</last_synced></pair></session></sessions></volume></geoRep>"
}
FAULTS
case "$*" in
    *"volume info"*) answer "<volInfo><volumes><volume><name>gv1</name>
        <statusStr>Started</statusStr><typeStr>Distribute</typeStr>
        <bricks><brick><name>p1:/b</name></brick></bricks>
        <options>$(cat options)</options></volume></volumes></volInfo>";;
    *status*) if test -e paused; then row Paused N/A N/A
        elif test -e running; then row Active Yes 0; else row Stopped N/A N/A; fi;;
    *stop*) rm -f running paused; answer;;
    *pause*) touch paused; answer;;
    *start*) touch running; answer;;
    *now*) date +%s > checkpoint; answer;;
    *"config checkpoint"*)
        answer "<geoRep><config><checkpoint>$(cat checkpoint)</checkpoint></config></geoRep>";;
    *) answer;;
esac
"#;

const FINDMNT: &str = r#"
for last; do :; done
echo '{"filesystems": [{"target": "'$last'", "source": "p1:/gv1",
    "fstype": "fuse.glusterfs", "fsroot": "/"}]}'
"#;

impl Cluster {
    /// `faults` is what gluster does before, or instead of, what it does in a cluster that is well.
    fn new(faults: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().to_owned();
        let tool = |name: &str, text: &str| {
            let text = format!("cd {}\necho {name} \"$@\" >> calls\n{text}", root.display());
            script(&root.join(name), &text)
        };
        fs::write(root.join("checkpoint"), "0").unwrap();
        fs::write(root.join("age"), "5").unwrap();
        fs::write(root.join("options"), rollover("1")).unwrap();
        fs::create_dir(root.join("mounts")).unwrap();
        let gluster = GLUSTER.replace("FAULTS", faults);
        Self {
            gluster: Gluster::new(tool("gluster", &gluster)),
            mounts: MountTools {
                mount: tool("mount", ""),
                umount: tool("umount", ""),
                findmnt: tool("findmnt", FINDMNT),
                directory: root.join("mounts"),
            },
            directory,
        }
    }

    fn running(faults: &str) -> Self {
        let cluster = Self::new(faults);
        fs::write(cluster.file("running"), "").unwrap();
        cluster
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn run(&self, options: &RunOptions, observer: &mut dyn Observer) -> Result<Report, Error> {
        let session = Session::new("gv1", "dr::gv2".parse().unwrap()).unwrap();
        let result = run_to_checkpoint(&self.gluster, &self.mounts, &session, options, observer);
        assert_eq!(fs::read_dir(&self.mounts.directory).unwrap().count(), 0, "a mount was left");
        result
    }

    /// The commands that change something, without the words they all have.
    fn changes(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.file("calls")).unwrap();
        let changes = calls.lines().filter_map(|call| {
            let words =
                call.strip_prefix("gluster --mode=script volume ")?.strip_suffix(" --xml")?;
            Some(words.trim_start_matches("geo-replication gv1 dr::gv2 ").to_owned())
        });
        changes
            .filter(|words| !["status", "info gv1", "config checkpoint"].contains(&words.as_str()))
            .collect()
    }

    fn runs(&self) -> bool {
        self.file("running").exists()
    }
}

fn rollover(value: &str) -> String {
    format!("<option><name>changelog.rollover-time</name><value>{value}</value></option>")
}

/// Asks to stop as soon as the session was started.
#[derive(Default)]
struct Impatient(Stop);

impl Impatient {
    fn options(&self) -> RunOptions {
        RunOptions { stop: self.0.clone(), ..options() }
    }
}

impl Observer for Impatient {
    fn event(&mut self, event: &Event<'_>) {
        if matches!(event, Event::Started) {
            self.0.request();
        }
    }
}

fn options() -> RunOptions {
    RunOptions::default()
}

#[test]
fn a_run_stops_sets_the_checkpoint_starts_waits_and_stops() {
    let cluster = Cluster::running("");
    let report = cluster.run(&options(), &mut ()).unwrap();
    assert_eq!(report.outcome, Outcome::Complete);
    assert_eq!((report.before, report.after), (SessionState::Running, SessionState::Stopped));
    assert_eq!(cluster.changes(), ["stop force", "config checkpoint now", "start", "stop"]);
}

#[test]
fn the_nudge_comes_between_the_checkpoint_and_the_start() {
    let cluster = Cluster::new("");
    cluster.run(&options(), &mut ()).unwrap();
    let calls = fs::read_to_string(cluster.file("calls")).unwrap();
    let place = |words| calls.lines().position(|call| call.contains(words)).unwrap();
    assert!(place("checkpoint now") < place("mount -t") && place("umount") < place(" start "));
}

#[test]
fn a_session_that_never_completes_times_out_and_is_stopped() {
    let cluster = Cluster::new("case \"$*\" in *status*) row Active No 0; exit;; esac");
    let timeout = Some(Duration::from_secs(6));
    let report = cluster.run(&RunOptions { timeout, ..options() }, &mut ()).unwrap();
    assert_eq!((report.outcome, report.after), (Outcome::TimedOut, SessionState::Stopped));
    assert!(!cluster.runs() && report.duration < Duration::from_secs(10));
}

#[test]
fn an_interrupted_run_leaves_the_session_as_it_was() {
    for was_running in [true, false] {
        let cluster = if was_running { Cluster::running("") } else { Cluster::new("") };
        let mut impatient = Impatient::default();
        let report = cluster.run(&impatient.options(), &mut impatient).unwrap();
        assert_eq!((report.outcome, report.before), (Outcome::Interrupted, report.after));
        assert_eq!(cluster.runs(), was_running);
    }
}

#[test]
fn a_run_that_fails_halfway_says_so_and_starts_the_session_again() {
    let cluster = Cluster::running("case \"$*\" in *now*) refuse 'no space left';; esac");
    let error = cluster.run(&options(), &mut ()).unwrap_err().to_string();
    assert!(error.contains("no space left"), "{error}");
    assert!(error.ends_with("session gv1 → dr::gv2 is running, as it was before"), "{error}");
    assert!(cluster.runs());
}

#[test]
fn a_lock_held_by_another_transaction_is_waited_for() {
    let busy = "case \"$*\" in *'stop force'*) test -e tried || { touch tried; \
                refuse 'Another transaction is in progress for gv1'; };; esac";
    let cluster = Cluster::new(busy);
    assert_eq!(cluster.run(&options(), &mut ()).unwrap().outcome, Outcome::Complete);
}

#[test]
fn where_a_peer_is_down_the_session_is_stopped_with_force() {
    let down = "case \"$*\" in *'stop --xml') refuse 'Peer p2 is down';; esac";
    let cluster = Cluster::new(down);
    assert_eq!(cluster.run(&options(), &mut ()).unwrap().outcome, Outcome::Complete);
    assert_eq!(cluster.changes().split_off(3), ["stop", "stop force"]);
}

#[test]
fn a_session_that_cannot_be_stopped_is_an_error_though_the_checkpoint_was_reached() {
    let stuck = "case \"$*\" in *stop*) test -e running && refuse 'no such luck';; esac";
    let error = Cluster::new(stuck).run(&options(), &mut ()).unwrap_err();
    assert!(matches!(&error, Error::NotRestored { run: None, .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("no such luck") && text.ends_with("is running"), "{text}");
}

/// What a run that need not wait does with the rollover time of a volume with these options.
fn changes_of_rollover(
    cluster: &Cluster,
    found: &str,
    options: RunOptions,
    observer: &mut dyn Observer,
) -> Vec<String> {
    fs::write(cluster.file("options"), found).unwrap();
    let rollover = Some(Duration::from_secs(1));
    cluster.run(&RunOptions { rollover, ..options }, observer).unwrap();
    let of_volume = |change: &String| change.contains("changelog.rollover-time");
    cluster.changes().into_iter().filter(of_volume).collect()
}

#[test]
fn a_session_that_cannot_be_started_again_is_said_to_be_stopped() {
    let broken = "case \"$*\" in *start*) refuse 'no secret.pem';; esac";
    let error = Cluster::running(broken).run(&options(), &mut ()).unwrap_err();
    assert!(
        matches!(&error, Error::NotRestored { run: Some(_), after: SessionState::Stopped, .. }),
        "{error:?}"
    );
}

#[test]
fn a_start_that_fails_is_followed_by_a_stop_where_the_session_was_stopped() {
    let halfway = "case \"$*\" in *start*) touch running; refuse 'Commit failed on p2';; esac";
    let cluster = Cluster::new(halfway);
    assert!(matches!(cluster.run(&options(), &mut ()), Err(Error::Run { .. })));
    assert!(!cluster.runs());
}

#[test]
fn a_changed_rollover_is_put_back_to_the_words_it_was_set_to() {
    let cluster = Cluster::running("");
    let changes = changes_of_rollover(&cluster, &rollover("1min"), options(), &mut ());
    let set = |value| format!("set gv1 changelog.rollover-time {value}");
    assert_eq!(changes, [set("105"), set("1min")]);
}

#[test]
fn a_rollover_that_was_not_set_is_reset_also_after_an_interrupt() {
    let interrupted = |cluster: &Cluster| {
        let mut impatient = Impatient::default();
        changes_of_rollover(cluster, "", impatient.options(), &mut impatient)
    };
    let ended = |cluster: &Cluster| changes_of_rollover(cluster, "", options(), &mut ());
    for changes in [ended(&Cluster::running("")), interrupted(&Cluster::running(""))] {
        let expected = ["set gv1 changelog.rollover-time 60", "reset gv1 changelog.rollover-time"];
        assert_eq!(changes, expected);
    }
}

#[test]
fn the_changelogs_are_closed_after_the_nudge_and_before_the_start() {
    let cluster = Cluster::running("");
    changes_of_rollover(&cluster, "", options(), &mut ());
    let calls = fs::read_to_string(cluster.file("calls")).unwrap();
    let place = |words| calls.lines().position(|call| call.contains(words)).unwrap();
    assert!(place("umount") < place("volume set") && place("volume set") < place(" start "));
    assert!(place(" start ") < place("volume reset"));
}

#[test]
fn the_workers_start_while_it_might_be_the_turn_of_a_brick() {
    let cluster = Cluster::running("");
    fs::write(cluster.file("age"), "13").unwrap();
    changes_of_rollover(&cluster, "", options(), &mut ());
    let calls = fs::read_to_string(cluster.file("calls")).unwrap();
    let place = |words| calls.lines().position(|call| call.contains(words)).unwrap();
    assert!(place(" start ") < place("volume set") && place("volume set") < place("volume reset"));
}

#[test]
fn no_option_is_changed_where_the_turns_of_the_bricks_are_not_known() {
    #[derive(Default)]
    struct Told(bool);
    impl Observer for Told {
        fn event(&mut self, event: &Event<'_>) {
            self.0 |= matches!(event, Event::TurnsUnknown);
        }
    }
    let mut told = Told::default();
    let stopped = Cluster::new("");
    assert!(changes_of_rollover(&stopped, &rollover("3"), options(), &mut told).is_empty());
    assert!(told.0);
}

#[test]
fn the_session_is_restored_where_that_is_asked_for() {
    let restore = RunOptions { restore_session: true, ..options() };
    let cluster = Cluster::running("");
    let report = cluster.run(&restore, &mut ()).unwrap();
    assert_eq!((report.outcome, report.after), (Outcome::Complete, SessionState::Running));
    assert!(cluster.runs());

    let cluster = Cluster::running("");
    fs::write(cluster.file("paused"), "").unwrap();
    let report = cluster.run(&restore, &mut ()).unwrap();
    assert_eq!((report.before, report.after), (SessionState::Paused, SessionState::Paused));
    assert!(cluster.file("paused").exists());
}

/// Asks to stop after a second.
fn soon() -> Stop {
    let stop = Stop::default();
    let later = stop.clone();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs(1));
        later.request();
    });
    stop
}

#[test]
fn a_command_that_hangs_is_cut_off_by_the_timeout() {
    let cluster = Cluster::running("case \"$*\" in *now*) sleep 60;; esac");
    let timeout = Some(Duration::from_secs(2));
    let report = cluster.run(&RunOptions { timeout, ..options() }, &mut ()).unwrap();
    assert_eq!((report.outcome, report.after), (Outcome::TimedOut, SessionState::Stopped));
    assert!(report.duration < Duration::from_secs(20), "{:?}", report.duration);
}

#[test]
fn a_stop_that_was_cut_off_may_have_worked_and_the_session_is_started_again() {
    let cluster = Cluster::running("case \"$*\" in *'stop force'*) rm running; sleep 60;; esac");
    let report = cluster.run(&RunOptions { stop: soon(), ..options() }, &mut ()).unwrap();
    assert_eq!((report.outcome, report.after), (Outcome::Interrupted, SessionState::Running));
    assert!(cluster.runs());
}

#[test]
fn what_a_killed_run_has_left_is_put_back_by_the_next() {
    let cluster = Cluster::new("");
    let path = cluster.file("note.json");
    let mut killed = Note::new("gv1 → dr::gv2".to_owned(), SessionState::Running);
    killed.rollover = Some(ChangedRollover { found: None, set: "1".to_owned() });
    killed.write(&path).unwrap();

    let options = RunOptions { note: Some(path.clone()), restore_session: true, ..options() };
    let report = cluster.run(&options, &mut ()).unwrap();
    assert_eq!(cluster.changes().first().unwrap(), "reset gv1 changelog.rollover-time");
    // The session was stopped when this run found it, but running before the one that was killed.
    assert_eq!((report.before, report.after), (SessionState::Running, SessionState::Running));
    assert!(!path.exists());
}

#[test]
fn a_rollover_that_somebody_has_changed_since_is_left_alone() {
    let cluster = Cluster::new("");
    let path = cluster.file("note.json");
    let mut killed = Note::new("gv1 → dr::gv2".to_owned(), SessionState::Stopped);
    killed.rollover = Some(ChangedRollover { found: None, set: "2".to_owned() });
    killed.write(&path).unwrap();
    cluster.run(&RunOptions { note: Some(path), ..options() }, &mut ()).unwrap();
    assert!(!cluster.changes().iter().any(|change| change.contains("rollover")));
}

#[test]
fn the_note_is_there_while_something_is_changed() {
    struct Look(PathBuf, Vec<Option<ChangedRollover>>);
    impl Observer for Look {
        fn event(&mut self, event: &Event<'_>) {
            if matches!(event, Event::Stopped | Event::Started) {
                self.1.push(Note::read(&self.0).unwrap().expect("a note").rollover);
            }
        }
    }
    let cluster = Cluster::running("");
    fs::write(cluster.file("options"), "").unwrap();
    let path = cluster.file("note.json");
    let mut look = Look(path.clone(), Vec::new());
    let rollover = Some(Duration::from_secs(1));
    let options = RunOptions { note: Some(path.clone()), rollover, ..options() };
    cluster.run(&options, &mut look).unwrap();
    let changed = ChangedRollover { found: None, set: "60".to_owned() };
    assert_eq!(look.1, [None, Some(changed)]);
    assert!(!path.exists());
}

#[test]
fn what_does_not_exist_is_not_touched() {
    let none = "case \"$*\" in *info*) refuse 'Volume gv1 does not exist';; esac";
    let cluster = Cluster::new(none);
    assert!(matches!(cluster.run(&options(), &mut ()), Err(Error::Refused { .. })));
    assert_eq!(cluster.changes(), [""; 0]);
}
