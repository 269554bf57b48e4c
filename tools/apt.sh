# Sourced by tools/deps.sh and tools/python.sh: messages, and what this machine's apt can fetch.
#
# Packages are installed from the machine's own apt sources. What the machine's release lacks is
# looked for in a newer suite of Debian on the mirror that the machine already uses, with lists and
# cache in a temporary folder: the system's package state is not touched, and apt checks the
# signature against Debian's own keyring.
#
# The script that sources this runs in the repository's root, and sets `log` to a file before it
# calls anything that fetches.
# shellcheck shell=bash
log=${log:-}

readonly newer_suite=trixie

say() { printf '%s\n' "$*"; }
die() {
    printf "${0##*/}: %s\n" "$@" >&2
    exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

# die_with_log MESSAGE [HINT...]: the end of the log tells the rest.
die_with_log() {
    local message=$1
    shift
    {
        say "${0##*/}: $message"
        if [[ -s $log ]]; then
            say "the last lines of $log:"
            tail -n 15 "$log" | sed 's/^/    /'
        fi
        (($# == 0)) || printf '%s\n' "$@"
    } >&2
    exit 1
}

# print_usage: the comment at the head of the script, from its third line to its first empty one.
print_usage() { sed -n '3,/^$/s/^# \{0,1\}//p' "tools/${0##*/}"; }

# ---- This system ---------------------------------------------------------------------------------

have_apt() { have apt-get && have dpkg; }

# "debian/bookworm"; "/" where nothing says.
system_release() {
    local ID='' VERSION_CODENAME=''
    # shellcheck source=/dev/null
    [[ ! -r /etc/os-release ]] || . /etc/os-release
    printf '%s/%s' "$ID" "$VERSION_CODENAME"
}

# ---- Installing ----------------------------------------------------------------------------------

as_root() {
    if (($(id -u) == 0)); then
        "$@"
    else
        sudo "$@"
    fi
}

# apt's own words go to the log; whoever calls this shows its end if it matters.
apt_get() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120 \
        -o Acquire::Retries=2 "$@" </dev/null >>"$log" 2>&1
}

install_packages() {
    if (($(id -u) != 0)) && ! have sudo; then
        die "missing: $*" \
            "installing packages needs root: run this as root, or install sudo, or run" \
            "  apt-get install $*"
    fi
    say "installing: $*"
    # One broken third-party source must not stop us: what counts is whether the packages come.
    apt_get update || say "  (apt-get update reported errors, going on with what it has)"
    apt_get install --no-install-recommends -y "$@" ||
        die_with_log "apt could not install: $*" \
            "Is there a network, and does \`apt-get update\` work?"
}

# ---- Fetching from the newer suite ---------------------------------------------------------------

# The archives that this machine's apt uses for its own release, as apt itself understands its
# sources (both formats); those that say they are Debian's first.
own_mirrors() {
    # shellcheck disable=SC2016  # apt's own variables
    apt-get indextargets --format '$(ORIGIN)|$(RELEASE)|$(CODENAME)|$(COMPONENT)|$(REPO_URI)' \
        'Created-By: Packages' 2>>"$log" |
        awk -F'|' -v own="$1" '
            $4 == "main" && ($2 == own || $3 == own) && !seen[$5]++ {
                print ($1 == "Debian" ? 0 : 1) "|" $5
            }' | sort -s -t'|' -k1,1 | cut -d'|' -f2-
}

# fetch_newer FOLDER TYPE COMMAND...: for one mirror after the other, empty FOLDER, read the newer
# suite's index of that TYPE (deb or deb-src) and run COMMAND in FOLDER, where private_apt calls apt
# with that index; until COMMAND succeeds. What both say goes to the log.
fetch_newer() {
    local folder=$1 type=$2 release keyring mirror mirrors
    shift 2
    for keyring in /usr/share/keyrings/debian-archive-keyring.{gpg,pgp} none; do
        [[ -e $keyring ]] && break
    done
    [[ $keyring != none ]] || die "no Debian keyring here: install debian-archive-keyring"
    release=$(system_release)
    mapfile -t mirrors < <(own_mirrors "${release#*/}")
    ((${#mirrors[@]} > 0)) ||
        die "no apt source of this machine offers ${release#*/} main, so there is no mirror to ask"

    for mirror in "${mirrors[@]}"; do
        rm -rf "${folder:?}"/*
        write_private_apt "$folder/apt" "$mirror" "$type" "$keyring"
        if { private_apt update && (cd "$folder" && "$@"); } >>"$log" 2>&1 </dev/null; then
            return 0
        fi
    done
    return 1
}

private_apt() { apt-get "${private_apt_options[@]}" "$@"; }

write_private_apt() {
    local state=$1 type=$3 targets=Packages
    [[ $type == deb ]] || targets=Sources
    mkdir -p "$state/state/lists/partial" "$state/cache/archives/partial"
    cat >"$state/debian.sources" <<END
Types: $type
URIs: $2
Suites: $newer_suite
Components: main
Architectures: $(dpkg --print-architecture)
Targets: $targets
Signed-By: $4
END
    private_apt_options=(-q -o Dir::Etc::sourcelist="$state/debian.sources"
        -o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::preferences=/dev/null
        -o Dir::Etc::preferencesparts=/dev/null
        -o Dir::State="$state/state" -o Dir::Cache="$state/cache" -o APT::Default-Release=
        -o APT::Update::Error-Mode=any -o APT::Sandbox::User=root -o Acquire::Languages=none
        -o Acquire::Retries=2)
}
