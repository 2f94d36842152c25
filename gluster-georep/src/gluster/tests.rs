use tempfile::TempDir;

use super::*;
use tool_command::script;

/// A `gluster` that is a shell script. `$*` is its command line.
struct Scripted {
    _directory: TempDir,
    tool: Tool,
}

impl Scripted {
    fn new(text: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let tool = script(&directory.path().join("gluster"), text);
        Self { _directory: directory, tool }
    }

    fn gluster(&self) -> Gluster {
        Gluster::new(self.tool.clone())
    }
}

fn session() -> Session {
    Session::new("gv1", "dr::gv2".parse().unwrap()).unwrap()
}

fn xml(ret: i64, errno: i64, reason: &str, payload: &str) -> String {
    format!(
        "echo '<cliOutput><opRet>{ret}</opRet><opErrno>{errno}</opErrno>\
         <opErrstr>{reason}</opErrstr>{payload}</cliOutput>'"
    )
}

/// What gluster ≥ 6.0 does where a status fails: the reason is only in the answer without `--xml`.
fn failing_status(without_xml: &str) -> Error {
    let failed = "echo 'geo-replication command failed'";
    Scripted::new(&format!(
        "case \"$*\" in *--xml) {failed}; exit 2;; *) {without_xml}; {failed}; exit 1;; esac"
    ))
    .gluster()
    .status(&session())
    .unwrap_err()
}

#[test]
fn an_unknown_session_is_told_on_stdout_and_an_unknown_volume_on_stderr() {
    let error = failing_status("echo 'No active geo-replication sessions between gv1 and dr::gv2'");
    assert!(matches!(&error, Error::NoSuchSession { session, .. } if session == "gv1 → dr::gv2"));
    assert!(!error.is_transient());

    let error = failing_status("echo 'Volume gv1 does not exist' >&2");
    assert!(matches!(&error, Error::NoSuchVolume { volume, .. } if volume == "gv1"), "{error}");
}

#[test]
fn a_status_refused_because_of_a_lock_says_so_and_passes() {
    let error = failing_status("echo 'Another transaction is in progress for gv1.' >&2");
    assert!(error.is_transient() && error.to_string().contains("in progress"), "{error}");
}

#[test]
fn a_status_that_fails_only_for_a_moment_passes() {
    assert!(failing_status("true").is_transient());
}

#[test]
fn a_glusterd_that_does_not_answer_passes() {
    let down = "echo 'Connection failed. Please check if gluster daemon is operational.'; exit 1";
    let gluster = Scripted::new(down);
    assert!(gluster.gluster().status(&session()).unwrap_err().is_transient());
    assert!(gluster.gluster().volume_info("gv1").unwrap_err().is_transient());
}

#[test]
fn no_session_at_all_is_an_empty_list() {
    let none = "echo 'No active geo-replication sessions'; exit 1";
    assert_eq!(Scripted::new(none).gluster().sessions(None).unwrap(), []);
}

#[test]
fn a_missing_volume_is_named() {
    let payload = "<volInfo><volumes><count>0</count></volumes></volInfo>";
    let missing = Scripted::new(&xml(-1, 30806, "Volume does not exist", payload));
    let error = missing.gluster().volume_info("gv1").unwrap_err();
    assert!(matches!(&error, Error::NoSuchVolume { volume, .. } if volume == "gv1"), "{error}");
}

#[test]
fn a_volume_must_be_started() {
    let payload = "<volInfo><volumes><volume><name>gv1</name><statusStr>Created</statusStr>\
                   <typeStr>Distribute</typeStr><bricks><brick>a:/b</brick></bricks></volume>\
                   </volumes></volInfo>";
    let created = Scripted::new(&xml(0, 0, "", payload));
    let error = created.gluster().started_volume("gv1").unwrap_err();
    assert!(matches!(error, Error::VolumeNotStarted { .. }), "{error}");
}

#[test]
fn a_refusal_with_exit_status_0_is_an_error_with_gluster_s_reason() {
    let refused = Scripted::new(&xml(-1, 30800, "Peer p2 is down", "<geoRep/>"));
    let error = refused.gluster().stop(&session()).unwrap_err().to_string();
    assert!(error.contains("gv1 dr::gv2 stop --xml` was refused: Peer p2 is down"), "{error}");
}

#[test]
fn a_session_that_runs_already_is_started() {
    let reason = "geo-replication session between gv1 &amp; dr::gv2 already started";
    Scripted::new(&xml(-1, 30800, reason, "<geoRep/>")).gluster().start(&session()).unwrap();
}

#[test]
fn the_checkpoint_is_the_second_that_gluster_says_it_is() {
    let set = xml(0, 0, "config-set successful", "<geoRep><config/></geoRep>");
    let payload = "<geoRep><config><checkpoint>1795419840</checkpoint></config></geoRep>";
    let read = xml(0, 0, "", payload);
    let script = format!("case \"$*\" in *now*) {set};; *) {read};; esac");
    let checkpoint = Scripted::new(&script).gluster().checkpoint(&session()).unwrap();
    assert_eq!(checkpoint.as_second(), 1_795_419_840);

    let lost = Scripted::new(&set).gluster().checkpoint(&session());
    assert!(lost.unwrap_err().to_string().contains("no checkpoint"));
}

#[test]
fn every_setting_of_a_session_is_read_and_one_that_is_not_set_is_empty() {
    let recorded = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/gluster-10.3/config-all.xml");
    let gluster = Scripted::new(&format!("cat {recorded}"));
    let settings = gluster.gluster().settings(&session()).unwrap();
    assert_eq!(settings["ssh_port"], "22");
    assert_eq!(settings["rsync_ssh_options"], "");
    assert_eq!(settings["gluster_params"], "aux-gfid-mount acl");
}

#[test]
fn another_node_is_asked_where_one_is_named() {
    let error = Scripted::new("exit 1").gluster().of_host("dr").peers().unwrap_err().to_string();
    assert!(error.contains("'--remote-host=dr' pool list --xml"), "{error}");
}
