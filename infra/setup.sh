#!/usr/bin/env bash
# Makes .venv with the locked packages and this project in it. Needs Python 3.11 to 3.13 with venv and pip, nothing else.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}

fail() {
  echo "setup: $1" >&2
  exit 2
}

version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) ||
  fail "$python does not run here: install Python 3.11, 3.12 or 3.13, or say PYTHON=/path/to/python make setup"
case $version in
  3.11 | 3.12 | 3.13) ;;
  *)
    for candidate in python3.13 python3.12 python3.11; do
      if "$candidate" -c '' >/dev/null 2>&1; then
        echo "setup: $python is Python $version; using $candidate instead"
        python=$candidate
        version=${candidate#python}
        break
      fi
    done
    case $version in
      3.11 | 3.12 | 3.13) ;;
      *) fail "$python is Python $version; this needs 3.11, 3.12 or 3.13: PYTHON=python3.13 make setup" ;;
    esac
    ;;
esac
"$python" -c 'import venv, ensurepip' >/dev/null 2>&1 || fail "Python $version has no venv module: install python$version-venv (Debian, Ubuntu) or a complete Python"

if [ -x .venv/bin/python ] && [ "$(.venv/bin/python -c 'import sys; print("%d.%d %s" % (*sys.version_info[:2], sys.prefix))' 2>/dev/null)" != "$version $PWD/.venv" ]; then
  rm -rf .venv # another Python, or a copy that was moved
fi
if [ ! -x .venv/bin/python ]; then
  echo "setup: Python $version in .venv"
  "$python" -m venv .venv || fail "could not make .venv: is the disk full, or this folder not writable?"
fi
echo "setup: installing the locked packages (about 150 MB the first time)"
log=.venv/install.log
if ! .venv/bin/python -m pip install --disable-pip-version-check --require-hashes -r requirements.lock 2>&1 | tee "$log" |
  awk -v all="$(grep -c '^[a-z]' requirements.lock)" '
    /^Collecting /{n++; if (n % 10 == 0) {printf "setup: %d packages of at most %d\n", n, all; fflush()}}
    /^Installing collected/{print "setup: unpacking them (about 500 MB on disk)"; fflush()}'; then
  grep -E 'ERROR|error:' "$log" | head -5 >&2 || true
  if grep -q 'No matching distribution\|not a supported wheel' "$log"; then
    fail "no wheel of a package fits this machine ($(uname -sm), Python $version); the lines above name it"
  fi
  fail "pip could not install the packages; the lines above say why (all of it: $log)"
fi
.venv/bin/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation --editable . >>"$log" 2>&1 ||
  fail "pip could not install the project itself: see $log"
touch .venv/installed
echo "setup: done"
