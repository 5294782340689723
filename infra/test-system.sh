#!/usr/bin/env bash
# Runs tests/system: other people's clients and programs against the stand-ins. Needs more than pip installs, and says
# what is missing; it skips nothing. Makes .venv-system (about 1 GB) and tests/system/js/node_modules (220 MB).
# Arguments go to pytest: infra/test-system.sh -k quickstarts
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}

missing=()
has() { command -v "$1" >/dev/null 2>&1; }
has "$python" || missing+=("$python: Python 3.11 to 3.13, or PYTHON=/path/to/python")
has node || missing+=("node: Node.js 20.19 or later (Debian, Ubuntu: nodejs)")
has npm || missing+=("npm (Debian, Ubuntu: npm)")
has "${CHROMIUM:-chromium}" || has chromium-browser || has google-chrome ||
  missing+=("chromium (Debian, Ubuntu: chromium), or CHROMIUM=/path/to/chrome")
has haproxy || [ -x /usr/sbin/haproxy ] || missing+=("haproxy (Debian, Ubuntu: haproxy)")
has nginx || [ -x /usr/sbin/nginx ] || missing+=("nginx (Debian, Ubuntu: nginx-light)")
has ip || missing+=("ip (Debian, Ubuntu: iproute2)")
if [ ${#missing[@]} -gt 0 ]; then
  printf 'test-system: missing: %s\n' "${missing[@]}" >&2
  exit 2
fi

if [ ! -f .venv-system/installed ] || [ tests/system/requirements.txt -nt .venv-system/installed ] ||
  [ pyproject.toml -nt .venv-system/installed ]; then
  echo "test-system: installing into .venv-system (about 500 MB the first time)"
  [ -x .venv-system/bin/python ] || "$python" -m venv .venv-system
  .venv-system/bin/python -m pip install --disable-pip-version-check --quiet \
    --editable '.[emulator,azure,postgres,object-store,dev]' --requirement tests/system/requirements.txt
  touch .venv-system/installed
fi
npm install --no-save --no-package-lock --no-audit --no-fund --silent --prefix tests/system/js

exec .venv-system/bin/python -m pytest "${@:-tests/system}"
