#!/usr/bin/env bash
# Install the bundle in clean Debian roots with the network off, and use it there.
# usage: scripts/prove_bundle.sh [SUITE ...]      default: bookworm trixie (root; debootstrap)
set -euo pipefail
cd "$(dirname "$0")/.."
bundle=$(ls dist/drorch-*-bundle.tar.gz)
suites=("${@:-}")
if [ -z "${suites[0]}" ]; then suites=(bookworm trixie); fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for suite in "${suites[@]}"; do
  root=$work/$suite
  scripts/clean_root.sh "$suite" "$root"
  tar --extract --gzip --file "$bundle" --directory "$root/root"
  begin=$SECONDS
  unshare --net chroot "$root" /bin/sh -eu -c '
    cd /root/drorch-*-bundle
    sh install.sh /opt/drorch
    drorch=/opt/drorch/venv/bin/drorch
    for plan in plans/*.yaml; do
      case $plan in *.fleet.yaml) ;; *) $drorch validate "$plan" >/dev/null && echo "valid: $plan" ;; esac
    done
    test -s contacts.txt
    for plan in plans/*.yaml; do
      case $plan in *.fleet.yaml) ;; *) test -s "printed/$(basename "$plan" .yaml).it.txt" ;; esac
    done
    for module in psycopg pymysql smbprotocol.connection connectors.proxmox api.cli; do
      /opt/drorch/venv/bin/python -c "import $module"
    done
  '
  echo "$suite: installed and used without network in $((SECONDS - begin)) s"
done
