"""dnsd beside nsd, knotd, named and the floor: CPU per query, memory per record, loading, many
zones, and what an update does to queries meanwhile.

Every server has one core to itself and the load has another; they take turns, several rounds, and
the medians count. What is measured is user and system time of a server's whole process tree, from
/proc, because rates on a shared machine are noise. Every server gets the same questions.

    bench_dns.py [--rounds N] [--queries N] [--only SUBSTRING] [--records N] [--zones N] [--quick]
"""
import argparse
import json
import os
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'system'))
import keel  # noqa: E402
from dns import ask_udp, framed, query, read_message, wire  # noqa: E402
from dns_peers import PEERS  # noqa: E402
from measure import cpu_seconds, memory, pin, tree  # noqa: E402

ZONE = 'bench.test'
MIXES = (('host', 'random names'), ('nx', 'NXDOMAIN'), ('cut', 'delegations'),
         ('wild', 'wildcard'))
HEAD = '$ORIGIN %s.\n$TTL 300\n@ SOA ns host 1 7200 900 1209600 60\n@ NS ns\nns A 192.0.2.1\n'


# ---- zones

def write_zone(path, names):
    """names hosts with an address each, a tenth as many delegations, and a wildcard."""
    with open(path, 'w') as f:
        f.write(HEAD % ZONE + '*.wild A 192.0.2.2\n')
        for first in range(0, names, 10000):
            f.write(''.join('host%07d A 10.%d.%d.%d\n' % (i, i >> 16, i >> 8 & 255, i & 255)
                            for i in range(first, min(first + 10000, names))))
        f.write(''.join('sub%07d NS ns.sub%07d\nns.sub%07d A 192.0.2.3\n' % (i, i, i)
                        for i in range(names // 10)))
    return names + names // 10 * 2 + 4


# ---- servers

class Dnsd:
    """As a Peer of dns_peers, so that all are started, asked and stopped in the same way."""
    program = 'dnsd'

    def __init__(self, zones, patience=60, conf='', zone_conf='', folder=None):
        self.zones, self.patience = zones, patience
        self.folder = folder or tempfile.mkdtemp(dir=keel.directory())
        self.text = conf + ''.join('zone "%s" { file = "%s" %s }\n' % (z, p, zone_conf)
                                   for z, p in zones.items())

    def start(self):
        self.daemon = keel.Daemon('dnsd', conf=self.text, folder=self.folder, wait=False)
        self.daemon.ready(self.patience)
        self.process = self.daemon.process
        self.port = self.daemon.address('udp')[1]
        self.address = ('127.0.0.1', self.port)
        keel.until(self.serves, 'dnsd to serve every zone', patience=self.patience)
        return self

    def serves(self):
        zone = list(self.zones)[-1]
        try:
            return ask_udp(self.address, query(zone, 6), patience=0.5)[3] & 15 == 0
        except OSError:
            return False

    def stop(self):
        self.daemon.stop(patience=60)


class Floor:
    program = 'floor'

    def start(self):
        self.process = keel.spawn([keel.program('tests/bench/floor_dns')], stdout=subprocess.PIPE,
                                  text=True)
        self.port = int(self.process.stdout.readline())
        return self

    def stop(self):
        self.process.kill()
        self.process.wait()


def peers(zones, patience=60, waiting=None, names=('nsd', 'knotd', 'named')):
    found = []
    for name in names:
        try:
            peer = PEERS[name](zones, patience=patience)
        except keel.Skip as reason:
            print('%s is left out: %s' % (name, reason))
            continue
        if waiting:
            peer.waiting = lambda: waiting
        found.append(peer)
    return found


def user_share(pids):
    """(user, system) in clock ticks; only their proportion is used."""
    user = system = 0
    for pid in pids:
        with open('/proc/%d/stat' % pid) as f:
            fields = f.read().rsplit(')', 1)[1].split()
        user, system = user + int(fields[11]), system + int(fields[12])
    return user, system


# ---- CPU per query

def load(port, mix, names, *options):
    out = keel.output(['taskset', '-c', '1', keel.program('tests/bench/dns_ask'), '-p', port,
                       '-z', ZONE, '-m', mix, '-k', names, *options], patience=300)
    return json.loads(out)


def one_turn(server, mix, names, queries):
    """(user, system) microseconds a query."""
    pids = tree(server.process.pid)
    ticks, before = user_share(pids), cpu_seconds(pids)
    said = load(server.port, mix, names, '-n', queries)
    cost = (cpu_seconds(pids) - before) / said['answered'] * 1e6
    user, system = (b - a for a, b in zip(ticks, user_share(pids)))
    assert said['lost'] < queries / 10, (server.program, said)
    wanted = 'nxdomain' if mix == 'nx' else 'noerror'
    assert server.program == 'floor' or said[wanted] == said['answered'], (server.program, said)
    return cost * user / max(1, user + system), cost * system / max(1, user + system)


def cpu(names, options):
    folder = keel.directory()
    records = write_zone(folder + '/zone', names)
    servers = [Floor(), Dnsd({ZONE: folder + '/zone'})] + peers({ZONE: folder + '/zone'})
    try:
        for server in servers:
            server.start()
            pin(tree(server.process.pid), 0)
        print('\n%d names, %d records: bytes a record, whole process tree' % (names, records))
        for server in servers[1:]:
            print('  %-8s %7.1f' % (server.program, memory(server.process.pid) / records))
        for mix, title in MIXES:
            measure('%d names, %s' % (names, title), servers, mix, names, options)
    finally:
        for server in servers:
            if hasattr(server, 'process'):
                server.stop()


def measure(title, servers, mix, names, options):
    if options.only not in title:
        return
    turns = {server: [] for server in servers}
    for server in servers:
        one_turn(server, mix, names, options.queries // 5)  # warm
    for _ in range(options.rounds):
        for server in servers:
            turns[server].append(one_turn(server, mix, names, options.queries))
    total = {s: statistics.median(u + k for u, k in turns[s]) for s in servers}
    base = statistics.median(u for u, _ in turns[servers[0]])
    print('\n%s (CPU microseconds a query, median of %d rounds)' % (title, options.rounds))
    for server in servers:
        user = statistics.median(u for u, _ in turns[server])
        print('  %-8s %6.2f  user %5.2f (%+.2f of the floor)   x %.2f of the floor  x %.2f of nsd'
              % (server.program, total[server], user, user - base,
                 total[server] / total[servers[0]],
                 total[server] / next((total[s] for s in servers if s.program == 'nsd'),
                                      float('nan'))))
    sys.stdout.flush()


# ---- loading

def started_in(server):
    began = time.monotonic()
    server.start()
    return time.monotonic() - began


def loading(options):
    """Cold: nothing but the file. Again: the same folder, nothing changed. What others do on the
    machine shows in the seconds, less so in those of CPU."""
    folder = keel.directory()
    records = write_zone(folder + '/zone', int(options.records / 1.2))
    print('\n%d records of one zone: seconds from start to first answer' % records)
    for server in [Dnsd({ZONE: folder + '/zone'}, patience=300)] + \
            peers({ZONE: folder + '/zone'}, patience=300, names=('nsd', 'knotd')):
        cold = started_in(server)
        spent = cpu_seconds(tree(server.process.pid))
        size = memory(server.process.pid) / records
        server.stop()
        again = started_in(server)
        server.stop()
        print('  %-8s cold %6.2f (CPU %6.2f)   again %6.2f   %6.1f bytes a record' % (
            server.program, cold, spent, again, size))
        sys.stdout.flush()


def many_zones(options):
    """So many small zones, all of one file."""
    folder = keel.directory()
    path = folder + '/small'
    with open(path, 'w') as f:
        f.write('$TTL 300\n@ SOA ns host 1 7200 900 1209600 60\n@ NS ns\nns A 192.0.2.1\n'
                'www A 192.0.2.2\n* MX 10 www\n')
    zones = {'z%06d.test' % i: path for i in range(options.zones)}
    some = ['z%06d.test' % (i * (options.zones - 1) // 20) for i in range(21)]
    print('\n%d zones of 5 records: seconds from start to all answers, megabytes' % options.zones)
    for server in [Dnsd(zones, patience=300)] + peers(zones, 300, some, ('nsd', 'knotd')):
        try:
            cold = started_in(server)
            spent = cpu_seconds(tree(server.process.pid))
            size = memory(server.process.pid)
            server.stop()
            again = started_in(server)
            server.stop()
            print('  %-8s cold %6.2f (CPU %6.2f)   again %6.2f   %7.1f MB' % (
                server.program, cold, spent, again, size / 1e6))
        except AssertionError as error:
            print('  %-8s %s' % (server.program, str(error).splitlines()[0]))
        sys.stdout.flush()


# ---- updates

def update(number, records):
    """An UPDATE (RFC 2136) of the zone that adds these: (name, address) pairs."""
    body = b''.join(wire(name) + struct.pack('>HHIH', 1, 1, 300, 4) + socket.inet_aton(address)
                    for name, address in records)
    return struct.pack('>6H', number, 5 << 11, 1, 0, len(records), 0) + wire(ZONE) \
        + struct.pack('>HH', 6, 1) + body


def updates(options):
    title = 'updates'
    if options.only not in title:
        return
    folder = keel.directory()
    names = 100000 if options.quick else 1000000
    write_zone(folder + '/zone', names)
    server = Dnsd({ZONE: folder + '/zone'}, patience=300,
                  zone_conf='allow-update = { "127.0.0.1" }').start()
    try:
        # the worker has a core to itself; who changes the zone shares the other with the load
        pin(tree(server.process.pid), 1)
        workers = [row['pid'] for row in server.daemon.ctl('workers') if row['role'] == 'worker']
        pin(workers, 0)
        if os.geteuid() == 0:  # what it waits for the processor is not the server's doing
            for pid in workers:
                os.setpriority(os.PRIO_PROCESS, pid, -15)
        print('\nupdates of a zone of %d names' % names)
        publish_latency(server, 100)
        stall(server, names, 0)
        stall(server, names, 100000)
    finally:
        server.stop()


def connect(server):
    s = socket.create_connection(server.address, timeout=60)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def publish_latency(server, count):
    """From sending an update of one record to the first answer that has it."""
    took = []
    with connect(server) as s:
        for i in range(count):
            name = 'latency%d.%s' % (i, ZONE)
            began = time.monotonic()
            s.sendall(framed(update(i, [(name, '192.0.2.77')])))
            reply = read_message(s)
            assert reply[3] & 15 == 0, 'UPDATE is answered with %d' % (reply[3] & 15)
            while ask_udp(server.address, query(name, 1))[3] & 15 != 0:
                pass
            took.append((time.monotonic() - began) * 1e3)
    print('  one record, from the update to the first answer: median %.2f ms, longest %.2f ms of %d'
          % (statistics.median(took), max(took), count))


def stall(server, names, records):
    """The longest that a query waits while so many records are added. On a machine with other work
    that is how long the processor was not ours; the worker's turns tell what is the server's."""
    argv = ['taskset', '-c', '1', keel.program('tests/bench/dns_ask'), '-p', str(server.port),
            '-z', ZONE, '-m', 'mixed', '-k', str(names), '-r', '5000']
    loader = keel.spawn(argv + ['-s', '120' if records else '5'], stdout=subprocess.PIPE, text=True)
    began = time.monotonic()
    if records:
        time.sleep(1)
        with connect(server) as s:
            part = 1000
            for first in range(0, records, part):
                s.sendall(framed(update(first // part, [
                    ('new%07d.%s' % (i, ZONE), '192.0.2.9') for i in range(first, first + part)])))
                reply = read_message(s)
                assert reply[3] & 15 == 0, 'UPDATE is answered with %d' % (reply[3] & 15)
        took = time.monotonic() - began - 1
        time.sleep(1)
        loader.terminate()
    said = json.loads(loader.communicate()[0])
    what = '%d records added in %.2f s' % (records, took) if records else 'nothing changes'
    turn = [row['worst_turn_ms'] for row in server.daemon.ctl('workers')
            if row['role'] == 'worker'][0]
    print('  %-36s a query waits: median %d us, 99.9 %% under %d us, longest %d us; %d lost;'
          ' longest turn of the worker so far %.2f ms' % (
              what + ':', said['median'], said['p999'], said['longest'], said['lost'], turn))
    sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--queries', type=int, default=400000)
    parser.add_argument('--only', default='')
    parser.add_argument('--records', type=int, default=2500000)
    parser.add_argument('--zones', type=int, default=100000)
    parser.add_argument('--quick', action='store_true', help='all of it, but smaller')
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.queries, options.records, options.zones = 2, 100000, 100000, 2000
    if os.cpu_count() < 2:
        raise SystemExit('needs two cores: one for the server, one for the load')
    keel.need_program('taskset')
    for names in (10000, 100000 if options.quick else 1000000):
        if any(options.only in '%d names, %s' % (names, title) for _, title in MIXES):
            cpu(names, options)
    if options.only in 'loading':
        loading(options)
    if options.only in 'many zones':
        many_zones(options)
    updates(options)


if __name__ == '__main__':
    main()
