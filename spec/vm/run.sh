#!/bin/sh
# Runs the suite on other kernels, each in a virtual machine without KVM, one after the other.
#
#   spec/vm/run.sh "6.1 7.3" "lua5.4" spec/map_spec.lua ...
#
# The guest sees the host's files, read-only under a file system in memory, so the same tools, Luas and objects serve on
# every kernel; only the kernel and its modules are others. EBPF_BUILD is the directory of the build, VM_CACHE where the
# kernels are kept, VM_TIME_LIMIT how many seconds one kernel may take, VM_MEMORY how many MiB it has.
# In <build>/vm/run/<series>/ are the logs, and "result": the counts, behind "out of time:" where the machine had to be
# stopped. Prints what spec/support/run.lua prints there, and a line for each kernel; exits with 1 when a test failed or
# a machine did not come to its end.
set -eu
build=$(realpath "${EBPF_BUILD:-build}")
cache=${VM_CACHE:-$build/vm}
here=$(dirname "$0")
kernels=$1
luas=$2
shift 2

# The part of the tree that the specs use, as it is now: it may be edited while they run.
copy_tree() {
	mkdir -p "$1/build/test"
	cp -a .busted Makefile README.md lua spec src examples rockspec "$1/"
	for part in $luas bpf examples spec; do
		[ ! -e "$build/$part" ] || cp -a "$build/$part" "$1/build/"
	done
}

make_initramfs() { # directory release
	root=$1/initramfs
	mkdir -p "$root/bin" "$root/modules"
	cp "$(command -v busybox)" "$root/bin/busybox"
	cp "$here/init" "$root/init"
	cp "$1/tree/spec/vm/parameters" "$root/"
	for module in virtio_pci 9pnet_virtio 9p overlay; do
		modprobe -d "$kernel" --set-version "$2" --show-depends "$module"
	done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++' | while read -r module; do
		name=$(basename "$module" .xz)
		case $module in
		*.xz) xz -dc "$module" ;;
		*) cat "$module" ;;
		esac >"$root/modules/$name"
		echo "$name"
	done >"$root/modules/order"
	(cd "$root" && find . | cpio --quiet -o -H newc) >"$1/initramfs.cpio"
}

# TCG corrupts memory with more than one CPU that has cmpxchg16b, and without it parts of BPF do not work.
boot() { # directory
	timeout -k 10 "${VM_TIME_LIMIT:-1800}" qemu-system-x86_64 -accel "${VM_ACCEL:-tcg}" -cpu max -smp 2 -m "${VM_MEMORY:-1536}" \
		-display none -no-reboot -nodefaults -nic none \
		-serial "file:$1/console" -serial stdio \
		-fsdev local,id=host,path=/,security_model=none,readonly=on,multidevs=remap \
		-device virtio-9p-pci,fsdev=host,mount_tag=host \
		-fsdev "local,id=logs,path=$1/logs,security_model=none" \
		-device virtio-9p-pci,fsdev=logs,mount_tag=logs \
		-kernel "$kernel/vmlinuz" -initrd "$1/initramfs.cpio" \
		-append "console=ttyS0 quiet panic=-1 maxcpus=1 lsm=lockdown,yama,integrity,bpf" </dev/null
}

# What came of it, in the words of the last line of the suite.
result() { # directory, exit status of the machine
	if [ -f "$1/logs/total" ]; then
		cat "$1/logs/total"
	elif [ "$2" -eq 124 ]; then
		printf 'out of time: '
		awk '/_spec.lua +[0-9]+ passed/ { passed += $3; failed += $5; skipped += $7 }
			END { printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped }' "$1/output"
	else
		echo "the machine ended with status $2 before the suite did; the last words of its kernel:" >&2
		tail -n 20 "$1/console" | tr -d '\r' >&2
		echo "0 passed, 1 failed, 0 skipped"
	fi
}

status=0
summary=
for series in $kernels; do
	"$here/kernel.sh" "$series" "$cache"
	kernel=$(realpath "$cache/$series")
	release=$(cat "$kernel/release")
	run=$build/vm/run/$series
	rm -rf "$run"
	mkdir -p "$run/logs"
	copy_tree "$run/tree"
	cat >"$run/tree/spec/vm/parameters" <<-END
		TREE='$run/tree'
		KERNEL='$kernel'
		LUAS='$luas'
		SPECS='$*'
		EBPF_TIME_LIMIT='${EBPF_TIME_LIMIT:-900}'
	END
	make_initramfs "$run" "$release"
	echo "== Linux $release"
	{
		ended=0
		boot "$run" || ended=$?
		echo "$ended" >"$run/ended"
	} | tee "$run/output"
	result "$run" "$(cat "$run/ended")" >"$run/result"
	grep -qE '^[0-9]+ passed, 0 failed' "$run/result" || status=1
	summary="$summary$(printf '%-5s %s: %s' "$series" "$release" "$(cat "$run/result")")
"
	rm -rf "$run/initramfs" "$run/initramfs.cpio"
done
printf "%s" "$summary"
exit $status
