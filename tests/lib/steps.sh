# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
# Sourced by tests/run and tests/dev: how each kind of build is configured, built and tested.
# Needs $root; $summary, when set, collects `passed failed skipped` lines.

build_of() {
        case $1 in
        gcc) echo "$root/build" ;;
        *) echo "$root/build-$1" ;;
        esac
}

options_of() {
        case $1 in
        gcc | clang) echo "-Dtests=true --werror -Dman=auto" ;;
        asan) echo "-Dtests=true --werror -Db_sanitize=address,undefined -Db_lundef=false -Doptimization=1 -Dman=disabled" ;;
        tsan) echo "-Dtests=true --werror -Db_sanitize=thread -Doptimization=1 -Dman=disabled" ;;
        fuzz) echo "-Dtests=true -Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false -Dman=disabled" ;;
        release) echo "--werror -Dtests=false -Dbuildtype=release -Db_lto=true -Dman=disabled" ;;
        esac
}

# Under the thread sanitizer tests/run builds and runs but the unit tests that have threads: the whole takes minutes
# there and shows nothing more.
THREADED="s3 client cred_cached log metrics mutex op_ctx rng transport batch cache commit dir draft removals stress tour"

threaded_targets() {
        local name
        echo src/app/ddbfs src/app/fsck.ddbfs tests/unit/s3/s3-tool
        for name in $THREADED; do
                (cd "$root" && ls tests/unit/*/test-"$name".c) || return 1
        done | sed 's/\.c$//'
}

# build gcc|clang|asan|tsan|fuzz|release [TARGET...] - all targets, if none is named
build() {
        local kind=$1 dir cc=gcc options linker=""
        shift
        dir=$(build_of "$kind")
        options=$(options_of "$kind")
        # mold links the hundred test programs in a fraction of the time; what is installed is linked as everywhere
        [ "$kind" = release ] || ! command -v mold >/dev/null || linker=CC_LD=mold
        case $kind in asan | clang | fuzz) cc=clang ;; esac

        if [ ! -f "$dir/build.ninja" ]; then
                # shellcheck disable=SC2086  # a list
                if ! env CC=$cc $linker meson setup "$dir" "$root" $options >"$dir.log" 2>&1; then
                        tail -n 5 "$dir.log"
                        rm -f "$dir.log"
                        return 1
                fi
                rm -f "$dir.log"
        elif [ "$(cat "$dir/.options" 2>/dev/null)" != "$options" ]; then
                # shellcheck disable=SC2086
                meson configure "$dir" ${options/--werror/-Dwerror=true} || return 1
        fi
        echo "$options" >"$dir/.options"
        # quiet unless it fails: then the compiler's words are what one wants to see
        if ! ninja -C "$dir" -j2 "$@" >"$dir/ninja.log" 2>&1; then
                sed -n '/^FAILED/,$p' "$dir/ninja.log" | grep -vE '^(cc|gcc|clang) |^\[' | head -n 100
                grep -n 'ERROR:' "$dir/ninja.log"
                return 1
        fi
        # the program looks for its engine beside itself
        if [ -n "${DDBFS_ENGINE:-}" ] && ! [ "$DDBFS_ENGINE" -ef "$dir/src/app/dynoxide" ]; then
                install -m 755 "$DDBFS_ENGINE" "$dir/src/app/dynoxide"
        fi
}

# Sanitizers report to the test that failed; a leak fails it too.
sanitizer_options() {
        export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1
        export UBSAN_OPTIONS=print_stacktrace=1
        export TSAN_OPTIONS=suppressions=$root/tests/tsan.supp
}

# unit KIND [meson test arguments] - the tests that need no mount
unit() {
        local kind=$1 dir status=0 slower=1
        shift
        dir=$(build_of "$kind")
        case $kind in asan) slower=4 ;; tsan) slower=10 ;; esac
        rm -f "$dir/meson-logs/testlog.json"
        (sanitizer_options && meson test -C "$dir" --no-rebuild --num-processes 2 --timeout-multiplier "$slower" \
                --print-errorlogs "$@") >"$dir/test.log" 2>&1 || status=$?
        if [ ! -f "$dir/meson-logs/testlog.json" ]; then
                cat "$dir/test.log"
                return 1
        fi
        if [ $status -ne 0 ]; then
                # the failing tests' own output, without the line of each that passed
                grep -vE '^ *[0-9]+/[0-9]+ .* (OK|SKIP) ' "$dir/test.log" | tail -n 400
        fi
        /usr/bin/python3 "$root/tests/lib/count.py" "$dir" "${summary:--}" || return 1
        return $status
}

# cases KIND [run-cases.py arguments]
cases() {
        local kind=$1
        shift
        "$root/tests/run-cases.py" --build "$(build_of "$kind")" ${summary:+--summary "$summary"} "$@"
}

shell_scripts() {
        grep -rlE '^#!/bin/(ba)?sh|^# shellcheck shell=' "$root/tests" "$root/examples" "$root/packaging" "$root/.ci" \
                --include='*' --exclude='*.py' 2>/dev/null
}

lint_scripts() {
        local status=0
        # shellcheck disable=SC2046  # names without blanks
        shellcheck -x -P SCRIPTDIR $(shell_scripts) || status=1
        /usr/bin/python3 - "$root" <<'PYTHON' || status=1
import ast, os, sys
bad = 0
for top in ("tests", "examples"):
    for folder, _, files in os.walk(os.path.join(sys.argv[1], top)):
        for name in sorted(files):
            path = os.path.join(folder, name)
            if not name.endswith(".py"):
                continue
            with open(path, encoding="utf-8") as f:
                text = f.read()
            try:
                ast.parse(text, path)
            except SyntaxError as error:
                print(error)
                bad = 1
            for number, line in enumerate(text.split("\n"), 1):
                if "/lint/" not in path and len(line) > 120 or line != line.rstrip() or "\t" in line:
                    print("%s:%d: long line, tab or blank at its end" % (path, number))
                    bad = 1
sys.exit(bad)
PYTHON
        return $status
}
