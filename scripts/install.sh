#!/bin/sh
# Install drorch from this folder, without any network.
# usage: sh install.sh [FOLDER]      default: /opt/drorch as root, ~/drorch otherwise
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
if [ "$(id -u)" = 0 ]; then target=${1:-/opt/drorch}; else target=${1:-$HOME/drorch}; fi

echo "checking that the archive arrived whole"
(cd "$here" && sha256sum --quiet --check SHA256SUMS) || {
  echo "some files are damaged (above): copy the archive again" >&2
  exit 1
}

python=
for candidate in ${PYTHON:-python3 python3.13 python3.11}; do
  version=$("$candidate" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
  case $version in
    3.11 | 3.13) python=$candidate; break ;;
  esac
done
if [ -z "$python" ]; then
  echo "needs Python 3.11 or 3.13, as Debian 12 and 13 have it (package python3)." >&2
  echo "Without it use the printed plans in $here/printed" >&2
  exit 1
fi

echo "installing into $target with Python $version"
# without-pip, because a plain Debian lacks python3-venv; the bundle brings its own pip
"$python" -m venv --clear --without-pip "$target/venv"
pip=$(echo "$here"/wheels/pip-*.whl)
install() {
  "$target/venv/bin/python" "$pip/pip" install --quiet --disable-pip-version-check \
    --no-cache-dir --no-index --find-links "$here/wheels" "$@"
}
install --require-hashes --no-deps --requirement "$here/requirements.txt"
install --no-deps "$here"/wheels/drorch-*.whl
mkdir -p "$target/plans"
cp "$here"/plans/*.yaml "$target/plans/"
cp -r "$here/printed" "$here/docs" "$here/contacts.txt" "$here/README-first.txt" "$target/"

"$target/venv/bin/drorch" --version
echo "done: $target/venv/bin/drorch --help        plans: $target/plans"
