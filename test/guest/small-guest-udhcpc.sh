#!/bin/sh
# Called by udhcpc with the lease in its environment. Where option 121 is present, the router option is ignored (RFC 3442).
case "$1" in
bound | renew) ;;
*) exit 0 ;;
esac

ip -4 address flush dev "$interface"
ip address add "$ip/$mask" dev "$interface"
[ -n "$mtu" ] && ip link set "$interface" mtu "$mtu"

if [ -n "$staticroutes" ]; then
  # "10.0.0.0/8 192.0.2.1 0.0.0.0/0 192.0.2.1": pairs of destination and gateway; gateway 0.0.0.0 is on the link.
  set -- $staticroutes
  while [ $# -ge 2 ]; do
    if [ "$2" = 0.0.0.0 ]; then
      ip route replace "$1" dev "$interface"
    else
      ip route replace "$1" via "$2" dev "$interface" onlink
    fi
    shift 2
  done
elif [ -n "$router" ]; then
  ip route replace default via "${router%% *}" dev "$interface"
fi

: >/etc/resolv.conf
for server in $dns; do echo "nameserver $server" >>/etc/resolv.conf; done
