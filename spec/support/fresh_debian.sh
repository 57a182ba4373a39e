#!/bin/sh
# Proves on a fresh Debian 12 that the committed tree needs nothing but `make deps`: debootstraps a minimal system into
# a temporary directory, clones the tree into it and runs there, each in a clone of its own, what the README tells.
#
#   spec/support/fresh_debian.sh ["make arguments" ...]       default: "deps demo" "deps test"
#
# MIRROR is Debian's archive. Needs root, debootstrap, and the network. Leaves nothing behind.
set -eu
mirror=${MIRROR:-http://deb.debian.org/debian}
source=$(git -C "$(dirname "$0")" rev-parse --show-toplevel)
[ $# -gt 0 ] || set -- "deps demo" "deps test"

# The mounts below are seen by this script alone, and go with it.
if [ "${EBPF_FRESH:-}" != inside ]; then
	root=$(mktemp -d --tmpdir=/var/tmp)
	trap 'rm -rf --one-file-system "$root"' EXIT
	trap 'exit 1' INT TERM
	EBPF_FRESH=inside EBPF_ROOT=$root unshare --mount --propagation private "$0" "$@"
	exit
fi

root=$EBPF_ROOT
chmod 755 "$root" # as the root of any system
debootstrap --variant=minbase --include=make,git,ca-certificates bookworm "$root" "$mirror"

# What a user's machine has beyond packages: the network's names, /proc, /sys and /dev of the kernel.
# How apt reaches the archive from here is needed there too.
cp /etc/resolv.conf /etc/hosts "$root/etc/"
apt-config dump | grep -E '^Acquire::(https?::|Check)' >"$root/etc/apt/apt.conf.d/90here" || true
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"

for arguments in "$@"; do
	rm -rf "$root/root/ebpf"
	git clone --quiet "$source" "$root/root/ebpf"
	echo "== make $arguments"
	chroot "$root" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
		${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} \
		sh -c "cd /root/ebpf && make $arguments" </dev/null
done
