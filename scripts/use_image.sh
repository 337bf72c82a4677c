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

service=
trap '[ -z "$service" ] || kill "$service" 2>/dev/null || true' EXIT
becomes_healthy() { # usage: becomes_healthy HOW
  # not by the function: its subshell would get the signal, and the service live on
  chroot --userspec "$user" "$root" /usr/bin/env -i "${variables[@]}" "${entry[@]}" "${command[@]}" \
    >"$work/serve.log" 2>&1 &
  service=$!
  local deadline=$((SECONDS + 40))
  until inside "${health[@]}" 2>/dev/null; do
    if ! kill -0 "$service" 2>/dev/null || [ "$SECONDS" -ge "$deadline" ]; then
      tail -n 20 "$work/serve.log" >&2
      fail "${entry[*]} ${command[*]} did not become healthy $1"
    fi
    sleep 0.2
  done
  echo "healthy $1: ${entry[*]} ${command[*]}"
  kill "$service"
  wait "$service" || fail "it did not end well"
  service=
}
becomes_healthy "on loopback"

variables+=(DRORCH_SERVER__HOST=0.0.0.0)
if inside "${entry[@]}" "${command[@]}" 2>/dev/null; then fail "it serves all the world without TLS"; fi
inside "${entry[@]}" tls init --keep >/dev/null
if inside "${entry[@]}" "${command[@]}" 2>/dev/null; then fail "it serves all the world to anybody"; fi
inside "${entry[@]}" token create --name proof --role viewer >/dev/null
becomes_healthy "over TLS, for all addresses"
grep -q https:// "$work/serve.log" || fail "it does not say https"
