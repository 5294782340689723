#!/usr/bin/env bash
# Fuzzes what reads bytes of others, guided by coverage: both wire parsers, the recording reader, and a call whose peers
# say anything. Nothing but the declared errors may leave them; what does is written to build/fuzz/finds.
# RUNS: inputs of each target (100000); TARGETS: which of them. infra/fuzz.sh --keep: put the smallest of those that were
# found interesting into tests/fuzz/corpus, which the tests and later runs begin with.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}

# An environment of its own: the fuzzer is nothing that a user or a test of this project needs.
if [ ! -f .venv-fuzz/installed ] || [ infra/fuzz.sh -nt .venv-fuzz/installed ] ||
  [ pyproject.toml -nt .venv-fuzz/installed ]; then
  echo "fuzz: installing into .venv-fuzz (370 MB)"
  [ -x .venv-fuzz/bin/python ] || "$python" -m venv .venv-fuzz
  .venv-fuzz/bin/python -m pip install --disable-pip-version-check --quiet --editable . 'hypothesis>=6.120' 'atheris>=3.0,<4'
  touch .venv-fuzz/installed
fi

RUNS=${RUNS:-100000}
for target in ${TARGETS:-twilio realtime recording call}; do
  mkdir -p "build/fuzz/$target"
  log=build/fuzz/$target/log
  if ! PYTHONWARNINGS=ignore .venv-fuzz/bin/python -m tests.fuzz "$target" "$RUNS" "$@" >"$log" 2>&1; then
    tail -n 40 "$log"
    echo "fuzz: $target broke; the input is in build/fuzz/finds, all that was said in $log"
    exit 1
  fi
  if [ "${1:-}" = --keep ]; then
    few=build/fuzz/$target/few corpus=tests/fuzz/corpus/$target
    mkdir -p "$corpus"
    find "$few" -type f -size -5k -printf '%s %f\n' | sort -n | head -n 60 | while read -r _ name; do
      cp "$few/$name" "$corpus/${name:0:16}"
    done
    echo "fuzz: $target, $(find "$corpus" -type f | wc -l) inputs in $corpus"
    continue
  fi
  echo "fuzz: $target, $(sed -n 's/^stat::number_of_executed_units: *//p' "$log" | tail -n 1) inputs, nothing undeclared"
done
