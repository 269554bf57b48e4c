#!/usr/bin/env bash
#
# Build an interpreter for the labs to embed, once; `make python PY=3.13t` calls it.
#
#   tools/python.sh NAME            build it if the cache hasn't got it; says nothing if it has
#   tools/python.sh --check NAME    only look: exit status 1 if the cache hasn't got it, whole
#   tools/python.sh --path NAME     print its python3-config's path, built or not
#   tools/python.sh --pair NAME     say if it and the other of its pair differ by more than the GIL
#
# NAME is one of
#   3.13         with the GIL
#   3.13t        free-threaded, otherwise built the same way, so that the pair differs by that alone
#   3.13t-tsan   free-threaded, by clang with ThreadSanitizer
#
# From the environment:
#   PY_OPT=pgo        with profile-guided optimisation: several times as long, a cache entry apart
#   XDG_CACHE_HOME    the cache is in its looplab/python [~/.cache]
#   DEPS=0            install nothing that the build needs
#
# The source is the newer Debian suite's package of that Python, fetched as tools/apt.sh says. Of
# it, upstream's own archive is built, without Debian's patches: those move files to where Debian
# wants them. The result is built in a folder beside its place in the cache, checked, and renamed
# into its place; a stamp lists how it was built and the size of every file. What has no stamp, or
# doesn't match it, is built again.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=tools/apt.sh
. tools/apt.sh

readonly names='3.13 3.13t 3.13t-tsan'
readonly recipe=1           # in the stamp: another number, and what was built before isn't used
readonly needed_mib=700     # the source and its objects; what stays is a third of it
own_hint='To embed one of your own instead: make ... '
readonly own_hint+='PYTHON_CONFIG=/path/to/python3.13t-config'

# ---- Arguments -----------------------------------------------------------------------------------

command=build
while (($#)); do
    case $1 in
    --check) command=check ;;
    --path) command=path ;;
    --pair) command=pair ;;
    -h | --help)
        print_usage
        exit 0
        ;;
    -*)
        printf 'python.sh: unknown option %s (see --help)\n' "$1" >&2
        exit 2
        ;;
    *) break ;;
    esac
    shift
