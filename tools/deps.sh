#!/usr/bin/env bash
#
# Make sure that everything Loop Lab is built, tested and measured with is on this machine.
#
#   tools/deps.sh            install what is missing; says nothing when nothing is
#   tools/deps.sh --check    only report; exit status 1 if something is missing
#   tools/deps.sh --bench    also the servers that `make bench-peers` compares with
#   tools/deps.sh --dev      also the tools of `make lint`, `make format` and `make fuzz`
#   tools/deps.sh --python   also what tools/python.sh builds an interpreter with
#   tools/deps.sh --tsan     also the clang of PY=3.13t-tsan
#   tools/deps.sh --deep     also what `make test-deep` needs: valgrind
#   tools/deps.sh --report   also what draws the report: matplotlib
#   tools/deps.sh --browser  also what `make test-report` looks at it with: Chromium
#   tools/deps.sh --fuzz     also the clang of `make fuzz`, with libFuzzer
#
# From the environment:
#   PYTHON_CONFIG=FILE       embed this Python; default: the distribution's /usr/bin/python3-config
#   LLHTTP_PREFIX=DIR        use the llhttp in DIR (include/llhttp.h and lib/), fetch none
#
# What is there is found by looking for the thing itself (a command, a pkg-config module, a header),
# so it does not matter how it got there. What is missing comes from the machine's own apt sources;
# on a system without apt this script only says what to install.
#
# Debian 12 has no llhttp package, Debian 13 has. So Debian 12 fetches that one package (a header
# and a static library) as tools/apt.sh says and unpacks it into build/deps/llhttp.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=tools/apt.sh
. tools/apt.sh

readonly deps_dir=build/deps
readonly llhttp_dir=$deps_dir/llhttp
log=$deps_dir/install.log
python_config=${PYTHON_CONFIG:-/usr/bin/python3-config}
python_is_own=${PYTHON_CONFIG:+yes}
llhttp_prefix=${LLHTTP_PREFIX:-}
check=no bench=no dev=no python=no tsan=no fuzz=no deep=no report=no browser=no

while (($#)); do
    case $1 in
    --check) check=yes ;;
    --bench) bench=yes ;;
    --dev) dev=yes fuzz=yes ;;
    --python) python=yes ;;
    --tsan) tsan=yes ;;
    --fuzz) fuzz=yes ;;
    --deep) deep=yes ;;
    --report) report=yes ;;
    --browser) browser=yes ;;
    -h | --help)
        print_usage
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

# A clang with the library that -fsanitize=NAME links: these are a package of their own.
have_clang_with() {
    have clang && compgen -G "$(clang -print-resource-dir)/lib/*/libclang_rt.$1*.a" >/dev/null
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
    have_module jansson || missing+=(libjansson-dev)
    have_module criterion || missing+=(libcriterion-dev)
    [[ -x /usr/bin/python3 ]] || missing+=(python3)
    [[ -n $python_is_own ]] || have_python_headers || missing+=(python3-dev)
    # Prometheus' own parser, by which the tests read /metrics; the client of apps that ask others.
    [[ -z $(missing_python_modules prometheus_client) ]] || missing+=(python3-prometheus-client)
    [[ -z $(missing_python_modules httpx) ]] || missing+=(python3-httpx)
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
    if [[ $python == yes ]]; then
        # What asyncio, ssl, zlib and ctypes are compiled against; xz unpacks the source.
        have_module zlib || missing+=(zlib1g-dev)
        have_module openssl || missing+=(libssl-dev)
        have_module libffi || missing+=(libffi-dev)
        have xz || missing+=(xz-utils)
    fi
    if [[ $tsan == yes || $fuzz == yes ]]; then
        { [[ $tsan == no ]] || have_clang_with tsan; } &&
            { [[ $fuzz == no ]] || have_clang_with fuzzer; } || missing+=(clang libclang-rt-dev)
        have llvm-symbolizer || missing+=(llvm) # functions and lines in its reports
    fi
    if [[ $report == yes ]]; then
        [[ -z $(missing_python_modules matplotlib) ]] || missing+=(python3-matplotlib)
    fi
    if [[ $browser == yes ]]; then
        have chromium || missing+=(chromium)
        have chromedriver || missing+=(chromium-driver)
        [[ -z $(missing_python_modules selenium) ]] || missing+=(python3-selenium)
    fi
    [[ $deep == no ]] || have valgrind || missing+=(valgrind)
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
  a C compiler, GNU make 4, pkg-config, libuv, llhttp 9, popt, jansson, Criterion, Python 3.11 or
  newer with its headers, wrk, git; for the tests the system Python's modules prometheus_client and
  httpx
  Homebrew:  brew install make pkgconf libuv llhttp popt jansson criterion python wrk
             then `gmake PYTHON_CONFIG="$(brew --prefix)/bin/python3-config" ...`
  Fedora:    sudo dnf install gcc make pkgconf-pkg-config libuv-devel llhttp-devel popt-devel \
                 jansson-devel python3-devel wrk git, and Criterion from its own releases
An llhttp of your own is used with LLHTTP_PREFIX=DIR.
END
    exit 1
}

take_llhttp() {
    private_apt download libllhttp-dev && dpkg -x libllhttp-dev_*.deb root &&
        # Its .so is a link into a package that we don't take; the static library is enough.
        find root -xtype l -delete && is_llhttp_prefix root/usr && chmod 755 root
}

# Run in a subshell, so that its temporary folder goes whichever way it ends.
fetch_llhttp() (
    work=$(mktemp -d "$PWD/$deps_dir/.llhttp.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    trap 'exit 130' INT TERM HUP
    fetch_newer "$work" deb take_llhttp || exit 1
    rm -rf "$llhttp_dir"
    mv -T "$work/root" "$llhttp_dir"
)

install_missing() {
    have_apt || by_hand

    mkdir -p "$deps_dir"
    exec 9>"$deps_dir/.lock"
    flock 9                     # two makes at once: the second finds the work done
    find_missing || return 0
    : >"$log"
    rm -rf "$deps_dir"/.llhttp.* # left by a run that was killed

    if [[ $need_llhttp == yes && $(system_release) != debian/bookworm ]]; then
        missing+=(libllhttp-dev)
        need_llhttp=no
    fi
    ((${#missing[@]} == 0)) || install_packages "${missing[@]}"
    if [[ " ${missing[*]} " == *" nginx-light "* && -d /run/systemd/system ]]; then
        say "  note: the nginx package has started a web server on port 80, which nothing here"
        say "  needs; \`systemctl disable --now nginx\` stops it"
    fi
    if [[ $need_llhttp == yes ]]; then
        say "fetching: libllhttp-dev from Debian's $newer_suite into $llhttp_dir"
        fetch_llhttp || die_with_log "could not fetch llhttp" \
            "Is there a network, and does \`apt-get update\` work?" \
            "Otherwise build llhttp 9 yourself and pass LLHTTP_PREFIX=DIR."
    fi

    if find_missing; then
        [[ $need_llhttp == no ]] || missing+=("llhttp 9")
        die "still missing after the installation: ${missing[*]}"
    fi
}

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
