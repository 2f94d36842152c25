# shellcheck shell=bash
# What runs the VMs: libvirt, the guest's kernel and initramfs, the domains. Sourced by `up`.

GUEST=/var/lib/guest # in the nodes

# dr gets all of it too: what arrived there is proven by booting it.
install_guest() {
    local node file
    for node in p1 dr; do
        for file in init check-records.awk check-blobs build-initramfs create-vm; do
            put_in "$node" "$TESTBED/guest/$file" "$GUEST/$file"
        done
        in_node "$node" "$GUEST/build-initramfs" "$GUEST"
    done
}

# As root and without labels: over FUSE, ownership and labels would have to be changed on every brick for nothing.
# No cgroups and no private /dev: there is no systemd in a node to ask for them. Consoles straight to their files:
# virtlogd would cut them off at 2 MB.
start_libvirt() {
    local node
    for node in p1 dr; do
        in_node "$node" virsh list >/dev/null 2>&1 && continue
        # libvirtd looks for this user before it reads that it need not. libvirt-daemon-system would bring it, and systemd.
        in_node "$node" sh -c 'id libvirt-qemu 2>/dev/null || useradd --system --user-group libvirt-qemu'
        in_node "$node" sh -ec 'mkdir -p /etc/libvirt /var/log/libvirt && cat >/etc/libvirt/qemu.conf && libvirtd -d' <<'CONF'
user = "root"
group = "root"
security_driver = "none"
dynamic_ownership = 0
remember_owner = 0
cgroup_controllers = []
namespaces = []
stdio_handler = "file"
CONF
        wait_for 20 "libvirtd on $node" in_node "$node" virsh list
    done
}

# /dev/kvm may be there and yet not work, so ask by booting a guest. The answer holds for this machine: it is kept.
accelerator() {
    local answer=$STATE/cache/accelerator
    if [[ ! -e $answer ]]; then
        if in_node p1 timeout 10 qemu-system-x86_64 -accel kvm -m 128 -nodefaults -display none -serial stdio \
            -kernel "$GUEST/vmlinuz" -initrd "$GUEST/initrd" -append 'console=ttyS0 quiet georep.mode=hello' \
            2>/dev/null | grep -aq HELLO; then
            echo kvm
        else
            echo tcg
        fi >"$answer"
    fi
    cat "$answer"
}

start_vms() {
    local vm type=qemu
    [[ $(accelerator) == kvm ]] && type=kvm
    for vm in "${VMS[@]}"; do
        in_node p1 virsh -q dominfo "$vm" >/dev/null 2>&1 || in_node p1 "$GUEST/create-vm" "$vm" "$POOL" "$type"
        [[ $(in_node p1 virsh domstate "$vm") == running* ]] || in_node p1 virsh -q start "$vm"
    done
    for vm in "${VMS[@]}"; do wait_for 60 "the first record of $vm" last_ack "$vm"; done
}
