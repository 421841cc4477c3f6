#!/bin/sh
# The first and only program of the small guest. It does what a cloud image does, in seconds: DHCP with classless
# routes, then the NoCloud documents. What it saw goes to the serial console between markers, BERTH-GUEST-READY last.
/bin/busybox mkdir -p /proc /sys /dev /run /tmp
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
exec </dev/console >/dev/console 2>&1
echo 3 >/proc/sys/kernel/printk

while read -r module; do insmod "/modules/$module"; done </modules/order

show() {
  echo "BERTH-GUEST-BEGIN $1"
  cat
  echo
  echo "BERTH-GUEST-END $1"
}

# The power button is an input device: whatever it says means off.
for event in /sys/class/input/event*; do
  [ "$(cat "$event/device/name" 2>/dev/null)" = 'Power Button' ] || continue
  (dd if="/dev/input/${event##*/}" bs=24 count=1 >/dev/null 2>&1 && poweroff -f) &
done

ip link set lo up
url=$(tr ';' '\n' </sys/class/dmi/id/product_serial 2>/dev/null | sed -n 's/^s=//p')
url=${url:-http://169.254.169.254/}
if [ -e /sys/class/net/eth0 ]; then
  ip link set eth0 up
  if udhcpc -i eth0 -n -q -t 10 -T 1 -O staticroutes -x "hostname:small-guest" -s /udhcpc.sh >/tmp/dhcp 2>&1; then
    for document in meta-data user-data vendor-data network-config; do
      # wget's own -T crashes in the static build.
      timeout 10 wget -q -O "/tmp/$document" "$url$document" 2>"/tmp/$document.error" || cat "/tmp/$document.error" >"/tmp/$document.failed"
    done
  else
    echo 'BERTH-GUEST-NO-LEASE'
  fi
else
  echo 'BERTH-GUEST-NO-NIC'
fi

name=$(sed -n 's/^local-hostname: *//p; s/.*"local-hostname": *"\([^"]*\)".*/\1/p' /tmp/meta-data 2>/dev/null | head -n 1)
hostname "${name:-small-guest}"
hostname | show hostname
ip -o address | show addresses
ip route | show routes
cat /etc/resolv.conf 2>/dev/null | show resolver
for disk in /sys/block/vd*; do
  [ -e "$disk" ] && echo "${disk##*/} $(cat "$disk/size")"
done | show disks
ls /sys/bus/pci/devices | while read -r address; do
  echo "$address $(cat "/sys/bus/pci/devices/$address/class") $(cat "/sys/bus/pci/devices/$address/vendor"):$(cat "/sys/bus/pci/devices/$address/device")"
done | show pci
for document in meta-data user-data vendor-data network-config; do
  if [ -e "/tmp/$document.failed" ]; then
    show "$document-failed" <"/tmp/$document.failed"
  elif [ -e "/tmp/$document" ]; then
    show "$document" <"/tmp/$document"
  fi
done
echo BERTH-GUEST-READY

# A shell for whoever types at the serial console.
if grep -q 'small-guest: shell' /tmp/user-data 2>/dev/null || grep -q small-guest.shell /proc/cmdline; then
  setsid sh -c 'exec sh -i </dev/ttyS0 >/dev/ttyS0 2>&1' &
fi

grep -q 'small-guest: poweroff' /tmp/user-data 2>/dev/null && poweroff -f

# What the user data says to try, as often as it says: told once it succeeds, or that it never did.
sed -n 's/^# small-guest: try //p' /tmp/user-data 2>/dev/null | while read -r times command; do
  (
    while [ "$times" -gt 0 ] && ! sh -c "$command" >/dev/null 2>&1; do
      times=$((times - 1))
      sleep 1
    done
    [ "$times" -gt 0 ] && echo "BERTH-GUEST-DONE $command" || echo "BERTH-GUEST-NOT-DONE $command"
  ) &
done

# Disks that come and go while it runs are told, each with what its first bytes say; a blank one is marked.
known=''
while true; do
  now=''
  for disk in /sys/block/vd*; do
    [ -e "$disk" ] && now="$now $(cat "$disk/serial"),${disk##*/},$(cat "$disk/size")"
  done
  for one in $now; do
    case " $known " in *" $one "*) continue ;; esac
    device=/dev/$(echo "$one" | cut -d, -f2)
    serial=$(echo "$one" | cut -d, -f1)
    mark=$(dd if="$device" bs=64 count=1 2>/dev/null | tr -d '\000')
    [ -z "$mark" ] && [ "$serial" != disk0 ] && printf 'marked by %s' "$(hostname)" >"$device" && sync
    echo "BERTH-GUEST-DISK + $serial $(echo "$one" | cut -d, -f3) ${mark:-blank}"
  done
  for one in $known; do
    case " $now " in *" $one "*) ;; *) echo "BERTH-GUEST-DISK - $(echo "$one" | cut -d, -f1)" ;; esac
  done
  known=$now
  sleep 1
done
