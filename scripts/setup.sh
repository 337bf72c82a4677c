#!/usr/bin/env bash
# Make a virtual environment and install one lock file into it, hashes checked.
# usage: scripts/setup.sh VENV LOCK_FILE      (PYTHON and WHEELHOUSE as in the Makefile)
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$1 lock=$2

new_enough='import sys; sys.exit(sys.version_info < (3, 11))'

find_python() {
  local candidate older=""
  for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.14 python3.11}; do
    # a version manager's shim may exist and still refuse to run, so each one is tried
    if "$candidate" -c "$new_enough" >/dev/null 2>&1; then
      echo "$candidate"
      return
    fi
    older=${older:-$("$candidate" --version 2>/dev/null || true)}
  done
  echo "drorch needs Python 3.11 or newer${older:+; here is only $older}." >&2
  echo "Install one (Debian 12 and 13 have it: apt-get install python3 python3-venv)," >&2
  echo "or name it: make setup PYTHON=/path/to/python3" >&2
  exit 1
}

if ! "$venv/bin/python" -c "$new_enough" >/dev/null 2>&1 || [ ! -x "$venv/bin/pip" ]; then
  python=$(find_python)
  if ! "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
    echo "$("$python" --version) cannot make virtual environments." >&2
    echo "Install what is missing (Debian: apt-get install python3-venv)." >&2
    exit 1
  fi
  echo "making $venv with $("$python" --version)"
  "$python" -m venv --clear "$venv"
fi

from=()
if [ -n "${WHEELHOUSE:-}" ]; then
  from=(--no-index --find-links "$WHEELHOUSE")
fi
echo "installing $lock"
"$venv/bin/python" -m pip install -qq --disable-pip-version-check --require-hashes \
  "${from[@]}" --requirement "$lock"
