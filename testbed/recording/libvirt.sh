# shellcheck shell=bash disable=SC2153 # STATE: see lib.sh
# Sourced by `record`. Takes the first VM through every state of a backup.

record_libvirt() {
    vm=${VMS[0]}
    start_folder "libvirt-$(in_node p1 virsh --version | cut -d. -f1,2)"
    record_on_base
    record_external
    record_internal
    record_shut_off
    record_errors
}

keep_virsh() { # FILE STATE VIRSH-ARGUMENT...
    local file=$1 state=$2
    shift 2
    keep "$file" "$state" p1 virsh "$@"
}

virsh_in() { in_node p1 virsh -q "$@" >/dev/null; }
base() { printf '%s/%s-%s.qcow2' "$POOL" "$vm" "$1"; }
overlay() { printf '%s/%s-%s.recording.qcow2' "$POOL" "$vm" "$1"; }
overlay_specs() {
    echo --disk-only --atomic --no-metadata --diskspec "vda,file=$(overlay root)" --diskspec "vdb,file=$(overlay data)" \
        --diskspec hda,snapshot=no
}
mirror_ready() { in_node p1 virsh dumpxml "$vm" | grep -q "<mirror.*ready='yes'"; }

record_on_base() {
    keep_virsh list-name.txt "one running, no other" list --all --name
    keep_virsh domblklist-base.txt "running on its base images" domblklist "$vm" --details
    keep_virsh dumpxml-base.xml "running on its base images" dumpxml "$vm"
    keep_virsh dumpxml-base-inactive.xml "the same, as it will start next" dumpxml --inactive "$vm"
    keep_virsh domstate-running.txt "running" domstate "$vm" --reason
    virsh_in suspend "$vm"
    keep_virsh domstate-paused.txt "suspended" domstate "$vm" --reason
    virsh_in resume "$vm"
    keep_virsh blockcommit-on-base.txt "there is no overlay to commit" \
        blockcommit "$vm" vdb --base "$(base data)" --active --pivot
    keep_virsh blockjob-none.txt "no job" blockjob "$vm" vda --raw
    keep_virsh blockjob-pivot-none.txt "no job" blockjob "$vm" vda --pivot
    keep_virsh blockjob-abort-none.txt "no job" blockjob "$vm" vda --abort
}

record_external() {
    local specs
    read -ra specs < <(overlay_specs)
    keep_virsh snapshot-external-print-xml.xml "only printed" snapshot-create-as "$vm" recording "${specs[@]}" --print-xml
    keep_virsh snapshot-quiesce-no-agent.txt "the guest has no agent" \
        snapshot-create-as "$vm" recording "${specs[@]}" --quiesce
    keep_virsh snapshot-external.txt "overlays made" snapshot-create-as "$vm" recording "${specs[@]}"
    keep_virsh domblklist-overlay.txt "running on overlays" domblklist "$vm" --details
    keep_virsh dumpxml-overlay.xml "running on overlays" dumpxml "$vm"
    keep_virsh dumpxml-overlay-inactive.xml "the same, as it will start next" dumpxml --inactive "$vm"
    keep_virsh snapshot-external-file-exists.txt "the overlay's file is there already" \
        snapshot-create-as "$vm" recording "${specs[@]}"

    # The guest writes a megabyte every five seconds: so much is to be committed slowly enough to look at it.
    sleep 12
    keep_virsh blockcommit-slow.txt "job started, at 1 MiB/s" \
        blockcommit "$vm" vda --base "$(base root)" --active --bandwidth 1
    keep_virsh dumpxml-commit-not-ready.xml "job runs, mirror not ready" dumpxml "$vm"
    keep_virsh blockjob-not-ready.txt "job runs, mirror not ready" blockjob "$vm" vda --raw
    keep_virsh blockjob-not-ready-info.txt "the same for people" blockjob "$vm" vda --info
    keep_virsh blockjob-pivot-not-ready.txt "pivot asked for too early" blockjob "$vm" vda --pivot
    keep_virsh blockcommit-again.txt "a second job on the same disk" \
        blockcommit "$vm" vda --base "$(base root)" --active
    keep_virsh save-during-job.txt "saving while a job runs" save "$vm" /var/tmp/recording.save
    virsh_in blockjob "$vm" vda --bandwidth 0
    wait_for 60 "the mirror to be ready" mirror_ready
    keep_virsh dumpxml-commit-ready.xml "job runs, mirror ready" dumpxml "$vm"
    keep_virsh dumpxml-commit-ready-inactive.xml "the same, as it will start next" dumpxml --inactive "$vm"
    keep_virsh blockjob-ready.txt "job runs, mirror ready" blockjob "$vm" vda --raw
    keep_virsh blockjob-pivot.txt "pivoted" blockjob "$vm" vda --pivot
    keep_virsh dumpxml-one-pivoted.xml "vda on its base again, vdb still on its overlay" dumpxml "$vm"
    keep_virsh blockcommit-pivot.txt "committed and pivoted in one go" \
        blockcommit "$vm" vdb --base "$(base data)" --active --pivot --wait --verbose
    keep_virsh dumpxml-pivoted.xml "both on their bases again" dumpxml "$vm"
    in_node p1 rm "$(overlay root)" "$(overlay data)"
}

