//! `gluster`: one volume, one session, and what its workers say.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use georep_tests::simulated::{Fault, Row, Scenario, State};

use crate::answer::{Answer, fails, stdout};
use crate::files::replace;
use crate::nodes;
use crate::world;

/// What `gluster` answers.
pub fn answer(scenario: &Scenario, state: &mut State, args: &[String]) -> Option<Answer> {
    let as_xml = args.iter().any(|arg| arg == "--xml");
    let words: Vec<&str> =
        args.iter().map(String::as_str).filter(|word| !word.starts_with("--")).collect();
    if let Some(host) = args.iter().find_map(|arg| arg.strip_prefix("--remote-host=")) {
        return other_site(host, &words);
    }
    Some(match words.as_slice() {
        [] if args.iter().any(|arg| arg == "--version") => stdout(format!(
            "{}\nRepository revision: git://git.gluster.org/glusterfs.git\n",
            nodes::GLUSTER
        )),
        ["pool", "list"] => stdout(pool_list(&hosts(scenario))),
        ["volume", "status", "gv1"] => stdout(volume_status(&scenario.bricks)),
        ["volume", "info", "gv1"] => stdout(volume_info(scenario, state)),
        ["volume", "info", name] => stdout(no_volume(name)),
        ["volume", "geo-replication", "gv1", secondary, rest @ ..]
            if secondary.trim_start_matches("root@") == format!("{}::gv2", scenario.secondary) =>
        {
            session(scenario, state, rest, as_xml)
        }
        ["volume", "geo-replication", "status"]
        | ["volume", "geo-replication", "gv1", "status"] => {
            session(scenario, state, &["status"], as_xml)
        }
        ["volume", "geo-replication", ..] => no_session(as_xml),
        ["volume", "set", "gv1", key, value] => {
            state.options.insert((*key).to_owned(), (*value).to_owned());
            stdout(xml(""))
        }
        ["volume", "reset", "gv1", key] => {
            state.options.remove(*key);
            stdout(xml(""))
        }
        _ => return None,
    })
}

/// What the glusterd of the secondary's node answers, of the volume gv2.
fn other_site(host: &str, words: &[&str]) -> Option<Answer> {
    let brick = format!("{host}:/b/1");
    let options = [("features.read-only".to_owned(), "on".to_owned())].into();
    Some(match words {
        ["pool", "list"] => stdout(pool_list(&[host.to_owned()])),
        ["volume", "status", "gv2"] => stdout(volume_status(&[brick])),
        ["volume", "info", "gv2"] => stdout(xml(&volume("gv2", &[brick], 1, false, &options))),
        ["volume", "info", name] => stdout(no_volume(name)),
        _ => return None,
    })
}

/// The hosts of the bricks, each once; the first is the node that is asked.
fn hosts(scenario: &Scenario) -> Vec<String> {
    let mut hosts: Vec<String> = Vec::new();
    for host in scenario.bricks.iter().map(|brick| host_uuid(brick)) {
        if !hosts.iter().any(|other| other == host) {
            hosts.push(host.to_owned());
        }
    }
    hosts
}

fn pool_list(hosts: &[String]) -> String {
    let peer = |(i, host): (usize, &String)| {
        let name = if i == 0 { "localhost" } else { host };
        format!(
            "<peer><uuid>{host}</uuid><hostname>{name}</hostname><connected>1</connected></peer>"
        )
    };
    let peers: String = hosts.iter().enumerate().map(peer).collect();
    xml(&format!("<peerStatus>{peers}</peerStatus>"))
}

fn volume_status(bricks: &[String]) -> String {
    let node = |brick: &String| {
        let (host, path) = brick.rsplit_once(":/").expect("a brick is host:/path");
        format!("<node><hostname>{host}</hostname><path>/{path}</path><status>1</status></node>")
    };
    let nodes: String = bricks.iter().map(node).collect();
    xml(&format!("<volStatus><volumes><volume>{nodes}</volume></volumes></volStatus>"))
}

/// How a call with these arguments is refused.
pub fn refused(fault: &Fault, args: &[String]) -> Option<Answer> {
    let as_xml = fault.refuses && args.iter().any(|arg| arg == "--xml");
    as_xml.then(|| stdout(envelope(-1, 30800, fault.stderr.trim_end(), "")))
}

fn session(scenario: &Scenario, state: &mut State, words: &[&str], as_xml: bool) -> Answer {
    match words {
        ["status"] if as_xml => stdout(status(scenario, state)),
        ["status"] => stdout("PRIMARY NODE    PRIMARY VOL\n"),
        ["stop", ..] => {
            if state.running && !scenario.copies_nothing {
                replace(&world().join("gv2"), &world().join("gv1"));
            }
            state.running = false;
            stdout(xml("<geoRep><primary>gv1</primary><secondary>dr::gv2</secondary></geoRep>"))
        }
        ["start"] => {
            state.running = true;
            stdout(xml("<geoRep><primary>gv1</primary><secondary>dr::gv2</secondary></geoRep>"))
        }
        ["pause"] => {
            stdout(xml("<geoRep><primary>gv1</primary><secondary>dr::gv2</secondary></geoRep>"))
        }
        ["config", "checkpoint", "now"] => {
            state.checkpoint = Some(now());
            stdout(xml(
                "<geoRep><config><message>geo-replication config updated successfully</message></config></geoRep>",
            ))
        }
        ["config"] => {
            stdout(xml("<geoRep><config><ssh_port>22</ssh_port><sync_method>rsync</sync_method>\
             <rsync_ssh_options/></config></geoRep>"))
        }
        ["config", "checkpoint"] => match state.checkpoint {
            Some(time) if as_xml => stdout(xml(&format!(
                "<geoRep><config><checkpoint>{time}</checkpoint></config></geoRep>"
            ))),
            Some(time) => stdout(format!("{time}\n")),
            None => stdout("0\n"),
        },
        _ => fails(&format!("unrecognized word: {}", words.join(" "))),
    }
}

