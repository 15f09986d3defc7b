"""httpd beside nginx, lighttpd, h2o and the floor: CPU per request, and memory per idle connection.

Every server has one core to itself and the load (wrk, h2load, ab) has the other; they take turns,
several rounds, and the medians count. What is measured is user and system time of a server's whole
process tree, from /proc, because rates on a shared machine are noise. nginx stands there twice: at
its best, and with the options of its package. The floor is a bare loop with a canned answer.

    bench_http.py [--rounds N] [--seconds S] [--only SUBSTRING] [--idle N] [--quick]
"""
import argparse
import collections
import os
import re
import resource
import statistics
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'system'))
import keel  # noqa: E402
from http_peers import (FILES, Floor, H2o, Httpd, Lighttpd, Nginx,  # noqa: E402
                        NginxPackaged, make_site)
from measure import cpu_seconds, memory, pin, tree  # noqa: E402

PIPELINE = 16
LUA = '''
init = function(args)
  local r = {}
  for i = 1, %d do r[i] = wrk.format("GET", "/small/1k.txt") end
  req = table.concat(r)
end
request = function() return req end
''' % PIPELINE
SIZES = {'1k': ('/small/1k.txt', 1024), '100k': ('/large/100k.txt', 100 << 10),
         '10m': ('/large/10m.txt', 10 << 20)}
PEERS = (Nginx, Lighttpd, H2o)

# streams: requests at once on a connection of HTTP/2. targets: DESIGN section 9, name of the peer
# and how many times its CPU a request may cost.
Row = collections.namedtuple('Row', 'title load kind file streams log workers packaged targets',
                             defaults=(0, False, 1, False, ()))
ROWS = (
    Row('1 KiB', 'wrk', 'plain', '1k', packaged=True,
        targets=(('floor', 1.15), ('nginx', 0.85), ('nginx packaged', 0.6))),
    Row('1 KiB, %d pipelined' % PIPELINE, 'pipeline', 'plain', '1k', targets=(('nginx', 0.2),)),
    Row('1 KiB, access log', 'wrk', 'plain', '1k', log=True),
    Row('1 KiB, 2 workers', 'wrk', 'plain', '1k', workers=2),
    Row('100 KiB', 'wrk', 'plain', '100k'),
    Row('10 MiB', 'wrk', 'plain', '10m'),
    Row('TLS 1.3, 1 KiB', 'wrk', 'tls', '1k', targets=(('nginx', 0.85),)),
    Row('TLS 1.3, 100 KiB', 'wrk', 'tls', '100k'),
    Row('TLS 1.3, 10 MiB', 'wrk', 'tls', '10m'),
    Row('TLS 1.3, handshake and 1 KiB', 'ab', 'tls', '1k'),
    Row('HTTP/2, 1 KiB, 1 stream', 'h2load', 'h2c', '1k', 1),
    Row('HTTP/2, 1 KiB, 32 streams', 'h2load', 'h2c', '1k', 32),
    Row('HTTP/2 over TLS, 1 KiB, 1 stream', 'h2load', 'h2', '1k', 1),
    Row('HTTP/2 over TLS, 1 KiB, 32 streams', 'h2load', 'h2', '1k', 32),
    Row('HTTP/2 over TLS, 100 KiB, 8 streams', 'h2load', 'h2', '100k', 8),
    Row('HTTP/2 over TLS, 1 KiB, 32 streams, access log', 'h2load', 'h2', '1k', 32, log=True),
)
# kind and title, bytes that a connection may cost
IDLE_ROWS = (('plain', 'plain', 400), ('tls', 'TLS 1.3', 14 << 10),
             ('h2', 'HTTP/2 over TLS', None))


def lua(site):
    path = site + '/pipeline.lua'
    with open(path, 'w') as f:
        f.write(LUA)
    return path


def load(server, row, seconds):
    """Requests answered, and CPU seconds that they cost."""
    pids = tree(server.pid)
    connections = 4 if row.file == '10m' else 32
    path, size = SIZES[row.file]
    argv = ['taskset', '-c', '1']
    if row.load == 'h2load':
        argv += ['h2load', '-t1', '-c%d' % connections, '-m%d' % row.streams, '-D%d' % seconds]
        succeeded = r'(\d+) succeeded, 0 failed'
    elif row.load == 'ab':
        argv += ['ab', '-q', '-f', 'TLS1.3', '-c%d' % connections, '-n%d' % (1500 * seconds)]
        succeeded = r'Complete requests: +(\d+)'
    else:
        argv += ['wrk', '-t1', '-c%d' % connections, '-d%ds' % seconds]
        argv += ['-s', lua(server.site)] if row.load == 'pipeline' else []
        succeeded = r'(\d+) requests in'
    before = cpu_seconds(pids)
    out = keel.output(argv + [server.url(row.kind, path)], patience=seconds + 60)
    cost = cpu_seconds(pids) - before
    found = re.search(succeeded, out)
    assert found and int(found.group(1)) > 0 and 'Non-2xx' not in out, (server.name, out)
    return int(found.group(1)), cost


