"""In the machine: the disk of dhcpd's store fails while clients ask, again and again; then what
reached it is mounted, and dhcpd started with it. Whatever a client was told has to be there.

    failing.py DISK TRIALS SEED"""
import os
import random
import subprocess
import sys
import threading

from load import CONF, TOGETHER, Clients, Daemon, call, client_names, make_device, table
from keel import until

PATIENCE = 60


def switch(disk, kind):
    """What becomes of writes to the disk, from now on. Nothing that waits is waited for."""
    call('dmsetup', 'suspend', '--noflush', '--nolockfs', 'disk')
    call('dmsetup', 'reload', 'disk', '--table', table(disk, kind))
    call('dmsetup', 'resume', 'disk')


def unmount():
    until(lambda: subprocess.run(['umount', '/mnt'], stderr=subprocess.DEVNULL,
                                 check=False).returncode == 0, 'nobody is there', PATIENCE)


def check(daemon, clients):
    """What clients were told is there, and no client has two addresses."""
    has = {}
    for row in daemon.ctl('leases'):
        assert row['state'] != 'unreadable', row
        if row['state'] == 'active':
            hardware = bytes.fromhex(row['hardware'].replace(':', ''))
            assert hardware not in has, ('two addresses', row, has[hardware])
            has[hardware] = row['address']
    for hardware, address in clients.has.items():
        if address:
            assert has.get(hardware) == address, (hardware.hex(), address, has.get(hardware))
    return len(has)


def kill(daemon):
    for pid in daemon.processes():
        try:
            os.kill(pid, 9)
        except ProcessLookupError:
            pass
    until(lambda: not daemon.processes(), 'all are gone', PATIENCE)
    daemon.process.wait()
    daemon.stopped = True


def suffer(daemon, clients, disk):
    """Clients ask while the disk begins to fail, and then a while. Who was not answered does not
    know what it has. Returns how many ACKs there were in all, and of them after the failure."""
    failed = threading.Event()

    def fail():
        switch(disk, random.choice(('error', 'flakey')))
        failed.set()
    timer = threading.Timer(random.uniform(0.2, 2), fail)
    timer.start()
    acks = late = turns = 0
    while turns < 2:
        over = failed.is_set()
        who = random.sample(client_names(), TOGETHER)
        told = clients.turn(who)
        for hardware in who:
            if hardware not in told:
                clients.has.pop(hardware, None)
        count = sum(1 for address in told.values() if address)
        acks, late, turns = acks + count, late + count * over, turns + over
    timer.join()
    return acks, late


def main():
    disk, trials, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    random.seed(seed)
    make_device('disk', disk, 'linear')
    has, acks, late, found, log = {}, 0, 0, 0, ''
    for trial in range(trials + 1):
        call('mount', '-t', 'ext4', '/dev/mapper/disk', '/mnt')
        os.makedirs('/mnt/dhcpd', exist_ok=True)
        daemon = Daemon('dhcpd', conf=CONF, folder='/mnt/dhcpd', workers=2)
        clients = Clients(daemon.address('udp'), has)
        found += check(daemon, clients)
        if trial < trials:
            more, behind = suffer(daemon, clients, disk)
            acks, late = acks + more, late + behind
        kill(daemon)
        unmount()
        switch(disk, 'linear')
    print('# %d failures, %d ACKs (%d after a failure), %d leases found again' % (
        trials, acks, late, found))


if __name__ == '__main__':
    main()
