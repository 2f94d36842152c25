# shellcheck shell=bash
# The volumes and the geo-replication session between them. Sourced by `up`.

gluster_in() { local node=$1; shift; in_node "$node" gluster --mode=script "$@"; }

volume_info() { gluster_in "$1" volume info "$2" 2>/dev/null; }

# A small shard size, so that small images are many files, as big ones are in earnest. GEOREP_TESTBED_ROLLOVER is the
# primary's changelog.rollover-time in seconds, else it has its default; it is set before there are changelogs to lose by it.
start_volume() {
    local node=$1 volume=$2
    shift 2
    if volume_info "$node" "$volume" | grep -q '^Status: Started'; then return; fi
    volume_info "$node" "$volume" >/dev/null && gluster_in "$node" volume start "$volume" && return
    gluster_in "$node" volume create "$volume" "$@" force >&2
    gluster_in "$node" volume set "$volume" features.shard on >&2
    gluster_in "$node" volume set "$volume" features.shard-block-size 4MB >&2
    if [[ $volume == "$PRIMARY" && -n ${GEOREP_TESTBED_ROLLOVER:-} ]]; then
        gluster_in "$node" volume set "$volume" changelog.rollover-time "$GEOREP_TESTBED_ROLLOVER" >&2
    fi
    gluster_in "$node" volume start "$volume" >&2
}

start_volumes() {
    wait_for 20 "glusterd on p2" gluster_in p2 pool list
    wait_for 20 "glusterd on dr" gluster_in dr pool list
    wait_for 20 "the peers" gluster_in p1 peer probe p2
    wait_for 20 "p2 to be connected" in_node p1 sh -c 'gluster pool list | grep -q "p2.*Connected"'
    # Neighbours in this list are a replica set: each one spans both nodes.
    start_volume p1 "$PRIMARY" replica 2 p1:/bricks/a p2:/bricks/a p1:/bricks/b p2:/bricks/b
    start_volume dr "$SECONDARY" dr:/bricks/a dr:/bricks/b
}

session() { gluster_in p1 volume geo-replication "$PRIMARY" "dr::$SECONDARY" "$@"; }

# `start force` is the one that is content with a session that runs, and also starts what has died of it.
start_session() {
    in_node dr pgrep -x sshd >/dev/null || in_node dr /usr/sbin/sshd
    if ! session status >/dev/null 2>&1; then
        gluster_in p1 system:: execute gsec_create
        # With force, for a secondary that holds the files of a session that was deleted.
        session create push-pem force
        # Without it rsync passes over a file whose size and whole second of change are the same on both sides: a shard
        # written again within the second in which it was copied would keep its old content on dr. The space keeps gsyncd
        # from taking it for an option of its own.
        session config rsync-options ' --ignore-times'
    fi
    session start force
}

mount_pool() {
    in_node p1 mountpoint -q "$POOL" && return
    in_node p1 mkdir -p "$POOL"
    in_node p1 mount -t glusterfs "p1:/$PRIMARY" "$POOL"
}
