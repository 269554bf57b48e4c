#!/usr/bin/env bash
#
# Make sure that everything Loop Lab is built, tested and measured with is on this machine.
#
#   tools/deps.sh            install what is missing; says nothing when nothing is
#   tools/deps.sh --check    only report; exit status 1 if something is missing
#   tools/deps.sh --bench    also the servers that `make bench-peers` compares with
#   tools/deps.sh --dev      also the tools of `make lint` and `make format`
#
# From the environment:
#   PYTHON_CONFIG=FILE       embed this Python; default: the distribution's /usr/bin/python3-config
#   LLHTTP_PREFIX=DIR        use the llhttp in DIR (include/llhttp.h and lib/), fetch none
#
# What is there is found by looking for the thing itself (a command, a pkg-config module, a header),
# so it does not matter how it got there. What is missing comes from the machine's own apt sources;
# on a system without apt this script only says what to install.
#
# Debian 12 has no llhttp package, Debian 13 has. There, apt looks at the newer suite on the mirror
# that the machine already uses, with lists and cache in a temporary folder of this project: the
# system's package state is not touched, and apt checks the signature against Debian's own keyring.
# The one package (a header and a static library) is unpacked into build/deps/llhttp.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly deps_dir=build/deps
readonly llhttp_dir=$deps_dir/llhttp
readonly llhttp_suite=trixie
python_config=${PYTHON_CONFIG:-/usr/bin/python3-config}
python_is_own=${PYTHON_CONFIG:+yes}
llhttp_prefix=${LLHTTP_PREFIX:-}
check=no bench=no dev=no

say() { printf '%s\n' "$*"; }
die() {
    printf 'deps.sh: %s\n' "$@" >&2
    exit 1
}

while (($#)); do
    case $1 in
    --check) check=yes ;;
    --bench) bench=yes ;;
    --dev) dev=yes ;;
    -h | --help)
        sed -n '3,/^$/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
        exit 0
        ;;
    *)
        printf 'deps.sh: unknown option %s (see --help)\n' "$1" >&2
        exit 2
        ;;
    esac
    shift
done
[[ $python_config == /usr/bin/python3-config ]] && python_is_own=
python_config=$(command -v "$python_config" || printf '%s' "$python_config")

# ---- What is missing -----------------------------------------------------------------------------

have() { command -v "$1" >/dev/null 2>&1; }
have_module() { have pkg-config && pkg-config --exists "$1" 2>/dev/null; }

