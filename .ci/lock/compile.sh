#!/usr/bin/env bash
# Writes the lock: every version and hash, no registry host. `dev.txt` is compiled first and constrains the others, so
# that one version of each package serves all environments. Usage: compile.sh UV [extra uv arguments, e.g. --upgrade]
set -euo pipefail
cd "$(dirname "$0")/../.."
uv=$1 lock=.ci/lock
shift
compile() { # compile OUTPUT ARGUMENTS...
    local output=$1
    shift
    "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
        --no-header --no-annotate --output-file "$lock/$output" "$@"
}
compile dev.txt pyproject.toml $lock/build.in --extra kafka --extra neural --group dev "$@"
compile kafka.txt pyproject.toml $lock/build.in --extra kafka --constraints $lock/dev.txt
compile neural.txt pyproject.toml $lock/build.in --extra kafka --extra neural --constraints $lock/dev.txt
compile base.txt pyproject.toml $lock/build.in --constraints $lock/dev.txt
compile uv.txt $lock/uv.in "$@"
