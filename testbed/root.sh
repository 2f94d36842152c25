# shellcheck shell=bash
# The Debian root that all nodes share as the lower layer of their overlay. Sourced by `up`.
source "$TESTBED/rsync.sh"
source "$TESTBED/mend.sh"

# Another suite, package list or recipe is another root: the key in its name says which.
root_dir() {
    local key
    key=$({ echo "$SUITE" "${PACKAGES[@]}" "$KERNEL"; grep -hv '^ *#' "$TESTBED"/{root.sh,mend.sh,rsync.sh,node/unpack-kernel}; } |
        sha256sum | cut -c1-12)
    printf '%s/cache/%s-%s\n' "$STATE" "$SUITE" "$key"
}

# mirror_of SUITE [LABEL]: where the host's own apt gets this suite, so that no mirror's name stands here. A suite that
# the host does not use comes from where its own come from.
mirror_of() {
    apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(LABEL)' 'Created-By: Packages' 'Origin: Debian' |
        awk -v suite="$1" -v label="${2-Debian}" '$3 == label { any = $1; if ($2 == suite) exact = $1 }
                                                  END { print exact ? exact : any }'
}

install_host_tools() {
    local missing=()
    command -v mmdebstrap >/dev/null || missing+=(mmdebstrap)
    command -v ip >/dev/null || missing+=(iproute2)
    [[ -e /usr/share/keyrings/debian-archive-keyring.gpg ]] || missing+=(debian-archive-keyring)
    ((${#missing[@]} == 0)) && return
    say "installing on this machine: ${missing[*]}"
    apt-get update -q >&2
    apt-get install -q -y --no-install-recommends "${missing[@]}" >&2
}

# Built under another name and renamed when complete: a root that is there is whole.
# How old the mirror's lists are does not matter: a mirror of testing may lag, and is as good for this.
build_root() {
    local root mirror
    root=$(root_dir)
    [[ -d $root ]] && return
    install_host_tools
    mirror=$(mirror_of "$SUITE")
    [[ $mirror ]] || die "this machine's apt knows no Debian archive"
    say "building the $SUITE root, once"
    mkdir -p "$STATE/cache"
    rm -rf "${STATE:?}/cache/$SUITE"-[0-9a-f]* # no node is running on an older one: see `up`
    mmdebstrap --quiet --variant=apt --components=main \
        --include="$(IFS=,; echo "${PACKAGES[*]}")" \
        --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Check-Valid-Until "false"' \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
        --customize-hook="KERNEL=$KERNEL $TESTBED/node/unpack-kernel \"\$1\"" \
        "$SUITE" "$root.partial" "$mirror" >&2
    mend_root "$root.partial"
    mv "$root.partial" "$root"
}
