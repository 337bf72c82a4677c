#!/usr/bin/env bash
# Part of prove_image.sh: use the finished root as a container would, in name spaces of its own.
# usage: scripts/use_image.sh WORK ROOT USER
set -euo pipefail
work=$1 root=$2 user=$3
mapfile -t variables <"$work/variables"
mapfile -t entry <"$work/entry"
mapfile -t command <"$work/command"
mapfile -t health <"$work/health"

ip link set lo up
mount --bind "$root" "$root"
mount --options remount,bind,ro "$root"
mount -t tmpfs -o "mode=0755,uid=${user%%:*},gid=${user##*:}" data "$root/data"
mount -t tmpfs -o mode=1777 tmp "$root/tmp"
mount -t proc proc "$root/proc"

inside() { chroot --userspec "$user" "$root" /usr/bin/env -i "${variables[@]}" "$@"; }
fail() { echo "$1" >&2; exit 1; }

test "$(inside id -u)" = "${user%%:*}" || fail "it does not run as $user"
if inside touch /opt/drorch/written 2>/dev/null; then fail "the root can be written"; fi
for tool in gcc cc make git; do
  if inside sh -c "command -v $tool" >/dev/null; then fail "the image has $tool"; fi
done
inside "${entry[@]}" --version
inside "${entry[@]}" --help >/dev/null
inside "${entry[@]}" validate /srv/plans/first.yaml

inside "${entry[@]}" "${command[@]}" >"$work/serve.log" 2>&1 &
service=$!
trap 'kill "$service" 2>/dev/null || true' EXIT
deadline=$((SECONDS + 40))
until inside "${health[@]}" 2>/dev/null; do
  if ! kill -0 "$service" 2>/dev/null || [ "$SECONDS" -ge "$deadline" ]; then
    tail -n 20 "$work/serve.log" >&2
    fail "${entry[*]} ${command[*]} did not become healthy"
  fi
  sleep 0.2
done
echo "healthy: ${entry[*]} ${command[*]}"