# The headers that `python3-config --includes` points at are really there.
have_python_headers() {
    local flag
    [[ -x $python_config ]] || return 1
    for flag in $("$python_config" --includes 2>/dev/null); do
        [[ -e ${flag#-I}/Python.h ]] && return 0
    done
    return 1
}

# A prefix as `make install` leaves it, or as dpkg -x does.
is_llhttp_prefix() {
    local lib
    [[ -e $1/include/llhttp.h ]] || return 1
    for lib in "$1"/lib/libllhttp.* "$1"/lib64/libllhttp.* "$1"/lib/*/libllhttp.*; do
        [[ -e $lib ]] && return 0
    done
    return 1
}

have_llhttp() { is_llhttp_prefix "$llhttp_dir/usr" || have_module 'libllhttp >= 9'; }

# Those of the named modules that the distribution's Python can't import.
missing_python_modules() {
    if [[ -x /usr/bin/python3 ]]; then
        /usr/bin/python3 -c '
import importlib.util, sys
print(*(name for name in sys.argv[1:] if importlib.util.find_spec(name) is None))' "$@"
    else
        printf '%s ' "$@"
    fi
}

# Fill `missing` with the names of Debian packages; `need_llhttp` is apart, since its way differs.
find_missing() {
    missing=()
    need_llhttp=no
    local package

    { have "${CC:-cc}" && have make; } || missing+=(build-essential)
    have pkg-config || missing+=(pkg-config)
    have_module libuv || missing+=(libuv1-dev)
    have_module popt || missing+=(libpopt-dev)
    have_module criterion || missing+=(libcriterion-dev)
    [[ -x /usr/bin/python3 ]] || missing+=(python3)
    [[ -n $python_is_own ]] || have_python_headers || missing+=(python3-dev)
    have wrk || missing+=(wrk)
    have git || missing+=(git)
    [[ -n $llhttp_prefix ]] || have_llhttp || need_llhttp=yes

    if [[ $bench == yes ]]; then
        have nginx || [[ -x /usr/sbin/nginx ]] || missing+=(nginx-light)
        for package in $(missing_python_modules uvicorn gunicorn); do
            missing+=("$package")
        done
        for package in $(missing_python_modules uvloop httptools aiohttp hypercorn waitress); do
            missing+=("python3-$package")
        done
    fi
    if [[ $dev == yes ]]; then
        for package in clang-format clang-tidy cppcheck shellcheck; do
            have "$package" || missing+=("$package")
        done
    fi
    ((${#missing[@]} > 0)) || [[ $need_llhttp == yes ]]
}

# What the user brings along can't be installed by us, so a mistake in it is said at once.
check_own() {
    if [[ -n $python_is_own ]] && ! have_python_headers; then
        die "PYTHON_CONFIG=$python_config: not a python3-config with headers" \
            "expected something like /opt/python/bin/python3.13-config"
    fi
    if [[ -n $llhttp_prefix ]] && ! is_llhttp_prefix "$llhttp_prefix"; then
        die "LLHTTP_PREFIX=$llhttp_prefix: no include/llhttp.h, or no libllhttp in its lib folder"
    fi
}

# ---- Installing ----------------------------------------------------------------------------------

by_hand() {
    cat >&2 <<'END'
deps.sh: this system has no apt, so please install these by hand and try again:
  a C compiler, GNU make 4, pkg-config, libuv, llhttp 9, popt, Criterion, Python 3.11 or newer with
  its headers, wrk, git
  Homebrew:  brew install make pkgconf libuv llhttp popt criterion python wrk
             then `gmake PYTHON_CONFIG="$(brew --prefix)/bin/python3-config" ...`
  Fedora:    sudo dnf install gcc make pkgconf-pkg-config libuv-devel llhttp-devel popt-devel \
                 python3-devel wrk git, and Criterion from its own releases
An llhttp of your own is used with LLHTTP_PREFIX=DIR.
END
    exit 1
}

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

die_with_log() {
    {
        say "deps.sh: $1"
        if [[ -s $log ]]; then
            say "the last lines of $log:"
            tail -n 15 "$log" | sed 's/^/    /'
            say "Is there a network, and does \`apt-get update\` work?"
        fi
    } >&2
    exit 1
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
    apt_get install --no-install-recommends -y "$@" || die_with_log "apt could not install: $*"
    if [[ " $* " == *" nginx-light "* && -d /run/systemd/system ]]; then
        say "  note: the nginx package has started a web server on port 80, which nothing here"
        say "  needs; \`systemctl disable --now nginx\` stops it"
    fi
}

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

# Run in a subshell, so that its temporary folder goes whichever way it ends.
fetch_llhttp() (
    codename=$1
    for keyring in /usr/share/keyrings/debian-archive-keyring.{gpg,pgp} none; do
        [[ -e $keyring ]] && break
    done
    [[ $keyring != none ]] || die "no Debian keyring here: install debian-archive-keyring"

    work=$(mktemp -d "$PWD/$deps_dir/.llhttp.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    trap 'exit 130' INT TERM HUP
    mapfile -t mirrors < <(own_mirrors "$codename")
    ((${#mirrors[@]} > 0)) ||
        die "no apt source of this machine offers $codename main, so there is no mirror to ask" \
            "for llhttp; build it yourself and pass LLHTTP_PREFIX=DIR"

    for mirror in "${mirrors[@]}"; do
        rm -rf "${work:?}"/*
        mkdir -p "$work/state/lists/partial" "$work/cache/archives/partial" "$work/root"
        cat >"$work/debian.sources" <<END
Types: deb
URIs: $mirror
Suites: $llhttp_suite
Components: main
Architectures: $(dpkg --print-architecture)
Targets: Packages
Signed-By: $keyring
END
        private=(-q -o Dir::Etc::sourcelist="$work/debian.sources"
            -o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::preferences=/dev/null
            -o Dir::Etc::preferencesparts=/dev/null
            -o Dir::State="$work/state" -o Dir::Cache="$work/cache" -o APT::Default-Release=
            -o APT::Update::Error-Mode=any -o APT::Sandbox::User=root -o Acquire::Languages=none
            -o Acquire::Retries=2)
        if {
            apt-get "${private[@]}" update &&
                (cd "$work" && apt-get "${private[@]}" download libllhttp-dev) &&
                dpkg -x "$work"/libllhttp-dev_*.deb "$work/root"
        } >>"$log" 2>&1 </dev/null; then
            # Its .so is a link into a package that we don't take; the static library is enough.
            find "$work/root" -xtype l -delete
            is_llhttp_prefix "$work/root/usr" || continue
            chmod 755 "$work/root"
            rm -rf "$llhttp_dir"
            mv -T "$work/root" "$llhttp_dir"
            exit 0
        fi
    done
    exit 1
)

install_missing() {
    local codename='' id=''
    { have apt-get && have dpkg; } || by_hand

    mkdir -p "$deps_dir"
    exec 9>"$deps_dir/.lock"
    flock 9                     # two makes at once: the second finds the work done
    find_missing || return 0
    : >"$log"
    rm -rf "$deps_dir"/.llhttp.* # left by a run that was killed

    if [[ -r /etc/os-release ]]; then
        # shellcheck source=/dev/null
        id=$(. /etc/os-release && printf '%s' "${ID:-}")
        # shellcheck source=/dev/null
        codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
    fi
    if [[ $need_llhttp == yes && $id/$codename != debian/bookworm ]]; then
        missing+=(libllhttp-dev)
        need_llhttp=no
    fi
    ((${#missing[@]} == 0)) || install_packages "${missing[@]}"
    if [[ $need_llhttp == yes ]]; then
        say "fetching: libllhttp-dev from Debian's $llhttp_suite into $llhttp_dir"
        fetch_llhttp "$codename" ||
            die_with_log "could not fetch llhttp; LLHTTP_PREFIX=DIR uses one of your own"
    fi

    if find_missing; then
        [[ $need_llhttp == no ]] || missing+=("llhttp 9")
        die "still missing after the installation: ${missing[*]}"
    fi
}

log=$deps_dir/install.log
check_own
if find_missing; then
    if [[ $check == yes ]]; then
        [[ $need_llhttp == no ]] || missing+=(llhttp)
        say "missing: ${missing[*]}"
        exit 1
    fi
    install_missing
elif [[ $check == yes ]]; then
    say "nothing is missing"
fi
