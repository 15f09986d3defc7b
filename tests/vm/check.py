"""What needs a kernel of its own, in a virtual machine (machine.py): dhcpd on a VLAN, and its store
on a disk that loses power or fails.

    check.py [--cuts N] [--seconds N] [--failures N] [--seed N]"""
import argparse
import json
import os
import random
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(HERE)
sys.path += [HERE, os.path.join(TESTS, 'system')]
import disk_log  # noqa: E402
import load  # noqa: E402
import machine  # noqa: E402
from dhcp_client import Client  # noqa: E402
from keel import BUILDDIR, SRCDIR, Daemon, Skip, directory, run, tap  # noqa: E402

DISK_SIZE, LOG_SIZE = 64 << 20, 4 << 30


def inside(words, folder, **options):
    """Runs Python in a machine; what it printed."""
    for where in (SRCDIR, BUILDDIR):
        if os.path.realpath(where).startswith('/tmp/'):
            raise Skip('%s: the machine has another /tmp' % where)
    status = machine.run(['env', 'KEEL_SRCDIR=' + SRCDIR, 'KEEL_BUILDDIR=' + BUILDDIR,
                          'KEEL_PATIENCE=100', 'python3'] + words, folder, **options)
    with open(os.path.join(folder, 'console'), encoding='utf-8', errors='replace') as f:
        said = f.read()
    assert status == 0, said
    return said


def vlan():
    said = inside([os.path.join(TESTS, 'system', 'test_dhcpd_clients.py'), 'a client on a VLAN'],
                  directory(), load=('8021q', 'veth'))
    assert 'not ok' not in said and 'SKIP' not in said and 'ok 1 - ' in said, said


# ---- disks

def make_file(path, size):
    with open(path, 'wb') as f:
        f.truncate(size)


def make_disk(path):
    make_file(path, DISK_SIZE)
    subprocess.run([machine.need('mke2fs'), '-q', '-F', '-t', 'ext4', path], check=True)


def summary(said):
    """The line that tells how much there was, of what a machine printed."""
    return re.search('# (.* ACKs.*)', said).group(1).strip()


# ---- power that is lost

class Promises:
    """What clients knew at each mark of the log."""

    def __init__(self, path):
        with open(path, encoding='ascii') as f:
            self.marks = [json.loads(line) for line in f]
        self.known, self.at = {}, -1

    def until(self, mark):
        """{hardware: address} of those who were told of it before the mark, and have not asked for
        anything since. Marks never go down from call to call."""
        while self.at < mark:
            self.at += 1
            self.known.update(self.marks[self.at]['told'])
        asking = set(self.marks[mark]['asking'])
        return {hardware: address for hardware, address in self.known.items()
                if address and hardware not in asking}


def check_store(image, promised):
    """dhcpd starts with what is on the image, and keeps what was promised."""
    folder = directory()
    answer = subprocess.run([machine.need('e2fsck'), '-p', image], stdout=subprocess.PIPE,
                            text=True, check=False)
    assert answer.returncode <= 1, answer.stdout  # the journal is played
    subprocess.run([machine.need('debugfs'), '-R', 'rdump /dhcpd/state %s' % folder, image],
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    with Daemon('dhcpd', conf=load.CONF, folder=folder) as daemon:
        has = {}
        for row in daemon.ctl('leases'):
            assert row['state'] != 'unreadable', row
            if row['state'] == 'active':
                hardware = row['hardware'].replace(':', '')
                assert hardware not in has, ('two addresses', row, has[hardware])
                has[hardware] = row['address']
        for hardware, address in promised.items():
            assert has.get(hardware) == address, (hardware, address, has.get(hardware))
        if promised:
            hardware, address = random.choice(sorted(promised.items()))
            assert Client(daemon.address('udp'), hardware).lease()[0] == address


def power(cuts, seconds):
    folder = directory()
    disk, log, left = (os.path.join(folder, name) for name in ('disk', 'log', 'left'))
    make_disk(disk)
    make_file(log, LOG_SIZE)
    image = disk_log.Disk(disk + '.before', log)
    subprocess.run(['cp', '--sparse=always', disk, image.image], check=True)
    said = inside([os.path.join(HERE, 'load.py'), '/dev/vda', '/dev/vdb', seconds, '/tmp/out/told'],
                  folder, disks=(disk, log), load=('virtio_blk', 'ext4', 'dm_log_writes'),
                  patience=seconds + 150)
    tap.note(summary(said))
    image.read()
    promises = Promises(os.path.join(folder, 'told'))
    marks = [i for i, entry in enumerate(image.entries) if entry.mark is not None]
    number = kept = 0
    for after in sorted(random.sample(range(marks[0] + 1, len(image.entries) + 1), cuts)):
        while number + 1 < len(marks) and marks[number + 1] < after:
            number += 1
        promised = promises.until(int(image.entries[marks[number]].mark))
        image.lose_power(after, left)
        check_store(left, promised)
        kept += len(promised)
    tap.note('%d times without power, behind any of %d writes: %d leases found again' % (
        cuts, len(image.entries), kept))


def failing(trials):
    folder = directory()
    disk = os.path.join(folder, 'disk')
    make_disk(disk)
    said = inside([os.path.join(HERE, 'failing.py'), '/dev/vda', trials, random.randrange(1 << 32)],
                  folder, disks=(disk,), load=('virtio_blk', 'ext4', 'dm_flakey'),
                  patience=100 + 15 * trials)
    tap.note(summary(said))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--cuts', type=int, default=100, help='how often the power fails')
    parser.add_argument('--failures', type=int, default=20, help='how often the disk fails')
    parser.add_argument('--seconds', type=int, default=60, help='how long clients ask')
    parser.add_argument('--seed', type=int, default=random.randrange(1 << 32))
    arguments = parser.parse_args()
    tap.note('seed %d' % arguments.seed)
    random.seed(arguments.seed)
    run(('a client on a VLAN', vlan),
        ('the power fails', lambda: power(arguments.cuts, arguments.seconds)),
        ('the disk fails', lambda: failing(arguments.failures)))


main()
