#!/bin/sh
# What runs in the virtual machine, on the host's files and on its copy of the tree: the suite.
. "$(dirname "$0")/parameters"
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb LANG=C
export EBPF_TIME_LIMIT EBPF_STRICT_SKIPS=1 EBPF_WITHOUT=host

mount -t tmpfs tmpfs /run
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t bpf bpf /sys/fs/bpf
mount -t tracefs tracefs /sys/kernel/tracing
ip link set lo up

# The kernel's configuration, and its modules, of which it loads by itself what it needs.
release=$(uname -r)
mkdir -p /boot /lib/modules
rm -rf "/boot/config-$release" "/lib/modules/$release"
ln -s "$KERNEL/config" "/boot/config-$release"
ln -s "$KERNEL/lib/modules/$release" /lib/modules/
echo /sbin/modprobe >/proc/sys/kernel/modprobe

# As on any server: what the specs start without capabilities is refused.
echo 2 >/proc/sys/kernel/unprivileged_bpf_disabled
echo 2 >/proc/sys/kernel/perf_event_paranoid

stty -F /dev/ttyS1 raw
cd "$TREE" && lua5.4 spec/support/run.lua $LUAS -- $SPECS >/dev/ttyS1 2>&1 </dev/null
exec /bin/busybox reboot -f
