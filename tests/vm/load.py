"""In the machine: dhcpd serves clients from a store on a disk of which every write is kept in a
log, with marks that say what clients had been told by then.

    load.py DISK LOG SECONDS OUT

OUT gets a line for each mark, JSON: {"told": {hardware: address or null}, "asking": [hardware]}:
what changed since the mark before, and who asks for something until the next one."""
import json
import os
import random
import select
import socket
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path += [os.path.join(TOP, 'system'), os.path.join(TOP, 'support')]
from dhcp_client import (ACK, DISCOVER, NAK, OFFER, RELEASE, REQUEST, message, option,  # noqa: E402
                         parse)
from keel import Daemon  # noqa: E402

CLIENTS = 400
TOGETHER = 32  # clients that ask at a time
# Few more addresses than clients have at a time, so that they pass from one to another.
CONF = '''
lease-time = 12h
subnet "127.0.0.0/8" { pool "127.64.0.1-127.64.1.89" { } }
'''


def call(*words):
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


class Clients:
    """Of one relay, which asks for many of them at a time. has: what they know, by hardware."""

    def __init__(self, server, has=None):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.connect(server)
        self.giaddr = socket.inet_aton(self.sock.getsockname()[0])
        self.has = {} if has is None else has
        self.xid = 0

    def ask(self, kind, hardware, ciaddr=b'\0' * 4, options=b''):
        self.xid += 1
        self.sock.send(message(kind, self.xid, hardware, self.giaddr, None, ciaddr, options))
        return self.xid

    def answers(self, asked, patience=1.0):
        """Of {xid: hardware}: yields (hardware, type, address, server)."""
        asked, end = dict(asked), time.monotonic() + patience
        while asked and select.select([self.sock], [], [], max(0, end - time.monotonic()))[0]:
            data = self.sock.recv(4096)
            hardware = asked.pop(int.from_bytes(data[4:8], 'big'), None)
            if hardware:
                address, options = parse(data)
                yield hardware, options[53][0], address, options.get(54, b'')

    def turn(self, who):
        """Each of them takes a step; what they know then: {hardware: address or None}."""
        told, asked = {}, {}
        for hardware in who:
            dice, address = random.random(), self.has.get(hardware)
            if address and dice < 0.2:
                self.ask(RELEASE, hardware, socket.inet_aton(address),
                         option(54, socket.inet_aton('127.0.0.1')))
                told[hardware] = None
            elif address:
                asked[self.ask(REQUEST, hardware, socket.inet_aton(address))] = hardware
            else:
                asked[self.ask(DISCOVER, hardware)] = hardware
        wanted = {}
        for hardware, kind, address, server in self.answers(asked):
            if kind == OFFER:
                wanted[self.ask(REQUEST, hardware, options=option(
                    50, socket.inet_aton(address)) + option(54, server))] = hardware
            elif kind in (ACK, NAK):
                told[hardware] = address if kind == ACK else None
        for hardware, kind, address, _ in self.answers(wanted):
            if kind in (ACK, NAK):
                told[hardware] = address if kind == ACK else None
        self.has.update(told)
        return told


def client_names():
    """Their hardware addresses."""
    return [b'\2\0\0\0' + n.to_bytes(2, 'big') for n in range(CLIENTS)]


def table(disk, kind, more=''):
    """A device that is all of the disk."""
    sectors = subprocess.check_output(['blockdev', '--getsz', disk], text=True).strip()
    return '0 %s %s' % (sectors, {
        'error': 'error',  # neither reads nor writes
        'flakey': 'flakey %s 0 0 86400 1 error_writes' % disk,  # reads go on
        'linear': 'linear %s 0' % disk,
        'log-writes': 'log-writes %s %s' % (disk, more),
    }[kind])


def make_device(name, disk, kind, more=''):
    os.environ['DM_DISABLE_UDEV'] = '1'
    call('dmsetup', 'create', name, '--table', table(disk, kind, more))


def main():
    disk, log, seconds, out = sys.argv[1:]
    make_device('logged', disk, 'log-writes', log)
    call('mount', '-t', 'ext4', '/dev/mapper/logged', '/mnt')
    os.mkdir('/mnt/dhcpd')
    marks = told_of = 0
    with Daemon('dhcpd', conf=CONF, folder='/mnt/dhcpd', workers=2) as daemon, \
            open(out, 'w', encoding='ascii') as f:
        clients = Clients(daemon.address('udp'))
        end = time.monotonic() + float(seconds)
        told = {}
        while time.monotonic() < end:
            who = random.sample(client_names(), TOGETHER)
            f.write(json.dumps({'told': {h.hex(): a for h, a in told.items()},
                                'asking': [h.hex() for h in who]}) + '\n')
            call('dmsetup', 'message', 'logged', '0', 'mark', str(marks))
            marks += 1
            told = clients.turn(who)
            told_of += sum(1 for address in told.values() if address)
    print('# %d marks, %d ACKs' % (marks, told_of))
    call('umount', '/mnt')
    call('dmsetup', 'remove', 'logged')


if __name__ == '__main__':
    main()