done
(($# == 1)) || {
    printf 'python.sh: which Python? One of: %s, as in "make python PY=3.13t"\n' "$names" >&2
    exit 2
}
name=$1
opt=${PY_OPT:-}

# bad MESSAGE...: a mistake in what was asked for.
bad() {
    printf 'python.sh: %s\n' "$@" >&2
    exit 2
}

[[ " $names " == *" $name "* && $name != *' '* && -n $name ]] ||
    bad "PY=$name: no Python of that name can be built here; there are: $names" "$own_hint"
[[ -z $opt || $opt == pgo ]] || bad "PY_OPT=$opt: the only choice is pgo"
[[ $opt != pgo || $name != *-tsan ]] ||
    bad "PY_OPT=pgo doesn't go with PY=$name, whose speed means nothing"
[[ -n ${XDG_CACHE_HOME:-${HOME:-}} ]] || bad "set HOME or XDG_CACHE_HOME: the cache needs a place"

entry=$name${opt:+-$opt}
readonly name opt entry
cache=${XDG_CACHE_HOME:-$HOME/.cache}/looplab/python
[[ $cache == /* ]] || cache=$PWD/$cache
[[ $cache != *[[:space:]:\'\"\$]* ]] ||
    bad "$cache: CPython can't be built in a folder of that name: XDG_CACHE_HOME=/some/other/folder"
readonly cache prefix=$cache/$entry
readonly version=${name%%[!0-9.]*}          # 3.13
readonly abi=${name%-tsan}                  # 3.13t
readonly stamp=$prefix/looplab.stamp
log=$cache/$entry.log

# ---- The cache -----------------------------------------------------------------------------------

# Every file that the build has made, with its size. Python adds its own __pycache__ folders.
list_files() {
    (cd "$1" && find . -type f -not -name '*.pyc' -not -name looplab.stamp -printf '%s %P\n' |
        LC_ALL=C sort -k2)
}

# Nothing that the stamp lists is missing or has another size; more (pip's, say) may be there.
is_whole() {
    [[ -r $stamp ]] && grep -qx "recipe: $recipe" "$stamp" && grep -qx "prefix: $prefix" "$stamp" &&
        grep -qx 'files:' "$stamp" &&
        [[ -z $(LC_ALL=C comm -23 <(sed '1,/^files:$/d' "$stamp" | LC_ALL=C sort) \
            <(list_files "$prefix" | LC_ALL=C sort)) ]]
}

from_stamp() { sed -n "s/^$1: //p" "$2" 2>/dev/null | head -n 1; }

# The other half of a pair, if it is there, should be of the same version, compiler and flags.
compare_with_pair() {
    local other=$cache/${entry/3.13t/3.13} key
    [[ $abi == *t ]] || other=$cache/${entry/3.13/3.13t}
    [[ $name != *-tsan && -r $other/looplab.stamp ]] || return 0
    for key in version compiler flags; do
        [[ $(from_stamp "$key" "$other/looplab.stamp") == $(from_stamp "$key" "$stamp") ]] ||
            printf '  note: %s was built with another %s than %s: to compare the two, %s\n' \
                "$other" "$key" "$entry" "remove it and build it again"
    done
}

case $command in
path)
    printf '%s\n' "$prefix/bin/python$abi-config"
    exit 0
    ;;
check)
    is_whole
    exit
    ;;
pair)
    [[ ! -r $stamp ]] || compare_with_pair
    exit 0
    ;;
esac
if is_whole; then
    exit 0
fi

# ---- Progress ------------------------------------------------------------------------------------
# A step runs in a process group of its own, so that it can be ended as a whole.

readonly steps=5
step_number=0 step_pid=''
work=''

elapsed() { printf '%d:%02d' $((SECONDS / 60)) $((SECONDS % 60)); }

# step TEXT COMMAND...: run it with its output in the log, and show that time passes.
step() {
    local text status=0 compiled beat=$SECONDS
    step_number=$((step_number + 1))
    text="  [$step_number/$steps] $1"
    shift
    printf '==== %s: %s\n' "$(elapsed)" "$*" >>"$log"
    [[ -t 1 ]] || say "$text ($(elapsed))"
    set -m
    "$@" >>"$log" 2>&1 </dev/null 9>&- &
    step_pid=$!
    set +m
    while kill -0 "$step_pid" 2>/dev/null; do
        compiled=$(grep -c -- ' -c .* -o ' "$log" || true)
        ((compiled > 0)) && compiled=", $compiled files compiled" || compiled=''
        if [[ -t 1 ]]; then
            printf '\r\033[K%s  %s%s' "$text" "$(elapsed)" "$compiled"
        elif ((SECONDS - beat >= 30)); then
            beat=$SECONDS
            say "        $(elapsed)$compiled"
        fi
        sleep 0.5
    done
    wait "$step_pid" || status=$?
    step_pid=''
    [[ ! -t 1 ]] || printf '\r\033[K%s  done at %s\n' "$text" "$(elapsed)"
    return "$status"
}

on_exit() {
    [[ -z $step_pid ]] || kill -TERM -- "-$step_pid" 2>/dev/null || true
    [[ -z $step_pid ]] || wait "$step_pid" 2>/dev/null || true
    [[ -z $work ]] || rm -rf "$work"
}

# fail MESSAGE [HINT]: a step went wrong; a full disk is said first, since nothing else shows it.
fail() {
    if grep -q 'No space left on device' "$log" || (($(free_mib) < 20)); then
        die_with_log "$1: the disk of $cache is full ($needed_mib MiB are needed)" \
            "XDG_CACHE_HOME=/some/other/folder puts the cache elsewhere."
    fi
    die_with_log "$@" "$own_hint"
}

free_mib() { df -Pm "$cache" | awk 'NR == 2 { print $4 }'; }

# ---- The steps -----------------------------------------------------------------------------------

take_source() {
    private_apt source --download-only "python$version" &&
        sha256sum "python${version}_"*.orig.tar.xz >SHA256SUMS
}

# The archive that apt has checked stays in the cache, so that a pair is of one version.
fetch_source() {
    local sources=$cache/source-$version
    if [[ -e $sources/SHA256SUMS ]] && (cd "$sources" && sha256sum --quiet -c SHA256SUMS); then
        return 0
    fi
    mkdir "$work/fetched"
    fetch_newer "$work/fetched" deb-src take_source || return 1
    rm -rf "$work/fetched/apt" "$sources"
    mv -T "$work/fetched" "$sources"
}

unpack() {
    mkdir "$work/source"
    tar -xf "$cache/source-$version/python${version}_"*.orig.tar.xz -C "$work/source" \
        --strip-components=1
}

# Nothing of the caller's environment (make exports what stands on its command line) has a say.
clean_env() {
    env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME="$work" \
        LC_ALL=C.UTF-8 TMPDIR="$work/tmp" TSAN_OPTIONS=report_bugs=0 "$@"
}

duration='about 5 minutes'
compiler=gcc optimisation=-O3
options=(--prefix="$prefix" --enable-shared --without-ensurepip)
[[ $abi != *t ]] || options+=(--disable-gil)
if [[ $opt == pgo ]]; then
    duration='several times 5 minutes'
    options+=(--enable-optimizations)   # its profile is made by CPython's tests, which need modules
else
    options+=(--disable-test-modules)
fi
if [[ $name == *-tsan ]]; then
    duration='about 10 minutes'
    compiler=clang optimisation=-O2
    options+=(--with-thread-sanitizer)
fi
flags="-DNDEBUG -g1 -fwrapv $optimisation -Wall"

configure() {
    cd "$work/source" &&
        clean_env ./configure "${options[@]}" CC="$compiler" OPT="$flags" \
            LDFLAGS="-Wl,-rpath,$prefix/lib"
}

# The tests that a profile is made of may fail (some do where a shell has them ignore SIGINT): what
# they have run is in it all the same.
compile() {
    cd "$work/source" && clean_env make -j "$(nproc)" \
        PROFILE_TASK='-m test --pgo --timeout=1200 || true'
}

install_python() {
    cd "$work/source" && clean_env make -j "$(nproc)" install DESTDIR="$work/root" &&
        # The static library would only be linked by mistake, and it is the half of all; tests are
        # there with PY_OPT=pgo.
        rm -rf "$work/root$prefix"/lib/python*/{config-*/libpython*.a,test} &&
        if [[ $name == *-tsan ]]; then
            cp Tools/tsan/suppressions_free_threading.txt "$work/root$prefix/lib/tsan.supp"
        fi
}

# What labs and their apps use is there, the GIL is as asked for, and a program can embed it.
# shellcheck disable=SC2046  # python3-config prints several words
check_python() {
    local root=$work/root$prefix gil=True probe=$work/probe
    local config=$root/bin/python$abi-config sanitize=()
    [[ $abi != *t ]] || gil=False
    [[ $name != *-tsan ]] || sanitize=(-fsanitize=thread)
    export LD_LIBRARY_PATH=$root/lib TSAN_OPTIONS=report_bugs=0
    "$root/bin/python$abi" -I -c "
import asyncio, ctypes, hashlib, json, ssl, sys, zlib
assert sys._is_gil_enabled() is $gil, 'the GIL is not as it should be'
assert sys.version_info[:2] == tuple(map(int, '$version'.split('.'))), sys.version" &&
        "$compiler" "${sanitize[@]}" $("$config" --includes) tools/probe_python.c -o "$probe" \
            $("$config" --ldflags --embed) &&
        "$probe" "$root/bin/python$abi"
}

write_stamp() {
    local root=$work/root$prefix
    {
        say "# How this Python was built; tools/python.sh believes no folder without this file."
        say "recipe: $recipe"
        say "prefix: $prefix"
        say "version: $(LD_LIBRARY_PATH=$root/lib TSAN_OPTIONS=report_bugs=0 \
            "$root/bin/python$abi" -I -c 'import platform; print(platform.python_version())')"
        say "compiler: $("$compiler" --version | head -n 1)"
        say "flags: $flags"
        say "configure: ${options[*]}"
        say "files:"
        list_files "$root"
    } >"$work/stamp" && mv "$work/stamp" "$root/looplab.stamp"
}

# ---- Building ------------------------------------------------------------------------------------

check_system() {
    case $(system_release) in
    debian/bookworm | debian/trixie) have_apt && return ;;
    esac
    die "only on Debian 12 and 13 does this know where to get the source of Python $version" \
        "Build one with --enable-shared${abi##*[0-9.]} and pass it:" \
        "  make ... PYTHON_CONFIG=/path/to/python$abi-config"
}

install_deps() {
    local deps=(tools/deps.sh --python)
    [[ $name != *-tsan ]] || deps+=(--tsan)
    [[ ${DEPS:-1} != 0 ]] || deps+=(--check)
    env -u PYTHON_CONFIG "${deps[@]}"
}

build() {
    step "fetching the source of Python $version" fetch_source ||
        fail "could not fetch Debian $newer_suite's source package python$version" \
            "Is there a network, and has this machine's mirror that package?"
    unpack >>"$log" 2>&1 || fail "could not unpack the source"
    step "configuring" configure || fail "configure failed"
    step "compiling" compile || fail "the build failed"
    step "installing" install_python || fail "the installation failed"
    step "checking" check_python || fail "what was built doesn't work"
    write_stamp 2>>"$log" || fail "could not write the stamp"
    rm -rf "$prefix"
    mv -T "$work/root$prefix" "$prefix"
}

check_system
install_deps
if ! mkdir -p "$cache" 2>/dev/null || [[ ! -w $cache ]]; then
    die "$cache: can't be written; XDG_CACHE_HOME=/some/other/folder puts the cache elsewhere"
fi
exec 9>"$cache/.lock"
flock -n 9 || {
    say "waiting for another build of a Python to end"
    flock 9
}
if is_whole; then
    exit 0
fi
rm -rf "$cache"/.build.*    # left by a build that was killed
free=$(free_mib)
((free >= needed_mib)) ||
    die "$cache: $free MiB free, and building a Python needs $needed_mib" \
        "XDG_CACHE_HOME=/some/other/folder puts the cache elsewhere."

trap on_exit EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
work=$(mktemp -d "$cache/.build.XXXXXX")
mkdir "$work/tmp"
: >"$log"
say "building Python $entry, once, into $prefix: on two cores this takes $duration"
build
say "Python $entry ($(from_stamp version "$stamp")) is ready after $(elapsed)"
compare_with_pair
