# shellcheck shell=bash
# Versions of rsync. With 3.5.0 and 3.5.1, gsyncd makes files of 0 bytes on the secondary while every status is green:
# Debian 13 and testing have them, and Debian 12 in its security archive. Sourced, needs root.sh.

GOOD_RSYNC=3.2.7

# sound_rsync VERSION: one that geo-replication can rely on.
sound_rsync() { dpkg --compare-versions "$1" lt 3.5; }

# fetch_rsync SITE SUITE: the suite's rsync, with an apt of its own: the host's lists and sources stay as they are.
fetch_rsync() {
    local apt=$STATE/cache/rsync-$2
    mkdir -p "$apt/partial"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $1 $2 main" >"$apt/sources"
    : >"$apt/status"
    (
        cd "$apt"
        export APT_CONFIG=$apt/conf
        printf '%s "%s";\n' Dir::Etc::sourcelist "$apt/sources" Dir::Etc::sourceparts - \
            Dir::State "$apt" Dir::State::status "$apt/status" Dir::Cache "$apt" APT::Sandbox::User root >conf
        apt-get update -q
        apt-get download -q rsync
    ) >&2
}

cached_rsync() { find "$STATE/cache" -path "*/rsync-*/rsync_$1*.deb" 2>/dev/null | head -n1; }

# rsync_deb VERSION: where its package lies.
rsync_deb() {
    local suite site
    case $1 in
        3.2.7) suite=bookworm site=$(mirror_of bookworm) ;;
        3.5.0) suite=bookworm-security site=$(mirror_of bookworm-security Debian-Security) ;;
        *) return 1 ;;
    esac
    [[ $(cached_rsync "$1") ]] || fetch_rsync "$site" "$suite"
    [[ $(cached_rsync "$1") ]] || die "$suite has another rsync than $1 now"
    cached_rsync "$1"
}
