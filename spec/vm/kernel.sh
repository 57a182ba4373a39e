#!/bin/sh
# Fetches Debian's newest kernel of a series and unpacks it, without installing anything: apt works with sources, lists
# and a cache of its own, and only its way to the network is the system's.
#
#   spec/vm/kernel.sh 6.12 build/vm      makes build/vm/6.12/{vmlinuz,config,release,lib/modules/<release>}
set -eu
series=$1
mkdir -p "$2"
cache=$(realpath "$2")
apt=$cache/apt
kernel=$cache/$series

[ -f "$kernel/release" ] && exit 0

# Who runs beside this waits, and finds the work done.
exec 9>"$cache/lock"
flock 9
[ -f "$kernel/release" ] && exit 0

# The archive is where the system's own packages come from.
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | head -n 1)
security=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian-Security' | head -n 1)
mirror=${mirror:-http://deb.debian.org/debian/}
security=${security:-http://deb.debian.org/debian-security/}

mkdir -p "$apt/lists/partial" "$apt/archives/partial"
for source in \
	"$security bullseye-security" "$mirror bookworm" "$security bookworm-security" "$mirror bookworm-backports" \
	"$mirror trixie" "$security trixie-security" "$mirror trixie-backports" "$mirror sid"
do
	echo "deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $source main"
done >"$apt/sources.list"

private() {
	tool=$1
	shift
	"$tool" -qq -o Dir::Etc::SourceList="$apt/sources.list" -o Dir::Etc::SourceParts=/dev/null \
		-o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null \
		-o Dir::State="$apt" -o Dir::State::Lists="$apt/lists" -o Dir::State::Status=/dev/null \
		-o Dir::Cache="$apt" -o Dir::Cache::Archives="$apt/archives" \
		-o APT::Sandbox::User=root -o APT::Update::Post-Invoke=/bin/true -o Acquire::Languages=none "$@"
}

private apt-get update

# What uname -r says of the newest. From 7.1 on there are packages for each part.
release=$(private apt-cache pkgnames linux- | sed -n "s/^linux-\(image\|binary\)-\($series\.[0-9][^ ]*-amd64\)$/\2/p" |
	grep -vE 'cloud|rt-|unsigned' | sort -V | tail -n 1)
[ -n "$release" ] || { echo "Debian has no kernel of the series $series" >&2; exit 1; }
packages=$(private apt-cache pkgnames linux- | grep -xE "linux-(image|binary|modules|base)-$(echo "$release" | sed 's/[.+]/\\&/g')")

work=$kernel.$$
trap 'rm -rf "$work"' EXIT
rm -rf "$work"
mkdir -p "$work/unpacked"
# shellcheck disable=SC2086
(cd "$work" && private apt-get download $packages)
for package in "$work"/*.deb; do
	# Drivers of hardware that no virtual machine has are most of it.
	dpkg-deb --fsys-tarfile "$package" | tar -x -C "$work/unpacked" --exclude='*/kernel/drivers/[!nv]*' \
		--exclude='*/kernel/drivers/net/*/*' --exclude='*/kernel/sound' --exclude='*/share'
done

mkdir -p "$work/lib/modules"
for modules in "$work/unpacked/lib/modules/$release" "$work/unpacked/usr/lib/modules/$release"; do
	[ ! -d "$modules" ] || mv "$modules" "$work/lib/modules/"
done
for part in vmlinuz config; do
	mv "$work/unpacked/boot/$part-$release" "$work/$part" 2>/dev/null ||
		mv "$work/lib/modules/$release/$part" "$work/$part"
done
depmod -b "$work" "$release"
rm -rf "$work/unpacked" "$work"/*.deb
echo "$release" >"$work/release"
rm -rf "$kernel"
mv "$work" "$kernel"
