"""User instructions that a request costs a worker of httpd, counted by callgrind: what a machine that
is shared cannot blur.

    bench_instructions.py [--only SUBSTRING] [--top N] [--requests N]

A few requests and many are made on one connection; the difference counts. What is spent on the way
into the kernel and back is not seen. --top lists the functions that cost most, by themselves.
"""
import argparse
import collections
import glob
import os
import re
import socket
import ssl
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'system'))
import keel  # noqa: E402

SITE = {'1k.txt': 'x' * 1024, 'index.html': 'y' * 512}
CONF = '''
listen = { "127.0.0.1:0", "127.0.0.1:0 tls" }
sandbox = false
keepalive-timeout = 3600s
%s
site "localhost" { default = true root = "www" certificate = "certificate" key = "key" %s }
'''
SITES = '''
site "www.example.org" { root = "www" location "/a/" { } location "/b/" { } }
site "*.example.net" { root = "www" }
'''
LOG = 'access-log { file = "access.log" }'
CURL = 'User-Agent: curl/7.88.1\r\nAccept: */*\r\n'
BROWSER = ('User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0\r\n'
           'Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n'
           'Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br\r\n'
           'Connection: keep-alive\r\nUpgrade-Insecure-Requests: 1\r\n')

Case = collections.namedtuple('Case', 'title path fields method tls pipeline head site host status',
                              defaults=('/1k.txt', '', 'GET', False, 1, '', '', 'localhost', 200))
CASES = (
    Case('1 KiB'),
    Case('1 KiB, 16 pipelined', pipeline=16),
    Case('1 KiB, as curl asks', fields=CURL),
    Case('1 KiB, as a browser asks', fields=BROWSER),
    Case('1 KiB, three sites', head=SITES, host='www.example.org'),
    Case('1 KiB, access log', head=LOG, fields=CURL),
    Case('1 KiB, compressed on the fly', site='compress = { "br", "gzip" }', fields=BROWSER),
    Case('HEAD', method='HEAD'),
    Case('304', fields='If-None-Match: *\r\n', status=304),
    Case('404', path='/none', status=404),
    Case('405', method='POST', fields='Content-Length: 0\r\n', status=405),
    Case('a range', fields='Range: bytes=0-99\r\n', status=206),
    Case('TLS 1.3, 1 KiB', tls=True),
)


FEW = 100


class Server:
    """httpd under callgrind, and one connection to it."""

    def __init__(self, head, site, tls):
        self.folder = keel.directory()
        keel.certificate(folder=self.folder)
        tool = ['--tool=callgrind', '--trace-children=yes', '--log-file=/dev/null',
                '--callgrind-out-file=%s/out.%%p' % self.folder]
        env = {'LD_LIBRARY_PATH': os.path.join(keel.BUILDDIR, 'common', '.libs'),
               'LD_PRELOAD': os.path.join(keel.BUILDDIR, 'tests/bench/.libs/openat2.so')}
        self.daemon = keel.Daemon(
            keel.need_program('valgrind'), first=tool + [keel.program('httpd/.libs/httpd')],
            conf=CONF % (head, site), listen=None, folder=self.folder, env=env,
            files={'www/' + name: text for name, text in SITE.items()})
        self.worker = self.daemon.ctl('workers')[0]['pid']
        self.socket = socket.create_connection(self.daemon.address('tcp', tls))
        if tls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            self.socket = context.wrap_socket(self.socket)

    def stop(self):
        self.socket.close()
        self.daemon.stop()

    def dump(self):
        """Instructions since the last dump, and the file that has them."""
        before = set(glob.glob('%s/out.%d.*' % (self.folder, self.worker)))
        keel.output(['callgrind_control', '--dump', self.worker])
        new = keel.until(lambda: set(glob.glob('%s/out.%d.*' % (self.folder, self.worker)))
                         - before, 'a dump').pop()
        with open(new) as f:
            return int(re.search(r'^(?:totals|summary): (\d+)', f.read(), re.M).group(1)), new

    def ask(self, case, count):
        """Asks so often, so many at a time."""
        request = ('%s %s HTTP/1.1\r\nHost: %s\r\n%s\r\n' % (
            case.method, case.path, case.host, case.fields)).encode()
        for _ in range(count // case.pipeline):
            self.socket.sendall(request * case.pipeline)
            received = b''
            for _ in range(case.pipeline):
                received = self.skip(case, received)
            assert not received, received

    def skip(self, case, received):
        while b'\r\n\r\n' not in received:
            received += self.receive()
        head, _, rest = received.partition(b'\r\n\r\n')
        assert head.startswith(b'HTTP/1.1 %d' % case.status), (case, head)
        length = re.search(rb'\r\nContent-Length: (\d+)', head)
        size = int(length.group(1)) if length and case.method != 'HEAD' else 0
        while len(rest) < size:
            rest += self.receive()
        return rest[size:]

    def receive(self):
        got = self.socket.recv(1 << 20)
        assert got, 'the connection ended'
        return got


def measure(server, case, options):
    server.ask(case, FEW // case.pipeline * case.pipeline)
    server.dump()
    few = FEW // case.pipeline * case.pipeline
    many = options.requests // case.pipeline * case.pipeline
    server.ask(case, few)
    less, _ = server.dump()
    server.ask(case, many)
    more, path = server.dump()
    print('  %-30s %7.0f' % (case.title, (more - less) / (many - few)))
    if options.top:
        print_top(path, many, options.top)
    sys.stdout.flush()


def own_costs(path):
    """Instructions of each function, without those that it calls."""
    names, costs = {}, collections.Counter()
    with open(path) as f:
        for line in f:
            name = re.match(r'c?fn=(\(\d+\))(?: (.*))?', line)
            if name and name.group(2):
                names[name.group(1)] = name.group(2)
            if line.startswith('fn='):
                function = name.group(1)
            elif line.startswith('calls='):
                next(f)  # what the callee cost
            elif re.match(r'[\d+*-]+ \d+$', line):
                costs[function] += int(line.split()[1])
    return [(cost, names[function]) for function, cost in costs.most_common()]


def print_top(path, requests, count):
    for cost, name in own_costs(path)[:count]:
        print('      %7.0f  %s' % (cost / requests, name))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--only', default='')
    parser.add_argument('--top', type=int, default=0)
    parser.add_argument('--requests', type=int, default=2000)
    options = parser.parse_args()
    print('user instructions a request')
    groups = collections.defaultdict(list)
    for case in CASES:
        if options.only in case.title:
            groups[case.head, case.site, case.tls].append(case)
    for (head, site, tls), cases in groups.items():
        for case in cases:
            server = Server(head, site, tls)
            try:
                measure(server, case, options)
            finally:
                server.stop()


if __name__ == '__main__':
    main()
