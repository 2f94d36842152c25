use super::*;

fn volume(counts: &str, bricks: &str, options: &str) -> VolumeInfo {
    let xml = format!(
        "<cliOutput><opRet>0</opRet><opErrno>0</opErrno><opErrstr/><volInfo><volumes><volume>\
         <name>gv1</name><id>7</id><status>1</status><statusStr>Started</statusStr>{counts}\
         <type>7</type><typeStr>Distributed-Replicate</typeStr><transport>0</transport>\
         <bricks>{bricks}</bricks><optCount>1</optCount><options>{options}</options></volume>\
         <count>1</count></volumes></volInfo></cliOutput>"
    );
    VolumeInfo::parse_all(&xml).unwrap().remove(0)
}

fn brick(name: &str) -> String {
    format!("<brick uuid=\"u\">{name}<name>{name}</name><hostUuid>u</hostUuid></brick>")
}

fn sets(volume: &VolumeInfo) -> Vec<Vec<String>> {
    let names = |set: &BrickSet| set.bricks.iter().map(ToString::to_string).collect();
    volume.sets.iter().map(names).collect()
}

#[test]
fn neighbours_are_a_replica_set() {
    let bricks = ["a:/1", "b:/1", "a:/2", "b:/2"].map(brick).concat();
    let volume =
        volume("<replicaCount>2</replicaCount><disperseCount>0</disperseCount>", &bricks, "");
    assert_eq!(sets(&volume), [["a:/1", "b:/1"], ["a:/2", "b:/2"]]);
    assert_eq!(volume.state, VolumeState::Started);
}

#[test]
fn a_disperse_set_is_as_wide_as_its_disperse_count() {
    let bricks = ["a:/1", "b:/1", "c:/1"].map(brick).concat();
    let counts = "<replicaCount>1</replicaCount><disperseCount>3</disperseCount>";
    assert_eq!(sets(&volume(counts, &bricks, "")).len(), 1);
}

#[test]
fn an_arbiter_is_a_brick_of_its_set() {
    let arbiter = brick("c:/1").replace("</brick>", "<isArbiter>1</isArbiter></brick>");
    let bricks = [brick("a:/1"), brick("b:/1"), arbiter].concat();
    let volume = volume("<replicaCount>3</replicaCount>", &bricks, "");
    assert_eq!(sets(&volume), [["a:/1", "b:/1", "c:/1"]]);
}

#[test]
fn where_a_volume_only_distributes_each_brick_is_a_set() {
    let bricks = ["a:/1", "b:/1"].map(brick).concat();
    assert_eq!(sets(&volume("<replicaCount>1</replicaCount>", &bricks, "")), [["a:/1"], ["b:/1"]]);
}

#[test]
fn the_address_of_an_ipv6_brick_keeps_its_colons() {
    let volume = volume("", &brick("fd00::1:/b"), "");
    assert_eq!((volume.bricks[0].host.as_str(), volume.bricks[0].path.as_str()), ("fd00::1", "/b"));
}

#[test]
fn a_tiered_volume_has_the_sets_of_both_tiers() {
    let tier = |name: &str, bricks: [&str; 2]| {
        let bricks = bricks.map(brick).concat();
        format!(
            "<{name}Bricks><{name}brickType>Replicate</{name}brickType>\
                 <{name}replicaCount>2</{name}replicaCount>{bricks}</{name}Bricks>"
        )
    };
    let bricks = [tier("hot", ["a:/h", "b:/h"]), tier("cold", ["a:/c", "b:/c"])].concat();
    assert_eq!(sets(&volume("", &bricks, "")), [["a:/h", "b:/h"], ["a:/c", "b:/c"]]);
}

#[test]
fn the_rollover_time_is_15_s_unless_set() {
    let rollover = |value: &str| {
        let option =
            format!("<option><name>changelog.rollover-time</name><value>{value}</value></option>");
        volume("", &brick("a:/1"), &option).rollover_time().as_secs()
    };
    assert_eq!(volume("", &brick("a:/1"), "").rollover_time().as_secs(), 15);
    let read = ["2", "20s", "20sec", "1m", "2min", "often"].map(rollover);
    assert_eq!(read, [2, 20, 20, 60, 120, 15]);
}

#[test]
fn a_volume_whose_bricks_cannot_be_sets_is_an_error() {
    let bricks = ["a:/1", "b:/1", "a:/2"].map(brick).concat();
    let xml = format!(
        "<cliOutput><opRet>0</opRet><volInfo><volumes><volume><name>v</name>\
         <statusStr>Started</statusStr><typeStr>Replicate</typeStr><replicaCount>2</replicaCount>\
         <bricks>{bricks}</bricks></volume></volumes></volInfo></cliOutput>"
    );
    let error = VolumeInfo::parse_all(&xml).unwrap_err();
    assert!(error.to_string().contains("3 bricks") && !error.is_transient(), "{error}");
}

#[test]
fn a_sharded_volume_has_the_block_size_it_was_given_or_64_mb() {
    let size = |options: &[(&str, &str)]| {
        let option = |(name, value): &(&str, &str)| {
            format!("<option><name>{name}</name><value>{value}</value></option>")
        };
        let options: String = options.iter().map(option).collect();
        volume("", &brick("a:/1"), &options).shard_block_size().map(str::to_owned)
    };
    let given = ("features.shard-block-size", "4MB");
    assert_eq!(size(&[("features.shard", "on"), given]).as_deref(), Some("4MB"));
    assert_eq!(size(&[("features.shard", "Enable")]).as_deref(), Some("64MB"));
    assert_eq!(size(&[("features.shard", "off"), given]), None);
    assert_eq!(size(&[given]), None);
}
