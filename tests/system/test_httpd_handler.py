"""Handlers of modules: doc/examples/hello_module.c, and the scripted handler of the unit tests, with
curl, nghttp and plain sockets as their clients."""
import os
import socket
import subprocess
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from keel import (Daemon, check_conf, directory, module, need_program, output, program, run,
                  until)

CONF = '''
listen = { "127.0.0.1:0" }
module "hello"  { file = "%s" }
module "script" { file = "%s" }
site "localhost" {
  root     = "www"
  max-body = 2m
  location "/a/" { } location "/hello/" { handler = "hello" argument = "Good day" }
  location "/hi/"    { handler = "hello" }
  location "/s/"     { handler = "script" }
  location "/small/" { handler = "script" max-body = 10 }
}
'''


def httpd(conf=CONF, **options):
    folder = directory()
    conf = conf % (module(folder, 'doc/examples/hello_module'),
                   module(folder, 'tests/support/script_module'))
    return Daemon('httpd', conf=conf, listen=None, folder=folder, files={
        'www/hello/index.html': 'a file\n', 'www/s/n': 'hello\n', 'www/s/x': 'later\n',
        'upload': bytes(range(256)) * 8000}, **options)


def curl(daemon, path, *args, http2=False):
    """(status, body) of one request."""
    out = subprocess.run([need_program('curl'), '-sS', '-m', '20', '-w', '\n%{http_code}',
                          '--http2-prior-knowledge' if http2 else '--http1.1'] + list(args)
                         + ['http://127.0.0.1:%d%s' % (daemon.address('tcp')[1], path)],
                         capture_output=True, check=True).stdout
    body, _, status = out.rpartition(b'\n')
    return int(status), body


def example():
    with httpd() as daemon:
        for http2 in (False, True):
            assert curl(daemon, '/hello/Ada', http2=http2) == (200, b'Good day, Ada!\n')
            assert curl(daemon, '/hi/Bob', http2=http2) == (200, b'Hello, Bob!\n')
            assert curl(daemon, '/hello/', http2=http2) == (200, b'a file\n')
            assert curl(daemon, '/a/Ada', http2=http2)[0] == 404  # not its neighbour's on the line
            assert curl(daemon, '/hi/', http2=http2)[0] == 404
            assert curl(daemon, '/hello/x', '-d', 'y', http2=http2)[0] == 405


def uploads():
    """By length, with and without Expect, and chunked; echoed whole, and as it comes."""
    with httpd() as daemon:
        data = bytes(range(256)) * 8000
        source = '@' + daemon.folder + '/upload'
        for http2 in (False, True):
            for path, end in (('/s/e', b'|'), ('/s/i', b''), ('/s/p', b'|')):
                for more in (('-H', 'Expect:'), ('-H', 'Expect: 100-continue'),
                             ('-H', 'Transfer-Encoding: chunked')):
                    if http2 and more[1].startswith('Transfer'):
                        continue
                    status, body = curl(daemon, path, '--data-binary', source, *more, http2=http2)
                    assert (status, body) == (200, data + end), (path, more, status, len(body))
            # too much: said at once, before anything is sent
            trace = daemon.folder + '/trace'
            status, _ = curl(daemon, '/small/e', '--data-binary', source, '-H',
                             'Expect: 100-continue', '--trace-ascii', trace, http2=http2)
            with open(trace, encoding='latin-1') as file:
                assert status == 413 and '100 Continue' not in file.read().replace('100-continue', '')
            assert curl(daemon, '/small/e', '-d', '0123456789', http2=http2) == (200, b'0123456789|')
            assert curl(daemon, '/small/e', '-d', '0123456789a', http2=http2)[0] == 413
        # a file sent while it is being asked for elsewhere
        assert curl(daemon, '/s/n') == (200, b'hello\n')


