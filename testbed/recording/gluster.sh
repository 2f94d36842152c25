# shellcheck shell=bash disable=SC2154 # folder: see keep.sh
# Sourced by `record`.

keep_session() { # FILE STATE VERB...
    local file=$1 state=$2
    shift 2
    keep "$file" "$state" p1 gluster --mode=script volume geo-replication "$PRIMARY" "dr::$SECONDARY" "$@" --xml
}

# has_workers COUNT TEXT: so many lines of the status say it.
has_workers() { (($(session status detail 2>/dev/null | grep -c "$2") == $1)); }
settled() { has_workers 2 ' Active ' && has_workers 2 ' Passive '; }

record_gluster() {
    start_folder "gluster-$(in_node p1 gluster --version | sed -n '1s/^glusterfs \([0-9]*\.[0-9]*\).*/\1/p')"
    record_volumes
    record_checkpoint
    record_verbs
    record_faulty
    record_conflict
    record_sessions
}

record_volumes() {
    keep volume-info-gv1.xml "2x2, sharded, with a session" p1 gluster volume info "$PRIMARY" --xml
    keep volume-info-gv2.xml "the secondary, of two bricks" dr gluster volume info "$SECONDARY" --xml
    keep volume-info-all.xml "all volumes of the primary cluster" p1 gluster volume info all --xml
    keep volume-info-missing.xml "no such volume" p1 gluster volume info nosuchvol --xml
    keep volume-list.xml "one volume" p1 gluster volume list --xml
    keep volume-status-gv1.xml "all bricks online" p1 gluster volume status "$PRIMARY" --xml
    keep volume-get-rollover-time-default.xml "never set" p1 gluster volume get "$PRIMARY" changelog.rollover-time --xml
    keep volume-set-rollover-time.xml "set" p1 gluster volume set "$PRIMARY" changelog.rollover-time 2 --xml
    keep volume-info-gv1-rollover-time-set.xml "rollover time set" p1 gluster volume info "$PRIMARY" --xml
    keep volume-reset-rollover-time.xml "put back" p1 gluster volume reset "$PRIMARY" changelog.rollover-time --xml
    keep volume-set-unknown-option.xml "no such option" p1 gluster volume set "$PRIMARY" no.such-option 1 --xml
    keep peer-status.xml "both peers connected, seen from p1" p1 gluster peer status --xml
    keep pool-list.xml "the same" p1 gluster pool list --xml
}

# The changelog that holds the nudge has to be on disk before the workers start: their live crawl may never see it.
record_checkpoint() {
    retry session config '!checkpoint'
    retry session start force
    wait_for 60 "the workers to settle" settled
    keep_session status-active-no-checkpoint.xml "running, no checkpoint was ever set" status
    keep_session config-checkpoint-now.xml "checkpoint set while running" config checkpoint now
    keep_session status-active-checkpoint-no.xml "running, checkpoint just set" status
    keep status-active-checkpoint-no.txt "the same for people" p1 \
        gluster volume geo-replication "$PRIMARY" "dr::$SECONDARY" status detail
    retry session stop force
    keep_session config-checkpoint-now-stopped.xml "checkpoint set while stopped" config checkpoint now
    keep_session status-stopped-checkpoint-set.xml "stopped, with a checkpoint" status
    sleep 1.1
    in_node p1 sh -c "rmdir \$(mktemp -d $POOL/.nudge.XXXXXX)"
    sleep 16
    retry session start
    keep_session status-initializing.xml "right after start" status
    wait_for 120 "the checkpoint" has_workers 2 ' Yes '
    keep_session status-active-checkpoint-yes.xml "running, checkpoint complete" status
    keep status-active-checkpoint-yes.txt "the same for people" p1 \
        gluster volume geo-replication "$PRIMARY" "dr::$SECONDARY" status detail
}

record_verbs() {
    keep_session config-all.xml "every setting" config
    keep_session config-get-checkpoint.xml "one setting" config checkpoint
    keep_session config-unknown.xml "no such setting" config no-such-setting
    keep_session config-set-unknown.xml "no such setting" config no-such-setting 1
    keep_session config-checkpoint-not-a-time.xml "not a time" config checkpoint yesterday
    keep_session start-started.xml "it runs already" start
    keep_session start-force-started.xml "it runs already" start force
    keep_session pause.xml "paused" pause
    keep_session status-paused.xml "paused" status
    keep_session pause-paused.xml "it is paused already" pause
    keep_session resume.xml "resumed" resume
    keep_session stop.xml "stopped" stop
    keep_session status-stopped.xml "stopped" status
    keep_session stop-stopped.xml "it is stopped already" stop
    keep_session stop-force-stopped.xml "it is stopped already" stop force
    keep_session start.xml "started" start
    wait_for 60 "the workers to settle" settled
}

# Without sshd on dr, running workers turn Faulty, quicker than a dead network is noticed. A session that is *started* then
# does not: its monitor ends at once and leaves it Stopped, although `start` said success.
record_faulty() {
    in_node dr pkill -x sshd
    wait_for 120 "faulty workers" has_workers 4 ' Faulty '
    keep_session status-faulty.xml "dr took no ssh any more" status
    retry session stop force
    keep_session start-no-ssh.xml "started, and dr takes no ssh" start
    sleep 10
    keep_session status-start-no-ssh.xml "ten seconds later: stopped by itself" status
    in_node dr /usr/sbin/sshd
    retry session start force
    wait_for 120 "the workers to settle" settled
}

# Two commands at a time: one of them loses.
record_conflict() {
    local tries
    for tries in 1 2 3 4 5 6 7 8 9 10; do
        session status >/dev/null 2>&1 &
        keep status-conflict.txt "another command held the volume's lock" p1 \
            gluster volume geo-replication "$PRIMARY" "dr::$SECONDARY" status
        wait
        [[ -e $folder/status-conflict.txt.stderr ]] && return
        sed -i '$d' "$folder/README.md"
        rm "$folder/status-conflict.txt"
    done
    say "no conflict in $tries tries: not recorded"
}

record_sessions() {
    local missing=(gluster volume geo-replication "$PRIMARY" dr::nosuchvol status)
    keep status-all.xml "every session" p1 gluster volume geo-replication status --xml
    keep status-of-gv1.xml "every session of a volume" p1 gluster volume geo-replication "$PRIMARY" status --xml
    keep status-missing-session.xml.txt "no such session: not XML" p1 "${missing[@]}" --xml
    keep status-missing-session.txt "the same for people: here is the reason" p1 "${missing[@]}"
    keep status-missing-volume.xml.txt "no such volume: not XML" p1 \
        gluster volume geo-replication nosuchvol "dr::$SECONDARY" status --xml
    keep status-missing-volume.txt "the same for people: here is the reason" p1 \
        gluster volume geo-replication nosuchvol "dr::$SECONDARY" status
    keep start-missing-session.xml "no such session" p1 \
        gluster volume geo-replication "$PRIMARY" dr::nosuchvol start --xml

    retry session stop force
    keep_session delete.xml "deleted" delete
    keep status-no-sessions.xml "no session at all" p1 gluster volume geo-replication status --xml
    keep_session create-push-pem-not-empty.xml "refused: the secondary has the files of the deleted session" create push-pem
    keep_session create-push-pem-force.xml "created again" create push-pem force
    keep_session status-created.xml "created, never started" status
    retry session start
    wait_for 60 "the workers to settle" settled
}
