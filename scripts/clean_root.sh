#!/usr/bin/env bash
# Make a clean Debian root with Python in it, once; later calls reuse it as it was.
# usage: scripts/clean_root.sh SUITE FOLDER     (root; needs debootstrap)
# The mirror is the one that this machine's own apt uses.
set -euo pipefail
cd "$(dirname "$0")/.."
suite=$1 folder=$2
kept=build/roots/$suite.tar

if [ "$(id -u)" != 0 ]; then
  echo "needs root: a clean Debian is unpacked and entered" >&2
  exit 1
fi
if ! command -v debootstrap >/dev/null; then
  echo "needs debootstrap: apt-get install debootstrap" >&2
  exit 1
fi

if [ ! -f "$kept" ]; then
  mirror=$(apt-get indextargets --format '$(REPO_URI)' \
    'Created-By: Packages' 'Origin: Debian' 'Component: main' | grep -v security | head -n 1)
  if [ -z "$mirror" ]; then
    echo "this machine's apt knows no Debian mirror: look at /etc/apt, then apt-get update" >&2
    exit 1
  fi
  eval "$(apt-config shell proxy Acquire::http::Proxy)"
  if [ -n "${proxy:-}" ]; then export http_proxy=$proxy; fi
  mkdir -p build/roots
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  echo "unpacking a clean $suite"
  if ! debootstrap --variant=minbase --include=python3 "$suite" "$work/root" "$mirror" \
      >"$work/log" 2>&1; then
    tail -n 20 "$work/log" "$work/root/debootstrap/debootstrap.log" >&2 || true
    exit 1
  fi
  rm -rf "$work"/root/var/cache/apt/archives/*.deb "$work"/root/var/lib/apt/lists/*
  tar --create --file "$kept.part" --directory "$work/root" .
  mv "$kept.part" "$kept"
fi
mkdir -p "$folder"
tar --extract --file "$kept" --directory "$folder"
