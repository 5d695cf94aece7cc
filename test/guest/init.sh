#!/bin/busybox sh
# First process of the guest, in the initramfs: loads drivers, mounts the disk below an overlay in memory, adds the
# files of this boot (project, module, command) and goes there.
export PATH=/bin
/bin/busybox mkdir -p /proc /sys /dev /lower /over /new
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
while read -r module; do
  insmod "/lib/modules/$module" || echo "guest: $module is not loaded" >/dev/console
done </lib/modules/order

# The disk may appear a moment after its driver.
tries=0
until [ -b /dev/vda ] || [ $tries -ge 100 ]; do usleep 50000; tries=$((tries + 1)); done
mount -t ext4 -o ro /dev/vda /lower || exec poweroff -f
mount -t tmpfs -o mode=755,size=75% tmpfs /over
mkdir /over/upper /over/work
mount -t overlay -o lowerdir=/lower,upperdir=/over/upper,workdir=/over/work overlay /new || exec poweroff -f
cp -a /boot/. /new/
for place in proc sys dev; do mount --move /$place /new/$place; done
exec switch_root /new /guest/run
