#!/usr/bin/env bash
# Sets up this checkout: .venv with the package and its tests' needs, SNN libraries that cannot
# stand beside the others in folders below .venv/separate, and the two simulators.
# Does nothing where everything is there already. PYTHON chooses the interpreter, and
# E3NE_PIP_FLAGS goes to pip as it is.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

STAMP=.venv/e3ne-setup.stamp
LIBRARIES=scripts/libraries # one list a folder below .venv/separate, and venv.txt
APT_PACKAGES_TOOLS="verilator iverilog g++ make ccache"

say() { printf '%s\n' "$@" >&2; }

# fail REASON [LINE TO TYPE]
fail() {
    say "" "set-up stopped: $1"
    if [ $# -gt 1 ]; then say "type this line, then start again:" "" "    $2"; fi
    exit 1
}

# Prints the prefix under which apt-get may install here ("" for root); fails where it may not.
apt_prefix() {
    command -v apt-get >/dev/null || return 1
    if [ "$(id -u)" -eq 0 ]; then return 0; fi
    if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then printf 'sudo -n'; return 0; fi
    return 1
}

# apt_install REASON PACKAGE...
apt_install() {
    local reason=$1 prefix
    shift
    if ! prefix=$(apt_prefix); then
        fail "$reason" "sudo apt-get update && sudo apt-get install -y $*"
    fi
    say "set-up: $reason; installing $*"
    export DEBIAN_FRONTEND=noninteractive
    $prefix apt-get update -qq || say "set-up: apt-get update failed; trying the old lists"
    $prefix apt-get install -y -qq --no-install-recommends "$@" >/dev/null ||
        fail "apt-get could not install $*" "sudo apt-get update && sudo apt-get install -y $*"
}

python_is_new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

find_python() {
    local candidate
    for candidate in ${PYTHON:+"$PYTHON"} python3 python3.13 python3.12 python3.11; do
        if command -v "$candidate" >/dev/null && python_is_new_enough "$candidate"; then
            printf '%s' "$candidate"
            return 0
        fi
    done
    return 1
}

has_tools() {
    local tool
    for tool in verilator iverilog g++ make ccache; do
        command -v "$tool" >/dev/null || return 1
    done
}

set_up_tools() {
    # shellcheck disable=SC2086  # a list of words
    has_tools || apt_install "verilator, iverilog, g++ or make is missing" $APT_PACKAGES_TOOLS
    has_tools || fail "the simulators are still not on the PATH after apt-get"
}

fingerprint() {
    { cat pyproject.toml constraints.txt "$LIBRARIES"/*.txt; pwd; } | sha256sum
}

# pip_install ARGUMENT...
pip_install() {
    # shellcheck disable=SC2086  # a list of flags
    .venv/bin/python -m pip install -q --disable-pip-version-check ${E3NE_PIP_FLAGS:-} "$@"
}

set_up_separate_libraries() {
    local list name
    rm -rf .venv/separate
    for list in "$LIBRARIES"/*.txt; do
        name=$(basename -- "$list" .txt)
        if [ "$name" = venv ]; then continue; fi
        say "set-up: installing $name into a folder of its own"
        pip_install --no-deps --target ".venv/separate/$name" -r "$list"
    done
}

set_up_venv() {
    if [ -f "$STAMP" ] && [ "$(cat "$STAMP")" = "$(fingerprint)" ] && .venv/bin/python -c '' 2>/dev/null
    then
        return 0
    fi
    local python
    python=$(find_python) ||
        fail "found no Python 3.11 or newer" "sudo apt-get install -y python3 python3-venv"
    if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
        if ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
            apt_install "Python's venv module is missing" python3-venv
        fi
        say "set-up: creating .venv with $("$python" -V)"
        "$python" -m venv --clear .venv
    fi
    say "set-up: installing the package and its dependencies into .venv"
    pip_install -c constraints.txt -e '.[dev,examples,cocotb,snntorch,nir,brevitas,explore,nexus,gowin]'
    pip_install --no-deps -r "$LIBRARIES/venv.txt"
    set_up_separate_libraries
    fingerprint >"$STAMP"
}

set_up_tools
set_up_venv
