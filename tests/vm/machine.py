"""A virtual machine with the installed Debian kernel: its root is the host's file system, read
only, and a command runs in it as root. Emulated, so it needs no rights and no hardware; it is slow.

    run(['python3', 'x.py'], folder)    folder is /tmp/out in there, where what is written stays;
                                        /tmp, /run, /var/tmp and /mnt are memory
"""
import glob
import os
import re
import shlex
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                                'support'))
from tap import Skip  # noqa: E402

MEMORY = 1536  # MiB
SHARED = 'security_model=none,multidevs=remap'
# What has to be loaded before the host's files can be seen.
EARLY = ('virtio_pci', '9pnet_virtio', '9p')
INIT = '''#!/bin/busybox sh
b=/bin/busybox
$b mkdir -p /proc /sys /dev /root
$b mount -t proc proc /proc
$b mount -t devtmpfs dev /dev
for m in %(modules)s; do $b insmod /modules/$m; done
$b mount -t 9p -o ro,trans=virtio,version=9p2000.L,cache=loose,msize=262144 host /root
for d in tmp run var/tmp mnt; do $b mount -t tmpfs -o mode=1777 tmpfs /root/$d; done
$b mount -t proc proc /root/proc
$b mount -t sysfs sysfs /root/sys
$b mount -t devtmpfs dev /root/dev
$b mkdir -p /root/dev/pts /root/dev/shm /root/tmp/out
$b mount -t devpts devpts /root/dev/pts
$b mount -t tmpfs -o mode=1777 tmpfs /root/dev/shm
$b mount -t cgroup2 cgroup2 /root/sys/fs/cgroup
$b ip link set lo up
$b mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144 out /root/tmp/out
$b chroot /root /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp LANG=C.UTF-8 \\
    PYTHONDONTWRITEBYTECODE=1 /bin/sh /tmp/out/command >/dev/ttyS0 2>&1 </dev/null
$b echo $? >/root/tmp/out/status
$b umount /root/tmp/out
$b reboot -f
'''


def need(program):
    for folder in os.environ['PATH'].split(':') + ['/usr/sbin', '/sbin']:
        path = os.path.join(folder, program)
        if os.access(path, os.X_OK):
            return path
    raise Skip('%s is not installed (the packages "vm" of packages.txt)' % program)


def kernel():
    """(release, path) of the newest kernel that has its modules here."""
    found = [(os.stat(path).st_mtime, path) for path in glob.glob('/boot/vmlinuz-*')
             if os.path.isdir('/lib/modules/' + path.split('-', 1)[1])]
    if not found:
        raise Skip('no kernel is installed (the packages "vm" of packages.txt)')
    path = max(found)[1]
    return path.split('-', 1)[1], path


def modules(release, names):
    """Files to be loaded one after the other."""
    files = []
    for name in names:
        said = subprocess.run([need('modprobe'), '-S', release, '--show-depends', name],
                              stdout=subprocess.PIPE, text=True, check=True).stdout
        for path in re.findall(r'^insmod (\S+)', said, re.M):
            if path not in files:
                files.append(path)
    return files


def cpio(entries):
    """An archive (newc) of (name, mode, content)."""
    out = bytearray()
    for number, (name, mode, content) in enumerate(entries + [('TRAILER!!!', 0, b'')]):
        fields = (number + 1, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
        out += b'070701' + b''.join(b'%08x' % f for f in fields) + name.encode() + b'\0'
        out += b'\0' * (-len(out) % 4) + content
        out += b'\0' * (-len(out) % 4)
    return bytes(out)


def initramfs(release):
    files = modules(release, EARLY)
    entries = [(name, 0o040755, b'') for name in ('bin', 'modules')]
    for path in files + [need('busybox')]:
        where = 'modules/' + os.path.basename(path) if path in files else 'bin/busybox'
        with open(path, 'rb') as f:
            entries.append((where, 0o100755, f.read()))
    names = ' '.join(os.path.basename(path) for path in files)
    entries.append(('init', 0o100755, (INIT % {'modules': names}).encode()))
    return cpio(entries)


def run(command, folder, disks=(), load=(), patience=300):
    """Runs a command in a machine; its exit status. What it says is in FOLDER/console. disks:
    images that are /dev/vda, /dev/vdb ... in there. load: modules."""
    release, image = kernel()
    qemu = need('qemu-system-x86_64')
    initrd, console = os.path.join(folder, 'initrd'), os.path.join(folder, 'console')
    with open(initrd, 'wb') as f:
        f.write(initramfs(release))
    with open(os.path.join(folder, 'command'), 'w', encoding='ascii') as f:
        f.write(''.join('modprobe %s\n' % name for name in load))
        f.write('exec ' + ' '.join(shlex.quote(str(word)) for word in command) + '\n')
    argv = [qemu, '-machine', 'q35,accel=tcg', '-cpu', 'max', '-smp', '2', '-m', str(MEMORY),
            '-nodefaults', '-nographic', '-no-reboot', '-serial', 'file:' + console,
            '-kernel', image, '-initrd', initrd,
            '-append', 'console=ttyS0 quiet panic=-1 oops=panic',
            '-virtfs', 'local,path=/,mount_tag=host,readonly=on,' + SHARED,
            '-virtfs', 'local,path=%s,mount_tag=out,%s' % (folder, SHARED)]
    for disk in disks:
        argv += ['-drive', 'file=%s,format=raw,if=virtio,cache=unsafe' % disk]
    try:
        subprocess.run(argv, timeout=patience, check=True, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    except subprocess.TimeoutExpired:
        raise AssertionError('the machine was not done after %d s' % patience) from None
    except subprocess.CalledProcessError as error:
        raise AssertionError('qemu: ' + error.stderr) from None
    try:
        with open(os.path.join(folder, 'status'), encoding='ascii') as f:
            return int(f.read())
    except OSError:
        raise AssertionError('the machine stopped before its end') from None
