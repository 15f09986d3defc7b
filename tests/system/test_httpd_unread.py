"""Bodies that nobody reads: answers that come before the end of a request, from files, limits and
handlers, to curl, nghttp, python3-h2 and http.client. The client gets the whole answer, other requests
do not wait, and what is under way has a bound."""
import http.client
import os
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from http2 import Client
from keel import Daemon, directory, module, need_program, output, run, until, use_python_of

use_python_of('h2')

CONF = '''
listen = { "127.0.0.1:0" }
module "script" { file = "%s" }
site "localhost" {
  default = true
  root    = "www"
  location "/s/"     { handler = "script" }
  location "/small/" { handler = "script" max-body = 10 }
  location "/users/" { auth = "here" auth-file = "users" }
  location "/no/"    { deny = { "0.0.0.0/0" } }
}
'''
BIG = 4 << 20
# (path, status): what is refused at once, and handlers that do not look at it
PATHS = (('/x', 405), ('/nothing', 405), ('/no/x', 403), ('/users/x', 401), ('/small/e', 413),
         ('/s/s', 200), ('/s/l', 200), ('/s/b', 200), ('/s/c', 200), ('/s/0', 204))


def httpd():
    folder = directory()
    conf = CONF % module(folder, 'tests/support/script_module')
    return Daemon('httpd', conf=conf, listen=None, folder=folder, files={
        'users': 'ada:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n', 'www/x': 'hello\n', 'upload': bytes(BIG)})


def url(daemon, path):
    return 'http://127.0.0.1:%d%s' % (daemon.address('tcp')[1], path)


def tools():
    curl, nghttp = need_program('curl'), need_program('nghttp')
    with httpd() as daemon:
        upload = daemon.folder + '/upload'
        began = time.monotonic()
        for path, status in PATHS:
            # over HTTP/2, behind a 200, curl 7.88 reads no more of the connection before it has sent all
            for version in ('--http1.1', '--http2-prior-knowledge')[:1 + (status >= 400)]:
                for more in (('-T', upload), ('--data-binary', '@' + upload, '-H', 'Expect:')):
                    said = subprocess.run(
                        [curl, '-sS', '-m', '20', version, *more, '-o', '/dev/null', '-w',
                         '%{http_code}', url(daemon, path)], capture_output=True, text=True, check=False)
                    # what curl 7.88 does not finish to send is an error to it, over HTTP/1.1
                    assert said.stdout == str(status) and (said.returncode in (0, 55)), \
                        (path, version, more, said)
            shown = output([nghttp, '-nv', '--data', upload, url(daemon, path)])
            assert ':status: %d' % status in shown, (path, shown)
            # the server ends it, though the client has not
            assert 'recv RST_STREAM' in shown and 'error_code=NO_ERROR(0x00)' in shown, (path, shown)
        assert time.monotonic() - began < 25, 'they wait for something'
        assert daemon.metric('httpd_responses_total', **{'class': '5xx'}) == 0


# ---- HTTP/2, one connection ---------------------------------------------------------------------

def one_connection():
    """Many such requests at once, and one after the other: more than there may be streams."""
    with httpd() as daemon:
        client = Client(daemon)
        for round_ in range(4):
            asked = [(client.ask(path, BIG), status) for path, status in PATHS for _ in range(8)]
            client.send()
            get = client.ask('/x')
            client.wait(lambda: get in client.ended, 'a file meanwhile')
            assert client.status[get] == 200 and client.body[get] == 6
            client.wait(lambda: all(s in client.reset for s, _ in asked),
                        'the end of all: %s' % client.reset)
            for stream, status in asked:
                assert client.status[stream] == status and stream in client.ended, (stream, status)
                assert client.reset[stream] == 0, (stream, client.reset[stream])
            # the connection's window is whole again: a body that is wanted comes through
            echo = client.ask('/s/i', 1 << 19)
            client.send()
            client.wait(lambda: echo in client.ended, 'an upload')
            assert client.body[echo] == 1 << 19
        client.sock.close()


def waiting_handler():
    """One that thinks, and does not read, keeps nobody waiting."""
    with httpd() as daemon:
        client = Client(daemon)
        waiting = [client.ask('/s/z', BIG) for _ in range(6)]  # 65535 bytes of each come
        client.send()
        for _ in range(2):
            echo = client.ask('/s/i', 1 << 20)
            client.send()
            client.wait(lambda: echo in client.ended, 'an upload meanwhile')
            assert client.body[echo] == 1 << 20
            assert not client.ended.intersection(waiting) and not client.reset
            for stream in waiting[:3]:
                client.left[stream] = 0
                client.h2.reset_stream(stream, 8)
            waiting = waiting[3:]
        client.sock.close()


# ---- HTTP/1.1 -----------------------------------------------------------------------------------

def kept():
    """A short rest is dropped, and the connection serves the next request."""
    with httpd() as daemon:
        for path, status in PATHS:
            client = http.client.HTTPConnection(*daemon.address('tcp'), timeout=20)
            for _ in range(2):
                client.request('POST', path, body=b'x' * 20000)
                sock = client.sock
                answer = client.getresponse()
                assert answer.status == status, (path, answer.status)
                answer.read()
                client.request('GET', '/x')
                assert client.getresponse().read() == b'hello\n' and client.sock is sock, path
            client.close()
        # and in chunks of which most come behind the answer
        with socket.create_connection(daemon.address('tcp'), timeout=20) as s:
            s.sendall(b'POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n')
            assert b'405 Method' in s.recv(65536)
            for _ in range(10):
                s.sendall(b'400\r\n' + b'x' * 1024 + b'\r\n')
            s.sendall(b'0\r\nA: b\r\n\r\nGET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
            assert b''.join(iter(lambda: s.recv(65536), b'')).endswith(b'\r\n\r\nhello\n')


def deaf():
    """Clients that look at the answer only when they have sent everything, slowly."""
    failed = []

    def post(daemon, path, status, framing):
        try:
            with socket.create_connection(daemon.address('tcp'), timeout=20) as s:
                chunked = framing.startswith(b'Transfer')
                s.sendall(b'POST %s HTTP/1.1\r\nHost: a\r\n%s\r\n\r\n' % (path.encode(), framing))
                for _ in range(16):
                    s.sendall((b'40000\r\n' if chunked else b'') + bytes(BIG // 16)
                              + (b'\r\n' if chunked else b''))
                    time.sleep(0.25)
                answer = b''.join(iter(lambda: s.recv(65536), b''))
                assert answer.startswith(b'HTTP/1.1 %d ' % status), answer[:100]
                # of chunks nobody knows how many come
                assert chunked or path == '/s/c' or b'Connection: close\r\n' in answer, answer[:300]
        except Exception as error:  # told by the case itself
            failed.append((path, framing, repr(error)))
    with httpd() as daemon:
        threads = [threading.Thread(target=post, args=(daemon, path, status, framing))
                   for path, status in PATHS if path != '/s/b'
                   for framing in (b'Content-Length: %d' % BIG, b'Transfer-Encoding: chunked')]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failed, failed
        until(lambda: daemon.metric('keel_connections') == 0, 'all are gone')


run(('curl and nghttp', tools),
    ('one connection of HTTP/2', one_connection),
    ('a handler that thinks', waiting_handler),
    ('a connection of HTTP/1.1 is kept', kept),
    ('clients that send first', deaf))