fn no_session(as_xml: bool) -> Answer {
    let (reason, exit) = if as_xml {
        ("", 2)
    } else {
        ("No active geo-replication sessions between gv1 and dr::nosuch\n", 1)
    };
    Answer { exit, ..stdout(format!("{reason}geo-replication command failed\n")) }
}

fn xml(payload: &str) -> String {
    envelope(0, 0, "", payload)
}

fn envelope(op_ret: i32, op_errno: i32, reason: &str, payload: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n<cliOutput>\
         <opRet>{op_ret}</opRet><opErrno>{op_errno}</opErrno><opErrstr>{reason}</opErrstr>\
         {payload}</cliOutput>\n"
    )
}

fn no_volume(name: &str) -> String {
    let payload = "<volInfo><volumes><count>0</count></volumes></volInfo>";
    envelope(-1, 30806, &format!("Volume {name} does not exist"), payload)
}

fn volume_info(scenario: &Scenario, state: &State) -> String {
    let Scenario { bricks, replica, tiered, .. } = scenario;
    xml(&volume("gv1", bricks, *replica, *tiered, &state.options))
}

fn volume(
    name: &str,
    names: &[String],
    replica: usize,
    tiered: bool,
    set: &BTreeMap<String, String>,
) -> String {
    let count = names.len();
    let mut bricks = String::new();
    for brick in names {
        let _ = write!(
            bricks,
            "<brick uuid=\"u\">{brick}<name>{brick}</name><hostUuid>{}</hostUuid>\
             <isArbiter>0</isArbiter></brick>",
            host_uuid(brick)
        );
    }
    if tiered {
        bricks = format!(
            "<hotBricks><hotreplicaCount>0</hotreplicaCount></hotBricks>\
             <coldBricks><coldreplicaCount>{replica}</coldreplicaCount>{bricks}</coldBricks>"
        );
    }
    let mut options = String::new();
    for (name, value) in set {
        let _ = write!(options, "<option><name>{name}</name><value>{value}</value></option>");
    }
    format!(
        "<volInfo><volumes><volume><name>{name}</name><id>1</id><status>1</status>\
         <statusStr>Started</statusStr><brickCount>{count}</brickCount>\
         <distCount>{}</distCount><replicaCount>{replica}</replicaCount><arbiterCount>0</arbiterCount>\
         <disperseCount>0</disperseCount><redundancyCount>0</redundancyCount><type>7</type>\
         <typeStr>Distributed-Replicate</typeStr><transport>0</transport>\
         <bricks>{bricks}</bricks><optCount>{}</optCount><options>{options}</options></volume>\
         <count>1</count></volumes></volInfo>",
        count / replica,
        set.len()
    )
}

fn status(scenario: &Scenario, state: &mut State) -> String {
    let rows = if state.running {
        let last = scenario.polls.len().saturating_sub(1);
        let poll = scenario.polls.get(state.polls.min(last)).cloned().unwrap_or_default();
        // Before the checkpoint is set nobody waits for anything.
        state.polls += usize::from(state.checkpoint.is_some());
        poll
    } else {
        (0..scenario.bricks.len()).map(|brick| Row::new(brick, "Stopped", "N/A")).collect()
    };
    let (primary, secondary) =
        if scenario.old_words { ("master", "slave") } else { ("primary", "secondary") };
    let pairs: String =
        rows.iter().map(|row| pair(scenario, state, row, primary, secondary)).collect();
    xml(&format!(
        "<geoRep><volume><name>gv1</name><sessions><session>\
         <session_{secondary}>u1:ssh://{}::gv2:u2</session_{secondary}>{pairs}\
         </session></sessions></volume></geoRep>",
        scenario.secondary
    ))
}

fn pair(scenario: &Scenario, state: &State, row: &Row, primary: &str, secondary: &str) -> String {
    let brick = &scenario.bricks[row.brick];
    let (host, path) = brick.rsplit_once(":/").expect("a brick is host:/path");
    let checkpoint = match state.checkpoint {
        Some(time) if row.completed != "N/A" => time - row.checkpoint_age,
        _ => 0,
    };
    let time = if checkpoint == 0 { "N/A".to_owned() } else { utc(checkpoint) };
    let user = scenario.secondary.rsplit_once('@').map_or("root", |(user, _)| user);
    let completion = if row.completed == "Yes" { time.as_str() } else { "N/A" };
    let synced = if scenario.turns_are_known { utc(now() - 3) } else { time.clone() };
    format!(
        "<pair><{primary}_node>{host}</{primary}_node><{primary}_brick>/{path}</{primary}_brick>\
         <{secondary}_user>{user}</{secondary}_user>\
         <{secondary}>{}::gv2</{secondary}>\
         <{secondary}_node/><status>{}</status><crawl_status>Changelog Crawl</crawl_status>\
         <entry>0</entry><data>0</data><meta>0</meta><failures>{}</failures>\
         <checkpoint_completed>{}</checkpoint_completed>\
         <{primary}_node_uuid>{}</{primary}_node_uuid><last_synced>{synced}</last_synced>\
         <checkpoint_time>{time}</checkpoint_time>\
         <checkpoint_completion_time>{completion}</checkpoint_completion_time></pair>",
        scenario.secondary,
        row.status,
        row.failures,
        row.completed,
        host_uuid(brick)
    )
}

fn host_uuid(brick: &str) -> &str {
    brick.rsplit_once(":/").map_or(brick, |(host, _)| host)
}

fn utc(seconds: i64) -> String {
    let time = jiff::Timestamp::from_second(seconds).expect("a time");
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}
