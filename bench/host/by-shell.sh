#!/bin/bash
# What the agent does for one guest, as plain programs one after the other: by-shell.sh create|remove FOLDER
# The folder's `settings` name what the agent would have been told, as shell variables.
set -euo pipefail
folder=$2
. "$folder/settings"

create() {
  qemu-img create -q -f qcow2 -u -F raw -b "$image" "$folder/disk0.qcow2" 1G
  chown "$uid:$uid" "$folder/disk0.qcow2"
  ip tuntap add dev "$tap" mode tap user "$uid"
  nft -f "$folder/filter.nft"
  sysctl -q -e -w "net.ipv6.conf.$tap.disable_ipv6=1"
  ip link set dev "$tap" master "$bridge" up
  cat "$folder/document" > "$folder/document.json.new"
  mv "$folder/document.json.new" "$folder/document.json"
  # QMP on pipes: nobody has to wait for a socket to appear.
  coproc QEMU { exec "${qemu[@]}" 2> "$folder/qemu.log"; }
  echo "$QEMU_PID" > "$folder/pid"
  printf '%s\n' '{"execute":"qmp_capabilities"}' '{"execute":"cont"}' '{"execute":"query-status"}' >&"${QEMU[1]}"
  while read -r line; do
    case $line in *'"status": "running"'*) echo "$folder running"; return ;; esac
  done <&"${QEMU[0]}"
  cat "$folder/qemu.log" >&2
  exit 1
}

remove() {
  pid=$(< "$folder/pid")
  kill "$pid"
  while [ -e "/proc/$pid/exe" ]; do sleep 0.005; done
  ip link delete dev "$tap"
  nft delete table netdev "berth-$tap"
  rm "$folder/document.json" "$folder/disk0.qcow2" "$folder/pid"
}

"$1"
