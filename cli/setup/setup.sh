#!/bin/sh
# Owns what has to be on a machine before Berth runs from a clone: npm packages (Node 24 among them) and, for real
# guests, Debian packages. In: demo | dev | test | check | guests. Out: one line for each thing it installs, and why;
# nothing where nothing is missing. Never touches anything that is already there.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
mode=${1:-}
stamp=node_modules/.berth-package-lock.json
PATH=$PATH:/usr/sbin:/sbin

say() { printf 'setup: %s\n' "$*" >&2; }
fail() {
  say "$*"
  exit 1
}
has() { command -v "$1" >/dev/null 2>&1; }

# Debian package, a command of it, what it is for.
guest_packages='
qemu-system-x86 qemu-system-x86_64 runs the guests
qemu-utils qemu-img makes their disks
dnsmasq-base dnsmasq hands them their addresses
nftables nft keeps a guest from posing as another
iproute2 ip makes their networks
util-linux setpriv runs them without privileges
mmdebstrap mmdebstrap installs Debian into the image of the demo guest
e2fsprogs mke2fs makes the file system of that image
openssh-client ssh logs in to the guest
'
test_packages='
busybox busybox asks for addresses in tests as a small guest does
mtools mcopy reads a metadata disk in tests as its guest does
libvirt-daemon-system libvirtd starts guests in tests of hosts that have chosen it
libvirt-clients virsh asks it to
acl setfacl lets its guests in where groups do not
'

ensure_node() {
  has node || fail 'Node is missing: install Node 20 or newer with npm (Debian: apt-get install nodejs npm), then repeat.'
  has npm || fail 'npm is missing: install it (Debian: apt-get install npm), then repeat.'
}

ensure_npm_packages() {
  if [ ! -d node_modules ]; then
    why='they are not here yet'
  elif [ ! -f "$stamp" ]; then
    why='it is unknown which versions are here'
  elif ! cmp -s package-lock.json "$stamp"; then
    why='package-lock.json has changed'
  else
    return 0
  fi
  ensure_node
  say "npm packages: installing, because $why (Node 24 is one of them; about half a minute)"
  rm -f "$stamp"
  log=$(mktemp)
  # Versions and hashes are those of the lock file, as with npm ci, which however refuses a lock file without the
  # optional packages of every other platform: mirrors of the registry often have only some.
  if ! npm install --no-save --no-audit --no-fund --loglevel=error >"$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    fail 'npm install failed: its words are above. Check that the npm registry can be reached, then repeat.'
  fi
  rm -f "$log"
  cp package-lock.json "$stamp"
}

# npm puts node_modules/.bin first on the path of what it runs next.
check_node_version() {
  if [ -x node_modules/.bin/node ]; then node=node_modules/.bin/node; else node=node; fi
  version=$($node --version 2>/dev/null) || fail "$node does not run here: install Node 24 for this machine and repeat."
  major=${version#v}
  major=${major%%.*}
  [ "$major" -ge 24 ] ||
    fail "Berth needs Node 24; $node is $version, and npm has none for $(uname -sm). Install Node 24 and repeat."
}

# Of the list on standard input: the lines whose command is missing.
missing_lines() {
  while read -r package command purpose; do
    [ -z "$package" ] || has "$command" || printf '%s\t%s\n' "$package" "$purpose"
  done
}

ensure_debian_packages() {
  missing=$(printf '%s\n' "$@" | missing_lines)
  [ -n "$missing" ] || return 0
  names=$(printf '%s\n' "$missing" | cut -f1 | tr '\n' ' ')
  if ! has apt-get; then
    say "Missing, and there is no apt-get here to install it: $names"
    say 'Install these on a Debian 12 or newer. A simulated region needs none of them: npm run dev -- --simulate 20'
    return 1
  fi
  if [ "$(id -u)" -ne 0 ]; then
    say "Missing: $names"
    say "Only root can install them: sudo apt-get install --no-install-recommends $names"
    say 'A simulated region needs none of them: npm run dev -- --simulate 20'
    return 1
  fi
  printf '%s\n' "$missing" | while IFS="$(printf '\t')" read -r package purpose; do
    say "$package: installing, because it $purpose"
  done
  log=$(mktemp)
  export DEBIAN_FRONTEND=noninteractive
  # Word splitting is meant: one argument for each package.
  # shellcheck disable=SC2086
  if ! { apt-get update -qq && apt-get install -qq -y --no-install-recommends $names; } >"$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    fail "apt-get could not install $names: its words are above. Put that right, then repeat."
  fi
  rm -f "$log"
}

# The small test guests are made of packages that are downloaded and never installed.
ensure_package_lists() {
  has apt-get && [ "$(id -u)" -eq 0 ] || return 0
  for list in /var/lib/apt/lists/*_Packages*; do
    [ ! -e "$list" ] || return 0
  done
  say 'lists of Debian packages: fetching, because the small test guests are made of packages'
  apt-get update -qq || say 'apt-get update failed: tests with guests will say what they miss.'
}

cd "$root"
case $mode in
  # The demo and `berth dev` ask for `guests` once they know that real guests are wanted and possible.
  check | dev | demo)
    ensure_npm_packages
    check_node_version
    ;;
  test)
    ensure_npm_packages
    check_node_version
    # Tests that miss something are listed as skipped, with the reason.
    ensure_debian_packages "$guest_packages" "$test_packages" || true
    ensure_package_lists
    ;;
  guests)
    ensure_debian_packages "$guest_packages"
    ;;
  *)
    say 'usage: sh cli/setup/setup.sh demo|dev|test|check|guests'
    exit 2
    ;;
esac
