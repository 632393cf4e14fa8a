#!/bin/bash
# boot.sh ROOT CHECKOUT PACKAGES GIVEN: make a small Debian out of this one's programs, and become its init.
# Called in namespaces of its own (see machine.py): nothing of it is seen outside, and all of it ends with its init.
set -eu
root=$1 checkout=$2 packages=$3 given=$4

mount --make-rprivate /
mount -t tmpfs -o mode=755 machine "$root"
cd "$root"
mkdir -p usr etc var/lib/systemd var/log/journal var/spool var/backups opt run root home srv sys proc dev tmp
mkdir -p checkout packages given vendor
chmod 1777 tmp
chmod 700 root
for name in bin sbin lib lib32 lib64 libx32; do
    if [ -L "/$name" ]; then cp -P "/$name" .; fi
done
mount --bind /usr usr
mount -o remount,bind,ro usr
# What /usr/local holds is not Debian's, and the page links there.
mount -t tmpfs local usr/local
mkdir -p usr/local/bin usr/local/share/man/man1 usr/local/share/bash-completion/completions
for pair in "$checkout checkout" "$packages packages" "$given given"; do
    # shellcheck disable=SC2086
    set -- $pair
    mount --bind "$1" "$2"
    mount -o remount,bind,ro "$2"
done
cp -a /etc/. etc
# This machine's own services are not ours to start.
rm -rf etc/systemd/system etc/cron.d etc/recorder
mkdir -p etc/systemd/system etc/cron.d
ln -s /run var/run
for unit in systemd-sysctl systemd-modules-load systemd-udevd systemd-udev-trigger systemd-random-seed \
    systemd-remount-fs systemd-binfmt systemd-hwdb-update systemd-machine-id-commit systemd-firstboot; do
    ln -s /dev/null "etc/systemd/system/$unit.service"
done
for unit in dev-hugepages.mount sys-kernel-debug.mount sys-kernel-tracing.mount sys-fs-fuse-connections.mount \
    proc-sys-fs-binfmt_misc.automount; do
    ln -s /dev/null "etc/systemd/system/$unit"
done

mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t tmpfs -o mode=755 run run
mount -t sysfs -o ro sysfs sys
mount -t tmpfs -o mode=755 dev dev
for node in null zero full random urandom tty; do
    touch "dev/$node"
    mount --bind "/dev/$node" "dev/$node"
done
mkdir dev/shm dev/pts
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s /proc/self/fd/0 dev/stdin
ln -s /proc/self/fd/1 dev/stdout
ln -s /proc/self/fd/2 dev/stderr
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    mount -t cgroup2 cgroup2 sys/fs/cgroup
else
    mount -t tmpfs -o mode=755 cgroup sys/fs/cgroup
    mkdir sys/fs/cgroup/systemd sys/fs/cgroup/unified
    mount -t cgroup -o none,name=systemd cgroup sys/fs/cgroup/systemd
    mount -t cgroup2 cgroup2 sys/fs/cgroup/unified
fi

# Not chroot: services get namespaces of their own, made from the root of this one.
mkdir outside
pivot_root . outside
cd /
umount --lazy outside
rmdir outside
# As on every machine with systemd: else the credentials that it mounts for a service would stay out of its sight.
mount --make-rshared /
exec /usr/bin/env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
    /lib/systemd/systemd --system --unit=basic.target --log-target=journal --show-status=0