record_internal() {
    keep_virsh snapshot-internal.txt "made" snapshot-create-as "$vm" georep-recording
    keep_virsh snapshot-internal-exists.txt "the name is taken" snapshot-create-as "$vm" georep-recording
    keep_virsh snapshot-list.txt "one snapshot" snapshot-list "$vm" --name
    keep_virsh snapshot-dumpxml.xml "its description" snapshot-dumpxml "$vm" georep-recording
    keep_virsh snapshot-delete.txt "deleted" snapshot-delete "$vm" georep-recording
    keep_virsh snapshot-delete-missing.txt "no such snapshot" snapshot-delete "$vm" georep-recording
    keep_virsh snapshot-internal-excluded.txt "a disk left out" \
        snapshot-create-as "$vm" georep-recording --diskspec vdb,snapshot=no
}

# Destroyed while on overlays, which is what a crashed host leaves.
record_shut_off() {
    local specs
    read -ra specs < <(overlay_specs)
    in_node p1 virsh dumpxml --inactive "$vm" >"$STATE/recording.xml"
    virsh_in snapshot-create-as "$vm" recording "${specs[@]}"
    virsh_in destroy "$vm"
    keep_virsh domstate-destroyed.txt "destroyed" domstate "$vm" --reason
    keep_virsh dumpxml-shut-off-overlay.xml "destroyed while on overlays" dumpxml "$vm"
    keep_virsh blockcommit-shut-off.txt "not running" blockcommit "$vm" vda --base "$(base root)" --active --pivot
    keep_virsh blockjob-shut-off.txt "not running" blockjob "$vm" vda --raw
    # -d, do not empty the overlay: QEMU does that by FALLOC_FL_ZERO_RANGE, which gluster's FUSE client 10.3 acknowledges
    # without zeroing anything; then qemu-img finds old data where it wants zeros, and aborts.
    in_node p1 qemu-img commit -q -d "$(overlay root)"
    in_node p1 qemu-img commit -q -d "$(overlay data)"
    put_in p1 "$STATE/recording.xml" /var/tmp/recording.xml
    rm "$STATE/recording.xml"
    virsh_in define /var/tmp/recording.xml
    in_node p1 rm "$(overlay root)" "$(overlay data)" /var/tmp/recording.xml
    keep_virsh dumpxml-shut-off.xml "shut off, on its base images" dumpxml "$vm"
    virsh_in start "$vm"
}

record_errors() {
    keep_virsh unknown-domain.txt "no such domain" dumpxml nosuchvm
    keep_virsh unknown-disk.txt "no such disk" blockjob "$vm" vdz --raw
    keep_virsh domfsfreeze-no-agent.txt "the guest has no agent" domfsfreeze "$vm"
    keep_virsh domfsthaw-no-agent.txt "the guest has no agent" domfsthaw "$vm"
    keep_virsh start-running.txt "it runs already" start "$vm"
    keep_virsh no-libvirtd.txt "nobody listens" -c 'qemu+unix:///system?socket=/run/nobody' list
    keep_virsh version.txt "" version
}
