#!/usr/bin/env bash
# Pin every dependency anew, with hashes, and without naming a registry.
# usage: scripts/lock.sh [--upgrade | PACKAGE ...]
# Versions stay as they are unless pyproject.toml asks for others; packages that are named may
# move, with --upgrade all of them.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v uv >/dev/null; then
  echo "needs uv: python3 -m pip install uv   (only for locking, never for running)" >&2
  exit 1
fi

moving=()
for wish in "$@"; do
  if [ "$wish" = --upgrade ]; then moving+=(--upgrade); else moving+=(--upgrade-package "$wish"); fi
done

# Extras stay in the names: an older pip looks for `coverage[toml]` apart from `coverage`, takes the
# newest that the registry has, and then refuses it for want of a hash.
# One version for every Python: a bundle made on one of them is installed on all.
one=$(mktemp)
trap 'rm -f "$one"' EXIT
echo 'deprecated<2' >"$one"

lock() { # OUTPUT, then what is particular to it
  local output=$1
  shift
  uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
    --no-emit-index-url --no-emit-find-links --no-header --no-annotate --no-strip-extras \
    --constraint "$one" "${moving[@]}" --output-file "requirements/$output.txt" "$@"
  echo "requirements/$output.txt: $(grep -c '^[a-z]' "requirements/$output.txt") packages"
}

extras=(--extra postgres --extra mysql --extra smb)
lock base pyproject.toml
lock extras -c requirements/base.txt "${extras[@]}" pyproject.toml
lock dev -c requirements/extras.txt "${extras[@]}" --group dev pyproject.toml
lock lab -c requirements/dev.txt "${extras[@]}" --extra libvirt --group dev pyproject.toml
lock build -c requirements/dev.txt - <<<'hatchling' # what builds our wheel
lock bundle - <<<'pip>=25' # what installs it where there is no pip
