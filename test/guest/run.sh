#!/bin/busybox sh
# Second half of the guest's start: the filesystems that a Linux machine has, the module, then the command.
# What the host must know goes through the port "control"; the command's two streams have a port each.
# Files beside this one: command (the command line, quoted), environment, module (path of rfuse.ko, or empty).
export PATH=/usr/local/bin:/usr/bin:/usr/sbin HOME=/root LANG=C.UTF-8 LC_ALL=C.UTF-8 TERM=dumb
for port in /sys/class/virtio-ports/*; do
  ln -s "/dev/${port##*/}" "/dev/port-$(cat "$port/name")"
done
exec 9<>/dev/port-control
say() { echo "$*" >&9; }
say alive

mkdir -p /dev/pts /dev/shm
mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -t tmpfs -o mode=1777,size=75% tmpfs /tmp
mount -t tmpfs -o mode=755 tmpfs /run
mount -t debugfs debugfs /sys/kernel/debug
mount -t tracefs tracefs /sys/kernel/tracing
mount -t fusectl fusectl /sys/fs/fuse/connections
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t bpf bpf /sys/fs/bpf
ln -sf /proc/self/fd /dev/fd
ln -sf /proc/self/fd/0 /dev/stdin
ln -sf /proc/self/fd/1 /dev/stdout
ln -sf /proc/self/fd/2 /dev/stderr
chmod 666 /dev/fuse
busybox hostname guest
busybox ip link set lo up
echo 1 >/proc/sys/kernel/sysrq
[ -e /proc/sys/kernel/hung_task_timeout_secs ] && echo 60 >/proc/sys/kernel/hung_task_timeout_secs
cd /rfuse
. /guest/environment

# The host asks for the state of all tasks when the command does not end.
( while read -r order <&9; do
    [ "$order" = dump ] && { echo w >/proc/sysrq-trigger; echo l >/proc/sysrq-trigger; echo d >/proc/sysrq-trigger; }
  done ) &

if [ -n "$RFUSE_MODULE" ] && [ "$RFUSE_LOAD" = 1 ]; then
  if ! said=$(insmod "$RFUSE_MODULE" 2>&1); then
    say "unloadable $said"
    exec poweroff -f
  fi
fi

mkfifo /run/out /run/err
cat </run/out >/dev/port-out & out=$!
cat </run/err >/dev/port-err & err=$!
sh /guest/command >/run/out 2>/run/err </dev/null
status=$?

# What the command left running may hold its streams open: they get two seconds.
( sleep 2; kill $out $err ) & timer=$!
wait $out $err
kill $timer

if [ -e /sys/kernel/debug/kmemleak ] && [ "$RFUSE_KMEMLEAK" = 1 ]; then
  say leaks
  sleep 6 # a younger object counts as reachable
  echo scan >/sys/kernel/debug/kmemleak
  sleep 1
  echo scan >/sys/kernel/debug/kmemleak
  cat /sys/kernel/debug/kmemleak >/dev/console
fi
say "exit $status"
poweroff -f
