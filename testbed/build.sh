# shellcheck shell=bash
# Builds georep and puts it into the nodes. Sourced, never run.

REPOSITORY=$(dirname "$TESTBED")

# cargo belongs to the user who called, also where that was through sudo, whose PATH does not have it.
cargo_as_caller() {
    if ((EUID == 0)) && [[ ${SUDO_USER:-root} != root ]]; then
        # shellcheck disable=SC2016 # expanded by the caller's login shell
        sudo -u "$SUDO_USER" -H --preserve-env=GEOREP_TEST_NOTHING_SKIPPED bash -lc 'cd "$0" && exec cargo "$@"' "$REPOSITORY" "$@"
    else
        (cd "$REPOSITORY" && cargo "$@")
    fi
}

as_root() { if ((EUID == 0)); then "$@"; else sudo -- "$@"; fi; }

# Static, because nodes of an older suite have an older C library than this machine.
TARGET=x86_64-unknown-linux-gnu

build_georep() {
    cargo_as_caller --config "target.$TARGET.rustflags = ['-C', 'target-feature=+crt-static']" \
        build --target "$TARGET" --release --locked --quiet --package georep-cli
}

install_georep() {
    local node
    for node in "${NODES[@]}"; do
        "$TESTBED/put" "$node" "${CARGO_TARGET_DIR:-$REPOSITORY/target}/$TARGET/release/georep" /usr/local/bin/georep || return
    done
}
