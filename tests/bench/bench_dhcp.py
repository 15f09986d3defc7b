"""CPU time per exchange of dhcpd, Kea, ISC dhcpd and dnsmasq, side by side.

Each server has one core and a network namespace to itself, perfdhcp plays a relay with its clients on
the other core and at the other end of a cable. They take turns. What is measured is the user and
system time of a server's whole process tree, from /proc; the rate is the highest at which few
exchanges go wrong. Only our dhcpd has every lease on disk before its ACK.

    bench_dhcp.py [--seconds S] [--only SUBSTRING] [--clients N] [--leases N]
"""
import argparse
import glob
import os
import re
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'system'))
import keel  # noqa: E402
from measure import cpu_seconds, pin, tree  # noqa: E402

SERVER, RELAY = '10.0.0.1', '10.0.0.2'
POOL = '10.1.0.0', '10.250.255.255'

DHCPD = '''
listen = {{ "%s:67" }}
lease-time = 12h
subnet "10.0.0.0/8" {{ pool "{pool}" {{ }} options {{ routers = {{ "%s" }} }} }}
''' % (SERVER, SERVER)
KEA = '''{ "Dhcp4": {
  "interfaces-config": { "interfaces": [ "lan0/%s" ], "dhcp-socket-type": "udp" },
  "lease-database": { "type": "memfile", "persist": true, "lfc-interval": 0,
                      "name": "FOLDER/leases.csv" },
  "multi-threading": { "enable-multi-threading": false },
  "valid-lifetime": 43200, "authoritative": true,
  "option-data": [ { "name": "routers", "data": "%s" } ],
  "subnet4": [ { "id": 1, "subnet": "10.0.0.0/8", "pools": [ { "pool": "%s - %s" } ] } ],
  "loggers": [ { "name": "kea-dhcp4", "severity": "ERROR",
                 "output_options": [ { "output": "FOLDER/kea.log" } ] } ] } }
''' % ((SERVER, SERVER) + POOL)
ISC = '''
default-lease-time 43200; max-lease-time 43200; authoritative; ping-check false;
subnet 10.0.0.0 netmask 255.0.0.0 { range 10.1.0.0 10.1.63.255; option routers %s; }
''' % SERVER  # it gets slow with larger ones


class Server:
    """name; what runs it; its two namespaces."""

    def __init__(self, name):
        self.name, self.daemon = name, None
        self.here, self.there = keel.NetNs(), keel.NetNs()
        self.here.add_veth('lan0', self.there, 'eth0', SERVER + '/8', RELAY + '/8')
        # ISC dhcpd reads frames, and those of a cable in memory have no checksum yet
        for space, link in ((self.here, 'lan0'), (self.there, 'eth0')):
            keel.output([keel.need_program('ethtool'), '-K', link, 'tx', 'off'], netns=space)
        self.folder = keel.directory()
        begin = time.monotonic()
        self.pid = getattr(self, 'start_' + name)()
        self.begun = time.monotonic() - begin

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), 'w') as f:
            f.write(text.replace('FOLDER', self.folder))
        return self.path(name)

    def run(self, argv):
        process = keel.spawn(argv, netns=self.here, stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                             env=dict(os.environ, KEA_LOCKFILE_DIR=self.folder,
                                      KEA_PIDFILE_DIR=self.folder))
        keel.until(lambda: process.poll() is not None or self.listens(), self.name + ' runs')
        assert process.poll() is None, '%s ended with %d' % (self.name, process.returncode)
        return process.pid

    def listens(self):
        # a raw socket is one too: ISC dhcpd has both
        return ':67 ' in keel.output(['ss', '-Hlun'], netns=self.here)

    def start_dhcpd(self):
        self.daemon = keel.Daemon('dhcpd', conf=DHCPD.format(pool='-'.join(POOL)), listen=(),
                                  netns=self.here, folder=self.folder)
        return self.daemon.pid

    def start_kea(self):
        return self.run([keel.need_program('kea-dhcp4'), '-c', self.write('kea.conf', KEA)])

    def start_isc(self):
        self.write('leases', '')
        # not `need_program`: our own has the same name
        return self.run(['/usr/sbin/dhcpd', '-4', '-f', '-q', '-cf', self.write('isc.conf', ISC), '-lf',
                         self.path('leases'), '-pf', self.path('pid'), 'lan0'])

    def start_dnsmasq(self):
        return self.run([keel.need_program('dnsmasq'), '--keep-in-foreground', '--port=0',
                         '--conf-file=/dev/null', '--no-ping', '--dhcp-authoritative',
                         '--interface=lan0', '--bind-interfaces', '--user=root',
                         '--pid-file=' + self.path('pid'), '--log-facility=' + self.path('log'),
                         '--dhcp-leasefile=' + self.path('leases'), '--dhcp-lease-max=10000000',
                         '--dhcp-range=%s,%s,255.0.0.0,12h' % POOL])

    def perfdhcp(self, *args, patience):
        return keel.output(['taskset', '-c', '1', keel.need_program('perfdhcp'), '-4', '-l', RELAY,
                            *args, SERVER], netns=self.there, check=False, patience=patience)

    def stop(self):
        if self.daemon:
            self.daemon.stop()
        else:
            os.kill(self.pid, 9)
        self.here.close()
        self.there.close()


