# shellcheck shell=bash disable=SC2154 # folder: see keep.sh
# Sourced by `record`. Small images, each of a kind, and what qemu-img says of them. The images are kept as well.

record_qemu() {
    local image version
    version=$(in_node p1 qemu-img --version | sed -n '1s/.*version \([0-9]*\.[0-9]*\).*/\1/p')
    start_folder "qemu-$version"
    put_in p1 "$TESTBED/recording/make-images" /var/tmp/make-images
    in_node p1 /var/tmp/make-images /var/tmp/images
    for image in $(in_node p1 ls /var/tmp/images); do
        keep "$image.info.json" "$(state_of "$image")" p1 env -C /var/tmp/images qemu-img info --output=json "$image"
        keep "$image.check.json" "the same" p1 env -C /var/tmp/images qemu-img check --output=json "$image"
        in_node p1 cat "/var/tmp/images/$image" >"$folder/$image"
    done
    in_node p1 rm -r /var/tmp/images /var/tmp/make-images
    record_running
}

# make-images says it once, beside the commands.
state_of() { sed -n "s/^# $1: //p" "$TESTBED/recording/make-images"; }

record_running() {
    local image=$POOL/${VMS[0]}-root.qcow2 vm=${VMS[0]}
    keep running-locked.info.json "a running VM's image" p1 qemu-img info --output=json "$image"
    in_node p1 virsh -q snapshot-create-as "$vm" georep-recording >/dev/null
    keep running-vm-state.info.json "the same with -U, after an internal snapshot of the running VM" p1 \
        qemu-img info -U --output=json "$image"
    keep running-vm-state-second.info.json "the VM's second disk" p1 \
        qemu-img info -U --output=json "$POOL/$vm-data.qcow2"
    keep running-chain.info.json "with its backing file" p1 qemu-img info -U --backing-chain --output=json "$image"
    in_node p1 virsh -q snapshot-delete "$vm" georep-recording
    keep missing.info.json "no such file" p1 qemu-img info --output=json /var/tmp/nosuch.qcow2
}
