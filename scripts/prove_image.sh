#!/usr/bin/env bash
# Carry out the Dockerfile in a clean Debian 13 (its Python is 3.13, as the base image's), then
# use the result as the image would be used: as uid 10001, with a root that cannot be written.
# Needs root and debootstrap; no container engine. Wheels are fetched here and checked there.
set -euo pipefail
cd "$(dirname "$0")/.."
suite=trixie
work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT

python=.venv/bin/python
if [ ! -x "$python" ]; then echo "first: make setup" >&2; exit 1; fi
mkdir -p "$work/wheelhouse"
platforms=()
for one in manylinux2014 manylinux_2_17 manylinux_2_28 manylinux_2_31 manylinux_2_34; do
  platforms+=(--platform "${one}_x86_64")
done
"$python" -m pip download -qq --disable-pip-version-check --no-deps --only-binary=:all: \
  --require-hashes "${platforms[@]}" --implementation cp --python-version 3.13 --abi cp313 \
  --abi abi3 --abi none --dest "$work/wheelhouse" --requirement requirements/extras.txt \
  --requirement requirements/build.txt --requirement requirements/bundle.txt

root='' user='' workdir=/ variables=() entry=() command=() health=()

inside() { # run in the stage's root, as its user, with its environment
  local as=()
  if [ -n "$user" ]; then as=(--userspec "$user"); fi
  chroot "${as[@]}" "$root" /usr/bin/env -i "${variables[@]}" /bin/sh -c 'cd "$0" && exec "$@"' "$workdir" "$@"
}
do_from() {
  root=$work/$2 user='' workdir=/ variables=(PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin)
  scripts/clean_root.sh "$suite" "$root"
  # the base image's Python makes environments by itself; Debian's needs its own pip beside it
  mkdir -p "$root/wheelhouse" "$root/usr/share/python-wheels"
  cp "$work"/wheelhouse/*.whl "$root/wheelhouse/"
  variables+=(PIP_NO_INDEX=1 PIP_FIND_LINKS=/wheelhouse PIP_DISABLE_PIP_VERSION_CHECK=1)
  echo "FROM $1 ($2): a clean $suite"
}
do_run() {
  echo "RUN $1"
  case $1 in
    'python3 -m venv /opt/build')
      inside python3 -m venv --without-pip /opt/build
      inside sh -c '/opt/build/bin/python "$(echo /wheelhouse/pip-*.whl)/pip" install --quiet pip'
      ;;
    *) inside sh -euc "$1" ;;
  esac
}
do_copy() {
  echo "COPY $1 $2"
  local to=$root/$workdir/$2
  mkdir -p "$to"
  if [ "$1" = . ]; then
    tar --create --exclude-from=.dockerignore . | tar --extract --directory "$to"
  else
    cp -r "$1/." "$to/"
  fi
}
do_copy_stage() { echo "COPY --from=$1 $2 $3"; mkdir -p "$root$3"; cp -a "$work/$1$2/." "$root$3/"; }
do_workdir() { workdir=$1; mkdir -p "$root$1"; }
do_environment() { variables+=("$1"); }
do_user() { user=$1; }
do_note() { echo "$1 $2"; }
do_healthcheck() { health=("$@"); }
do_entrypoint() { entry=("$@"); }
do_cmd() { command=("$@"); }

"$python" -m scripts.image_steps Dockerfile >"$work/steps"
# shellcheck disable=SC1091
source "$work/steps"

rm -rf "$root/wheelhouse"
cp -r plans/examples "$root/srv/plans"
for one in variables entry command health; do
  declare -n list=$one
  printf '%s\n' "${list[@]}" >"$work/$one"
done
echo "the result, as $user, with a root that cannot be written:"
unshare --mount --net scripts/use_image.sh "$work" "$root" "$user"
du -sh "$root/opt/drorch" | awk '{print "what the image adds to its base: " $1}'
