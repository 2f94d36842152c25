use super::*;

fn answer(sessions: &str) -> String {
    format!(
        "<cliOutput><opRet>0</opRet><opErrno>0</opErrno><opErrstr/><geoRep>{sessions}</geoRep>\
         </cliOutput>"
    )
}

fn session(key: &str, secondary: &str, pairs: &str) -> String {
    format!(
        "<volume><name>gv1</name><sessions><session><session_{secondary}>{key}\
         </session_{secondary}>{pairs}</session></sessions></volume>"
    )
}

fn pair(primary: &str, secondary: &str, status: &str) -> String {
    format!(
        "<pair><{primary}_node>p1</{primary}_node><{primary}_brick>/b</{primary}_brick>\
         <{secondary}_user>root</{secondary}_user><{secondary}>ssh://dr::gv2</{secondary}>\
         <{secondary}_node/><status>{status}</status>\
         <crawl_status>History Crawl</crawl_status><entry>1</entry><data>2</data><meta>N/A</meta>\
         <failures>0</failures><checkpoint_completed>No</checkpoint_completed>\
         <{primary}_node_uuid>u1</{primary}_node_uuid>\
         <last_synced>2026-11-23 05:19:46</last_synced>\
         <checkpoint_time>2026-11-23 05:20:08</checkpoint_time>\
         <checkpoint_completion_time>N/A</checkpoint_completion_time></pair>"
    )
}

const KEY: &str = "u1:ssh://geo@dr::gv2:u2";

#[test]
fn both_vocabularies_say_the_same() {
    let new = answer(&session(KEY, "secondary", &pair("primary", "secondary", "Active")));
    let old = answer(&session(KEY, "slave", &pair("master", "slave", "Active")));
    let (new, old) =
        (SessionStatus::parse_all(&new).unwrap(), SessionStatus::parse_all(&old).unwrap());
    assert_eq!(new, old);

    let session = &new[0];
    assert_eq!((session.primary.as_str(), session.secondary.as_str()), ("gv1", "geo@dr::gv2"));
    let worker = &session.workers[0];
    assert_eq!((worker.host.as_str(), worker.path.as_str()), ("p1", "/b"));
    assert_eq!(worker.status, WorkerStatus::Active);
    assert_eq!((worker.entry, worker.data, worker.meta), (Some(1), Some(2), None));
    assert_eq!(worker.checkpoint_completed, CheckpointFlag::No);
    assert_eq!(worker.checkpoint_time, Some("2026-11-23T05:20:08Z".parse().unwrap()));
    assert_eq!(worker.checkpoint_completion_time, None);
}

#[test]
fn every_word_for_a_state_is_understood_and_a_new_one_is_kept() {
    for word in [
        "Initializing...",
        "Active",
        "Passive",
        "Faulty",
        "Created",
        "Started",
        "Paused",
        "Stopped",
        "inconsistent",
        "Config Corrupted",
        "N/A",
        "Resting",
    ] {
        assert_eq!(WorkerStatus::read(word).to_string(), word);
    }
    assert_eq!(WorkerStatus::read("faulty"), WorkerStatus::Faulty);
    assert_eq!(WorkerStatus::read("Resting"), WorkerStatus::Other("Resting".into()));
}

#[test]
fn a_session_listed_twice_is_one_with_all_its_workers() {
    let once = session(KEY, "secondary", &pair("primary", "secondary", "Active"));
    let sessions = SessionStatus::parse_all(&answer(&[once.as_str(), once.as_str()].concat()));
    let sessions = sessions.unwrap();
    assert_eq!((sessions.len(), sessions[0].workers.len()), (1, 2));
}

#[test]
fn a_status_of_3_6_holds_no_checkpoint() {
    let pair = "<pair><master_node>p1</master_node><master_brick>/b</master_brick>\
                <slave>dr::gv2</slave><status>Active</status>\
                <checkpoint_status>checkpoint as of 1 is completed at 2</checkpoint_status></pair>";
    let sessions = SessionStatus::parse_all(&answer(&session(KEY, "slave", pair))).unwrap();
    assert_eq!(sessions[0].workers[0].checkpoint_completed, CheckpointFlag::Unknown);
}

#[test]
fn a_status_of_3_4_or_3_5_is_refused_by_name() {
    let of_3_4 = "<type>4</type><pair><node>p1</node><status>OK</status></pair>";
    for flat in [of_3_4, "<type>4</type>"] {
        let error = SessionStatus::parse_all(&answer(flat)).unwrap_err();
        assert!(error.to_string().contains("before 3.6") && !error.is_transient(), "{error}");
    }
}

#[test]
fn every_way_to_cut_a_status_is_an_error_that_passes() {
    let pair = pair("primary", "secondary", "Active");
    let xml = answer(&session(KEY, "secondary", &pair));
    for end in 0..xml.len() {
        let error = SessionStatus::parse_all(&xml[..end]).unwrap_err();
        assert!(error.is_transient(), "{:?}", &xml[..end]);
    }
}

#[test]
fn keys_of_every_version_name_the_secondary() {
    for key in ["u1:ssh://dr::gv2:u2", "u1:ssh://dr::gv2", ":u1:ssh://dr::gv2"] {
        assert_eq!(secondary_in(key), "dr::gv2");
    }
    assert_eq!(secondary_in("u1:ssh://fd00::1::gv2:u2"), "fd00::1::gv2");
}
