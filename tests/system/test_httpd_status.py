"""What an operator sees of httpd at work: trace, requests."""
import os
import socket
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from keel import Daemon, Follow, Refused, directory, module, run, until

CONF = '''
listen = { "127.0.0.1:0" }
site "one.example" {
  root = "www"
  location "/gone" { respond = "410 gone" }
%s}
site "two.example" { root = "www" }
'''


def httpd(locations='', conf=CONF, top='', **options):
    return Daemon('httpd', conf=top + conf % locations, listen=None,
                  files={'www/index.html': 'hello\n', 'www/a.txt': 'a\n', 'www/b.txt': 'b\n'},
                  **options)


def connect(daemon):
    s = socket.create_connection(daemon.address('tcp'))
    s.settimeout(20)
    return s


def ask(daemon, path, host='one.example', fields=''):
    """(status, fields as one text, body) of one request."""
    with connect(daemon) as s:
        s.sendall(('GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n%s\r\n'
                   % (path, host, fields)).encode())
        received = b''
        while part := s.recv(65536):
            received += part
    head, _, body = received.partition(b'\r\n\r\n')
    return int(head.split()[1]), head.decode(), body.decode()


def each_worker(daemon, command):
    return [row['result'] for row in daemon.ctl(command)]


def traced():
    with httpd(workers=2) as daemon:
        paths = Follow(daemon, 'client=127.0.0.0/8', 'path=/a')
        sites = Follow(daemon, 'site=TWO.example')
        errors = Follow(daemon, 'status=4xx')
        follows = (paths, sites, errors)

        def all_there():
            ask(daemon, '/a.txt')
            ask(daemon, '/b.txt', 'two.example')
            ask(daemon, '/gone?x="\x01'.replace('\x01', '%01'))
            return all(f.lines for f in follows)
        until(all_there, 'a line of each')
        lines, of_two, bad = [f.end() for f in follows]
        assert all('one.example GET /a.txt HTTP/1.1 -> 200 ' in x for x in lines), lines
        assert all('two.example GET /b.txt HTTP/1.1 -> 200 ' in x for x in of_two), of_two
        assert all(' -> 410 ' in x and '/gone' in x for x in bad), bad
        assert all('127.0.0.1' in x and ' bytes ' in x for x in lines), lines
        for wrong in ('nix=1', 'client=x', 'status=9xx1', 'status=700', 'site=', 'naked'):
            try:
                raise AssertionError(daemon.ctl('trace', wrong))
            except Refused:
                pass


def requests():
    """One that waits for its body is listed as running, and then among the slowest."""
    folder = directory()
    conf = 'module "script" { file = "%s" }\n' % module(folder, 'tests/support/script_module')
    with httpd('  location "/s/" { handler = "script" }\n', top=conf, folder=folder,
               workers=2) as daemon:
        with connect(daemon) as s:
            s.sendall(b'POST /s/e?\x7fq HTTP/1.1\r\nHost: one.example\r\nContent-Length: 3\r\n\r\n'
                      .replace(b'\x7f', b'%7f'))
            running = until(lambda: sum((r['running'] for r in each_worker(daemon, 'requests')), []),
                            'the request under way')
            assert len(running) == 1, running
            row = running[0]
            assert row['target'] == '/s/e?%7fq' and row['site'] == 'one.example', row
            assert row['handler'] == 'script' and row['method'] == 'POST', row
            assert row['peer'].startswith('127.0.0.1:') and row['seconds'] > 0, row
            s.sendall(b'abc')
            assert s.recv(65536).startswith(b'HTTP/1.1 200')
        slowest = until(lambda: sum((r['slowest'] for r in each_worker(daemon, 'requests')), []),
                        'the slow one')
        assert slowest[0]['status'] == 200 and slowest[0]['seconds'] >= row['seconds'], slowest
        assert slowest[0]['sent'] > 3, slowest
        for _ in range(40):  # the ring has an end
            assert ask(daemon, '/s/s')[0] == 200
        assert all(len(r['slowest']) <= 16 and not r['running']
                   for r in each_worker(daemon, 'requests'))


run(('trace follows clients, sites, paths and statuses', traced),
    ('requests lists what is under way, and the slowest', requests))