def place(server, workers):
    """All on the first core; of two workers, one on the other beside the load."""
    pids = tree(server.pid)
    pin(pids, 0)
    if workers > 1:
        threads = [int(thread) for thread in os.listdir('/proc/%d/task' % pids[0])]
        os.sched_setaffinity(pids[-1] if len(pids) > 1 else threads[-1], {1})


def started(what):
    try:
        return what().start()
    except keel.Skip as reason:
        print('one is left out: %s' % reason)
        return None


def measure(row, site, options):
    makers = [lambda: Httpd(site, row.log, row.workers)]
    makers += [lambda peer=peer: peer(site, row.log, row.workers) for peer in PEERS]
    if row.kind == 'plain' and not row.log and row.workers == 1:
        makers.insert(0, lambda: Floor(site, SIZES[row.file][1]))
    if row.packaged:
        makers.append(lambda: NginxPackaged(site))
    servers = []
    try:
        servers = [server for server in map(started, makers) if server]
        costs = {server.name: [] for server in servers}
        for server in servers:
            place(server, row.workers)
            load(server, row, 1)  # warm
        for _ in range(options.rounds):
            for server in servers:
                requests, cost = load(server, row, options.seconds)
                costs[server.name].append(cost / requests * 1e6)
    finally:
        for server in servers:
            server.stop()
    report(row, costs, options.rounds)


def report(row, costs, rounds):
    median = {name: statistics.median(turns) for name, turns in costs.items()}
    print('\n%s (CPU microseconds a request, median of %d rounds; requests a CPU second; httpd has'
          ' so many times that)' % (row.title, rounds))
    for name, turns in costs.items():
        print('  %-15s %9.2f  %9.0f/s   x %.2f   (%.2f .. %.2f)' % (
            name, median[name], 1e6 / median[name], median['httpd'] / median[name], min(turns),
            max(turns)))
    for name, most in row.targets:
        if name in median:
            share = median['httpd'] / median[name]
            print('  to reach: x %.2f of %s: %s' % (most, name,
                                                    'reached' if share <= most else 'missed'))
    sys.stdout.flush()


# ---- memory

def memory_with(server, kind, count):
    """Memory of a server while so many connections are open."""
    client = keel.spawn([keel.program('tests/bench/http_idle'), server.ports[kind], count, kind,
                         SIZES['1k'][0]], stdout=subprocess.PIPE, text=True)
    try:
        assert client.stdout.readline() == 'ready\n', '%s refuses' % server.name
        return memory(server.pid)
    finally:
        client.kill()
        client.wait()


def idle(kind, title, most, site, options):
    """Bytes that the server's processes grow by for a connection that asked once and waits."""
    print('\n%s, %d idle connections (bytes of the server for each)' % (title, options.idle))
    for maker in (Httpd,) + PEERS:
        server = started(lambda: maker(site))
        if not server:
            continue
        try:
            few = memory_with(server, kind, 100)
            count = min(options.idle, server.most)
            each = (memory_with(server, kind, 100 + count) - few) / count
            target = ''
            if maker is Httpd and most:
                target = '   to reach: %d: %s' % (
                    most, 'reached' if each <= most else 'missed')
            fewer = '   (of %d: it takes no more here)' % count if count < options.idle else ''
            print('  %-15s %9.0f%s%s' % (server.name, each, target, fewer))
        finally:
            server.stop()
        sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--seconds', type=int, default=3)
    parser.add_argument('--only', default='')
    parser.add_argument('--idle', type=int, default=20000)
    parser.add_argument('--quick', action='store_true', help='all of it, but smaller')
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds, options.idle = 2, 1, 2000
    if os.cpu_count() < 2:
        raise SystemExit('needs two cores: one for the server, one for the load')
    for name in ('wrk', 'h2load', 'ab', 'taskset', 'openssl', 'curl'):
        keel.need_program(name)
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))
    site = make_site()
    for row in ROWS:
        if options.only in row.title:
            measure(row, site, options)
    for kind, title, most in IDLE_ROWS:
        if options.only in title + ', idle connections':
            idle(kind, title, most, site, options)


if __name__ == '__main__':
    main()