def received(said, what):
    """(sent, received) of an exchange, from perfdhcp's report."""
    part = said.split('***Statistics for: ' + what, 1)[1]
    return (int(re.search(r'sent packets: (\d+)', part).group(1)),
            int(re.search(r'received packets: (\d+)', part).group(1)))


def load(server, rate, seconds, seed, *more):
    """Asks for addresses for ever new clients, `rate` a second. (ACKs, part that was lost, CPU
    seconds, the report)."""
    pids = tree(server.pid)
    before = cpu_seconds(pids)
    said = server.perfdhcp('-r', rate, '-R', 100000000, '-p', seconds, '-b',
                           'mac=02:%02x:00:00:00:00' % (seed & 255), '-d', 1, '-W', 300000, '-u',
                           *more, patience=seconds + 60)
    cost = cpu_seconds(pids) - before
    sent, _ = received(said, 'DISCOVER-OFFER')
    _, acks = received(said, 'REQUEST-ACK')
    assert 'non unique addresses: 0' in said or 'non unique' not in said, said
    return acks, 1 - acks / max(sent, 1), cost, said


RATES = (300, 1000, 2000, 4000, 6000, 8000, 12000, 16000, 24000, 32000, 48000)


def exchanges(server, seconds):
    """The highest rate with less than one exchange in twenty lost, and what an exchange costs there."""
    pin(tree(server.pid), 0)
    best = None
    for i, rate in enumerate(RATES):
        acks, lost, cost, _ = load(server, rate, seconds, 2 * i + 1)
        if lost > 0.05 and best:
            break
        best = (acks / seconds, cost / max(acks, 1) * 1e6, lost)
    print('  %-9s %8.0f exchanges/s  %8.1f us CPU each  (%.1f %% lost)' % (
        server.name, best[0], best[1], best[2] * 100), flush=True)


def renewals(server, seconds):
    """As many renewals as new clients."""
    rate = {'dhcpd': 6000, 'kea': 3000, 'isc': 500, 'dnsmasq': 150}[server.name]
    pids = tree(server.pid)
    before = cpu_seconds(pids)
    said = server.perfdhcp('-r', rate, '-f', rate, '-R', 100000000, '-p', seconds, '-b',
                           'mac=02:77:00:00:00:00', '-W', 300000, patience=seconds + 60)
    cost = cpu_seconds(pids) - before
    _, acks = received(said, 'REQUEST-ACK')
    sent, renewed = received(said, 'REQUEST-ACK (renewal)')
    print('  %-9s %8.0f exchanges/s with %8.0f of %8.0f renewals/s  %8.1f us CPU for both' % (
        server.name, acks / seconds, renewed / seconds, sent / seconds,
        cost / max(acks, 1) * 1e6), flush=True)


def avalanche(server, clients):
    """So many clients that all begin at once, each until it has its address."""
    pids = tree(server.pid)
    before, begin = cpu_seconds(pids), time.monotonic()
    said = server.perfdhcp('--scenario', 'avalanche', '-R', clients, '-b', 'mac=02:99:00:00:00:00',
                           patience=600)
    took, cost = time.monotonic() - begin, cpu_seconds(pids) - before
    _, acks = received(said, 'REQUEST-ACK')
    print('  %-9s %d of %d clients in %.1f s, %.1f us CPU each' % (
        server.name, acks, clients, took, cost / max(acks, 1) * 1e6), flush=True)


def start_with(leases):
    """The daemon's own start with so many leases in the store."""
    folder = keel.directory()
    os.makedirs(os.path.join(folder, 'state'))
    print(keel.output([keel.program('tests/bench/dhcp_leases'), os.path.join(folder, 'state'),
                       str(leases)], patience=600), end='')
    for path in glob.glob(os.path.join(folder, 'state', 'scratch', '*')):
        os.unlink(path)
    begin = time.monotonic()
    conf = DHCPD.format(pool='10.0.0.1-10.255.255.254').replace(SERVER + ':67', '127.0.0.1:0')
    daemon = keel.Daemon('dhcpd', conf=conf, listen=(), folder=folder)
    print('the daemon is ready after %.2f s; it says: %s' % (
        time.monotonic() - begin, re.search(r'leases read.*', daemon.log()).group(0)))
    daemon.stop()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--seconds', type=int, default=5)
    parser.add_argument('--only', default='')
    parser.add_argument('--clients', type=int, default=50000)
    parser.add_argument('--leases', type=int, default=1000000)
    args = parser.parse_args()
    keel.need_root()
    servers = [name for name in ('dhcpd', 'kea', 'isc', 'dnsmasq') if args.only in name]
    for title, measure, amount in (('four-way exchanges, new clients', exchanges, args.seconds),
                                   ('renewals', renewals, args.seconds),
                                   ('avalanche', avalanche, args.clients)):
        print(title)
        for name in servers:
            if measure is avalanche and name in ('isc', 'dnsmasq'):
                continue  # minutes of it tell nothing new
            server = Server(name)
            try:
                measure(server, amount)
            finally:
                server.stop()
    print('%d leases' % args.leases)
    start_with(args.leases)


if __name__ == '__main__':
    main()
