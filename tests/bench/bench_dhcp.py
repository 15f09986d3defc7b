"""What dhcpd, Kea, ISC dhcpd and dnsmasq can do and what it costs them, side by side.

Each server has one core and a network namespace to itself; a load generator plays a relay with its
clients on the other core and at the other end of a cable. The servers take turns, several rounds, and
the medians count. CPU time is the user and system time of a server's whole process tree, from /proc.

The load is perfdhcp, and, because that is busy before a fast server is, our own tests/bench/dhcp_load,
which keeps a window of clients under way. The floor is a server that answers and remembers nothing:
what it reaches is the limit of the load and of the namespaces, and what it costs is the kernel's part.
dhcpd, ISC dhcpd and dnsmasq have a lease on disk before its ACK; Kea as it is packaged has not.

    bench_dhcp.py [--rounds N] [--seconds S] [--only SUBSTRING] [--clients N] [--leases N]
"""
import argparse
import glob
import os
import re
import statistics
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
  "lease-database": { "type": "memfile", "persist": true,
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

    def start_floor(self):
        return self.run([keel.program('tests/bench/floor_dhcp'), SERVER])

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


# What each does about a lease before its ACK leaves (seen with strace), and how many clients are under
# way at a time in `flood`: with more, the slow ones would only be asked again.
ON_DISK = {'floor': 'keeps nothing', 'dhcpd': 'fdatasync, one for all that wait', 'kea': 'no fsync',
           'isc': 'fsync for each', 'dnsmasq': 'fsync for each'}
WINDOW = {'floor': 256, 'dhcpd': 256, 'kea': 256, 'isc': 16, 'dnsmasq': 16}


def in_turns(names, rounds, measure):
    """{name: [medians]} of what measure(server, round) gives, a new server each time."""
    rows = {name: [] for name in names}
    for round_ in range(rounds):
        for name in names:
            server = Server(name)
            try:
                pin(tree(server.pid), 0)
                rows[name].append(measure(server, round_))
            finally:
                server.stop()
    return {name: [statistics.median(column) for column in zip(*row)] for name, row in rows.items()}


def beside(rows, what):
    """How many times the others' rate ours is."""
    if 'dhcpd' in rows:
        others = ['%.1f x %s' % (rows['dhcpd'][0] / max(row[0], 1), name)
                  for name, row in rows.items() if name not in ('dhcpd', 'floor')]
        if others:
            print('  dhcpd does %s %s' % (', '.join(others), what), flush=True)


def flood(server, seconds, seed, clients=0):
    """(exchanges a second, CPU microseconds each, REQUEST to ACK in ms: median and 99 %), with a window
    of clients under way; with `clients`, of their renewals."""
    process = keel.spawn(
        ['taskset', '-c', '1', keel.program('tests/bench/dhcp_load'), RELAY, SERVER, str(seconds),
         str(WINDOW[server.name]), str(seed)] + [str(clients)] * (clients > 0),
        netns=server.there, stdout=subprocess.PIPE, text=True)
    if clients:
        assert process.stdout.readline() == 'ready\n'
    pids = tree(server.pid)
    before = cpu_seconds(pids)
    said = process.communicate(timeout=seconds + 700)[0]
    cost = cpu_seconds(pids) - before
    match = re.match(r'(\d+) exchanges/s (\d+) again (\d+) twice (\d+) us (\d+) us', said)
    assert match and match.group(3) == '0', said
    rate = int(match.group(1))
    return rate, cost / max(rate * seconds, 1) * 1e6, int(match.group(4)) / 1e3, int(match.group(5)) / 1e3


def saturated(names, args):
    rows = in_turns(names, args.rounds, lambda server, n: flood(server, args.seconds, n + 1))
    for name, (rate, cost, half, most) in rows.items():
        print('  %-9s %8.0f exchanges/s  %8.1f us CPU each  ACK after %6.2f ms, 99 %% %6.2f  (%s)' % (
            name, rate, cost, half, most, ON_DISK[name]), flush=True)
    beside(rows, 'exchanges a second')


# ISC dhcpd (dhcp-cache-threshold) and dnsmasq write nothing for a renewal that comes early.
RENEWED_ON_DISK = dict(ON_DISK, isc='not at once', dnsmasq='not at once')
OWNERS = {'dhcpd': 20000, 'kea': 20000, 'isc': 1000, 'dnsmasq': 300}


def all_renew(names, args):
    """Renewals of clients in no order: nearly each one is a page of its own on disk."""
    names = [name for name in names if name in OWNERS]
    rows = in_turns(names, args.rounds,
                    lambda server, n: flood(server, args.seconds, n + 1, OWNERS[server.name]))
    for name, (rate, cost, half, most) in rows.items():
        print('  %-9s %8.0f renewals/s  %8.1f us CPU each  ACK after %6.2f ms, 99 %% %6.2f  (%s)' % (
            name, rate, cost, half, most, RENEWED_ON_DISK[name]), flush=True)
    beside(rows, 'renewals a second')


RATES = (300, 1000, 2000, 4000, 6000, 8000, 10000, 12000, 14000, 16000, 18000, 20000, 24000, 28000,
         32000, 40000)
FIRST_RATE = {'floor': 12000, 'dhcpd': 8000, 'kea': 6000, 'isc': 300, 'dnsmasq': 300}


def ladder(server, seconds):
    """(the highest rate with less than one exchange in twenty lost, CPU microseconds each there)."""
    best = None
    rates = [rate for rate in RATES if rate >= FIRST_RATE[server.name]]
    for i, rate in enumerate(rates):
        acks, lost, cost, _ = load(server, rate, seconds, 4 * i + 1)
        if lost > 0.05 and best:  # once more: on a shared machine others get in the way
            acks, lost, cost, _ = load(server, rate, seconds, 4 * i + 3)
        if lost > 0.05 and best:
            break
        best = acks / seconds, cost / max(acks, 1) * 1e6
    return best


def exchanges(names, args):
    rows = in_turns(names, args.rounds, lambda server, _: ladder(server, args.seconds))
    for name, (rate, cost) in rows.items():
        print('  %-9s %8.0f exchanges/s  %8.1f us CPU each  (%s)' % (name, rate, cost, ON_DISK[name]),
              flush=True)
    beside(rows, 'exchanges a second; the floor is what perfdhcp can do')


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


def with_each(names, measure, amount):
    for name in names:
        server = Server(name)
        try:
            pin(tree(server.pid), 0)
            measure(server, amount)
        finally:
            server.stop()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--seconds', type=int, default=4)
    parser.add_argument('--only', default='', help='servers whose name has this in it')
    parser.add_argument('--clients', type=int, default=50000)
    parser.add_argument('--leases', type=int, default=1000000)
    args = parser.parse_args()
    keel.need_root()
    names = [name for name in ('floor', 'dhcpd', 'kea', 'isc', 'dnsmasq') if args.only in name]
    servers = [name for name in names if name != 'floor']
    print('four-way exchanges, ever new clients, as fast as each can')
    saturated(names, args)
    print('four-way exchanges, perfdhcp: the highest rate with less than 5 % lost')
    exchanges(names, args)
    print('renewals, as fast as each can')
    all_renew(names, args)
    print('as many renewals as new clients, perfdhcp')
    with_each(servers, renewals, args.seconds)
    print('avalanche')  # minutes of it with the others tell nothing new
    with_each([name for name in servers if name in ('dhcpd', 'kea')], avalanche, args.clients)
    if 'dhcpd' in names:
        print('%d leases' % args.leases)
        start_with(args.leases)


if __name__ == '__main__':
    main()
