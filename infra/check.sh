#!/usr/bin/env bash
# Checks every template below infra/, and then that each check notices a mistake that is planted. Makes .venv-infra (530 MB).
# Needs two programs that pip does not install, and says so; it skips nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}

missing=()
has() { command -v "$1" >/dev/null 2>&1; }
has "$python" || missing+=("$python: Python 3.11 to 3.13, or PYTHON=/path/to/python")
has promtool || missing+=("promtool (Debian, Ubuntu: prometheus)")
has systemd-analyze || missing+=("systemd-analyze (Debian, Ubuntu: systemd)")
if [ ${#missing[@]} -gt 0 ]; then
  printf 'infra-check: missing: %s\n' "${missing[@]}" >&2
  exit 2
fi

if [ ! -f .venv-infra/installed ] || [ infra/check-requirements.txt -nt .venv-infra/installed ]; then
  echo "infra-check: installing into .venv-infra (some minutes the first time)"
  [ -x .venv-infra/bin/python ] || "$python" -m venv .venv-infra
  .venv-infra/bin/python -m pip install --disable-pip-version-check --quiet --requirement infra/check-requirements.txt
  touch .venv-infra/installed
fi

PATH="$PWD/.venv-infra/bin:$PATH" exec .venv-infra/bin/python infra/check.py "$@"
