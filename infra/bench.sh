#!/usr/bin/env bash
# Runs tests.bench: this bridge beside others under one load, and what else is measured. Makes .venv-bench-NAME for the
# bridges that are packages (pipecat 300 MB, openai-agents 150 MB), at the versions of tests/bench/requirements-NAME.txt.
# Arguments are the names of benches; none: all.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}

for name in agents pipecat; do
  venv=.venv-bench-$name wanted=tests/bench/requirements-$name.txt
  if [ ! -f "$venv/installed" ] || [ "$wanted" -nt "$venv/installed" ]; then
    echo "bench: installing into $venv"
    [ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
    "$venv/bin/python" -m pip install --disable-pip-version-check --quiet --requirement "$wanted"
    touch "$venv/installed"
  fi
done

exec .venv/bin/python -m tests.bench "$@"
