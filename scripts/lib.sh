# Functions that the scripts share: messages, Cargo's target folder, a virtual environment for Python, and the installation
# of missing packages. For bash.
# shellcheck shell=bash

say() {
    printf '%s\n' "$*" >&2
}

# Prints what is wrong and what to do, after the script's name, and exits with code $1.
refuse() {
    local code=$1
    shift
    say "scripts/${0##*/}: $*"
    exit "$code"
}

has() {
    command -v "$1" >/dev/null 2>&1
}

# Ends the script if Cargo, or the linker that it needs, is missing and cannot be installed.
need_cargo() {
    if ! has cargo; then
        say "Rust's cargo is missing. Install it from https://rustup.rs:"
        say "    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh"
        say "and start a new shell."
        exit 3
    fi
    if ! has cc && ! apt_install gcc libc6-dev; then
        say "A C linker is missing: install gcc (Debian: apt install build-essential; macOS: xcode-select --install)."
        exit 3
    fi
}

# Ends the script if Python is missing.
need_python() {
    { has python3 && python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))'; } ||
        refuse 3 "needs Python 3.11 or newer, which was not found: install it (Debian, Ubuntu: sudo apt-get install python3)"
}

# Prints $1 random bytes as text that needs no escaping in a URL.
random_hex() {
    od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'
}

# Prints Cargo's target folder, as configured.
target_folder() {
    cargo metadata --no-deps --format-version 1 | sed -E 's/.*"target_directory":"([^"]*)".*/\1/'
}

# Makes the crate of fuzz targets with the manifest $1 use the versions in the workspace's lock file. Its lock file has a
# few more packages, and is not tracked.
use_workspace_lock() {
    case "$1" in
    */fuzz/Cargo.toml) cp Cargo.lock "${1%.toml}.lock" ;;
    esac
}

# Succeeds if commands can be run as root without a password.
may_be_root() {
    [ "$(id -u)" -eq 0 ] || { has sudo && sudo -n true 2>/dev/null; }
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo -n "$@"
    fi
}

# Installs Debian packages. Fails if that needs a password or is disabled.
apt_install() {
    [ -z "${RPCBENCH_NO_INSTALL:-}" ] && has apt-get && may_be_root || return 1
    say "installing $*"
    local install=(env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@")
    # The first attempt fails if the package lists are missing or outdated.
    as_root "${install[@]}" >&2 </dev/null || { as_root apt-get update -qq >&2 && as_root "${install[@]}" >&2 </dev/null; }
}

# Makes the virtual environment $1 with the packages of the requirement files that follow, or remakes it if they changed.
# Fails or exits if that is impossible.
make_python_environment() {
    local environment=$1 candidate base=
    local pinned=("${@:2}")
    if cat "${pinned[@]}" | cmp -s - "$environment/requirements.txt"; then
        return
    fi
    for candidate in python3.11 python3; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
            base=$candidate
            break
        fi
    done
    if [ -z "$base" ]; then
        say "Python 3.11 is missing: the reference implementations are pinned to versions for it"
        exit 1
    fi
    if ! "$base" -c 'import ensurepip, venv' 2>/dev/null; then
        apt_install python3.11-venv || {
            say "Python's venv is missing: apt install python3.11-venv"
            exit 1
        }
    fi
    rm -rf "$environment"
    "$base" -m venv "$environment" || return 1
    "$environment/bin/python" -m pip install --quiet --disable-pip-version-check "${pinned[@]/#/--requirement=}" || return 1
    # Written last, so that an incomplete environment is remade the next time.
    cat "${pinned[@]}" >"$environment/requirements.txt"
}

# Installs the npm packages that the lock file in the folder $2 names into the folder $1, or installs them again if it changed.
# Fails if that is impossible or disabled.
make_npm_packages() {
    local folder=$1 lock=$2/package-lock.json
    if cmp -s "$lock" "$folder/installed.json"; then
        return
    fi
    [ -z "${RPCBENCH_NO_INSTALL:-}" ] || return 1
    rm -rf "$folder"
    mkdir -p "$folder"
    cp "$2/package.json" "$lock" "$folder"
    npm ci --prefix "$folder" --ignore-scripts --no-audit --no-fund --silent >&2 || return 1
    # Written last, so that an incomplete installation is repeated the next time.
    cp "$lock" "$folder/installed.json"
}

# Sets RPCBENCH_PYTHON to a Python with the reference implementations, unless it is set already.
need_reference_python() {
    local environment
    if [ -z "${RPCBENCH_PYTHON:-}" ]; then
        environment=$(target_folder)/python-venv
        make_python_environment "$environment" servers/python/requirements.txt
        RPCBENCH_PYTHON=$environment/bin/python
    fi
    export RPCBENCH_PYTHON
}

# Succeeds if PROGRAM finds the broker BROKER (RabbitMQ or nats-server), whatever else it misses.
finds_broker() {
    { "$1" doctor || true; } | grep "^ok  *$2" >/dev/null
}

# Installs the broker BROKER (RabbitMQ or nats-server) if PROGRAM does not find it. If that is impossible, prints what to do
# and fails.
need_broker() {
    local program=$1 broker=$2 on_debian on_macos protocol variable
    case $broker in
    RabbitMQ) on_debian=rabbitmq-server on_macos=rabbitmq protocol=AMQP variable=RPCBENCH_RABBITMQ_SERVER ;;
    nats-server) on_debian=nats-server on_macos=nats-server protocol=NATS variable=RPCBENCH_NATS_SERVER ;;
    esac
    if finds_broker "$program" "$broker"; then
        return 0
    fi
    if [ -z "${RPCBENCH_NO_INSTALL:-}" ]; then
        if has apt-get && may_be_root; then
            install_broker_on_debian "$on_debian" || true
        elif has brew; then
            say "installing $broker"
            # Homebrew does not start the service.
            brew install --quiet "$on_macos" >&2 || true
        fi
    fi
    if finds_broker "$program" "$broker"; then
        return 0
    fi
    say "$broker is missing, and $protocol cannot be measured without it. Install it:"
    say "    Debian, Ubuntu:  sudo apt-get install $on_debian"
    say "    macOS:           brew install $on_macos"
    say "or set $variable to its program, or use --broker URL."
    return 1
}

# Installs the package PACKAGE of a broker without its service. Debian's packages start a broker, and with RabbitMQ Erlang's
# port mapper, on installation and at every boot. A benchmark should not add services to a machine, so they are kept from
# starting and are disabled.
install_broker_on_debian() (
    package=$1
    units=("$package.service")
    if [ "$package" = rabbitmq-server ] &&
        ! dpkg-query -W -f '${Status}' erlang-base 2>/dev/null | grep -q 'ok installed'; then
        units+=(epmd.service epmd.socket)
    fi
    policy=/usr/sbin/policy-rc.d
    if ! [ -e "$policy" ]; then
        trap 'as_root rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod 755 "$policy"
    fi
    apt_install "$package" || exit 1
    if [ -d /run/systemd/system ]; then
        as_root systemctl disable --now "${units[@]}" >&2 || true
    elif has systemctl; then
        as_root systemctl disable "${units[@]}" >&2 || true
    elif has update-rc.d; then
        as_root update-rc.d "$package" disable >&2 || true
    fi
    say "installed $package and disabled its service; each run starts a private broker"
)

# Prints the name of an installed Chromium.
chromium_program() {
    local name
    for name in chromium chromium-browser google-chrome; do
        if has "$name"; then
            printf '%s\n' "$name"
            return
        fi
    done
    return 1
}
