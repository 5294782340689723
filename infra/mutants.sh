#!/usr/bin/env bash
# Changes voice_agent/call in a thousand small ways, one at a time, and looks which changes no test notices. What is
# alive and not explained in tests/mutants/survivors.md fails. Can be stopped and goes on where it was; mutants/ holds
# the results, and without it everything is tested anew. With names of modules only theirs are met, by the tests of the
# module alone: infra/mutants.sh keys turns
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}

# An environment of its own: the tool is nothing that a user or a test of this project needs.
if [ ! -f .venv-mutants/installed ] || [ infra/mutants.sh -nt .venv-mutants/installed ] ||
  [ pyproject.toml -nt .venv-mutants/installed ]; then
  echo "mutants: installing into .venv-mutants (260 MB)"
  [ -x .venv-mutants/bin/python ] || "$python" -m venv .venv-mutants
  .venv-mutants/bin/python -m pip install --disable-pip-version-check --quiet --editable . \
    'hypothesis>=6.120' 'mutmut==3.8.1'
  touch .venv-mutants/installed
fi

rm -rf mutants/tests # it is copied anew, and what was deleted must not stay
.venv-mutants/bin/python -m tests.mutants make
# Examples alone must kill: what a property finds depends on what it tries, and it tries hundreds of cases.
(cd mutants && ../.venv-mutants/bin/python -B -m pytest -s -q --assert=plain -p no:cacheprovider \
  -p tests.mutants.meeting -m 'not hypothesis' --mutants-of "$(IFS=, && echo "$*")" tests/call tests/calls)
exec .venv-mutants/bin/python -m tests.mutants judge