def trailers():
    with httpd() as daemon:
        shown = output([need_program('nghttp'), '-v', '-n', 'http://127.0.0.1:%d/s/c'
                        % daemon.address('tcp')[1]])
        assert 'x-end: yes' in shown and 'x-more: no' in shown, shown
        daemon.write('text', 'text')
        shown = output([need_program('nghttp'), '-v', '--trailer=X-Sum: 12', '-d',
                        daemon.folder + '/text', 'http://127.0.0.1:%d/s/i'
                        % daemon.address('tcp')[1]])
        assert shown.count('x-sum: 12') == 2, shown
        with socket.create_connection(daemon.address('tcp'), timeout=10) as s:
            s.sendall(b'POST /s/e HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n'
                      b'Connection: close\r\n\r\n1\r\na\r\n0\r\nSum: 1\r\n\r\n')
            answer = b''.join(iter(lambda: s.recv(65536), b''))
            assert answer.endswith(b'\r\n\r\na|Sum: 1\r\n'), answer


def tunnels():
    """A megabyte there and back, over HTTP/1.1; the far side closes when we do."""
    with httpd() as daemon:
        data = bytes(range(256)) * 4096
        with socket.create_connection(daemon.address('tcp'), timeout=20) as s:
            s.sendall(b'GET /s/t HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n')
            sender = threading.Thread(target=lambda: (s.sendall(data), s.shutdown(socket.SHUT_WR)))
            sender.start()
            answer = b''.join(iter(lambda: s.recv(65536), b''))
            sender.join()
            head, _, body = answer.partition(b'\r\n\r\n')
            assert head.startswith(b'HTTP/1.1 101 ') and body == data, (head, len(body))


def clients_go():
    """In the middle of an upload, of an answer, and while the handler thinks; the worker lives."""
    with httpd() as daemon:
        for text in (b'POST /s/r HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc',
                     b'GET /s/b HTTP/1.1\r\nHost: a\r\n\r\n', b'GET /s/l HTTP/1.1\r\nHost: a\r\n\r\n',
                     b'POST /s/i HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc'):
            for _ in range(5):
                with socket.create_connection(daemon.address('tcp'), timeout=10) as s:
                    s.sendall(text)
        until(lambda: daemon.metric('keel_connections') == 0, 'all are gone')
        assert curl(daemon, '/s/e', '-d', 'abc') == (200, b'abc|')


def drain():
    """What is under way when the daemon ends is finished."""
    with httpd() as daemon:
        with socket.create_connection(daemon.address('tcp'), timeout=10) as s:
            s.sendall(b'POST /s/e HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc')
            until(lambda: daemon.metric('httpd_requests_total') == 1, 'it is read')
            daemon.process.terminate()
            until(lambda: 'stopping' in daemon.log(), 'it drains')
            s.sendall(b'def')
            answer = b''.join(iter(lambda: s.recv(65536), b''))
            assert answer.endswith(b'\r\n\r\nabcdef|') and b'Connection: close' in answer, answer


WRONG = (
    ('site "a" { location "/" { handler = "x" } }', 'no module is named "x"'),
    ('site "a" { location "/" { argument = "x" } }', 'it is for a handler'),
    ('module "x" { }', 'file'),
    ('module "x" { file = "/nonexistent.so" }', 'nonexistent'),
    ('module "x" { file = "%s" }\nmodule "x" { file = "%s" }', 'given twice'),
    ('module "x" { file = "%s" }\nsite "a" { location "/" { handler = "x" argument = "" } }',
     'a greeting expected'),
    ('module "x" { file = "%s" }\n'
     'site "a" { location "/" { handler = "x" redirect = "301 /" } }', 'redirects'),
)


def wrong_configuration():
    path = module(directory(), 'doc/examples/hello_module')
    for text, words in WRONG:
        said = check_conf('httpd', 'listen = { "127.0.0.1:0" }\n' + text.replace('%s', path))
        assert said[0] == 2 and words in said[1], (text, said)


run(('the example', example),
    ('uploads', uploads),
    ('trailers', trailers),
    ('tunnels', tunnels),
    ('clients that go', clients_go),
    ('a drain finishes what is under way', drain),
    ('wrong configurations', wrong_configuration))
