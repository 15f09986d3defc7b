"""The cases of tests/corpus/http against the daemon: over HTTP/1.1, plain and in TLS, over HTTP/2
both ways, each in one piece and byte by byte. What a case expects comes from the RFCs; its file says
from where. Names of cases as arguments: only those, with what came back."""
import os
import socket
import ssl
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import http_corpus as corpus  # noqa: E402
from keel import Daemon, directory, run  # noqa: E402
from test_httpd import certificate  # noqa: E402

SECRET = b'this is outside'
FILES = {
    'www/index.html': '<h1>here</h1>\n',
    'www/a.txt': '0123456789',
    'www/big.bin': bytes(range(256)) * 1024,
    'www/sp ace.txt': 'blank\n',
    'www/per%cent.txt': 'percent\n',
    'www/\u00e9.txt': 'accent\n',
    'www/back\\slash.txt': 'backslash\n',
    'www/style.css': 'body { color: black }\n' * 100,
    'www/style.css.gz': 'as if it were gzip',
    'www/style.css.br': 'as if it were br',
    'www/empty.txt': '',
    'www/sub/page.html': 'page\n',
    'www/list/one.txt': 'one\n',
    'www/list/<b>"&.txt': 'HTML\n',
    'www/.hidden': SECRET.decode(),
    'www/.well-known/thing': 'well known\n',
    'www/who.txt': 'default\n',
    'www/private/data.txt': SECRET.decode(),
    'www/private/data.txt.gz': SECRET.decode(),
    'other/who.txt': 'other\n',
    'other/secret.txt': SECRET.decode(),
    'secret.txt': SECRET.decode(),
    'www-secret/secret.txt': SECRET.decode(),
}
CONF = '''
listen = { "127.0.0.1:0", "127.0.0.1:0 tls" }
header-timeout = 60s
body-timeout = 60s
site "localhost" {
  default     = true
  certificate = "cert.pem"
  key         = "key.pem"
  root        = "www"
  compress    = { "br", "gzip" }
  location "/list/" { autoindex = true }
  location "/old/"  { redirect = "301 /new/" }
  location "/private/" { deny = { "0.0.0.0/0", "::/0" } }
}
site "other.example" {
  names = { "www.other.example" }
  root  = "other"
}
'''
MODIFIED = 1577836800  # Wed, 01 Jan 2020 00:00:00 GMT
PROBE = b'GET /who.txt HTTP/1.1\r\nHost: probe\r\n\r\n'
TOGETHER = 50    # connections at once while bytes trickle
ENDS = 300       # of a long case, only so many bytes at each end come one by one


def httpd():
    folder = directory()
    certificate(folder)
    os.makedirs(folder + '/www')
    for link, target in (('inside', 'a.txt'), ('outside', '../secret.txt'), ('etc', '/etc'),
                         ('up', '..'), ('loop', 'loop')):
        os.symlink(target, '%s/www/%s' % (folder, link))
    for name, content in FILES.items():
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'wb') as f:
            f.write(content if isinstance(content, bytes) else content.encode())
        os.utime(path, (MODIFIED, MODIFIED))
    return Daemon('httpd', conf=CONF, listen=None, folder=folder)


def connect(daemon, transport, alpn=None):
    tls = transport == 'tls'
    sock = socket.create_connection(daemon.address('tcp', tls), timeout=20)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not tls:
        return sock
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if alpn:
        context.set_alpn_protocols([alpn])
    return context.wrap_socket(sock)


def pieces(data, trickle):
    """What is sent at once."""
    if not trickle:
        return [data] if data else []
    if len(data) <= 2 * ENDS:
        return [data[i:i + 1] for i in range(len(data))]
    return ([data[i:i + 1] for i in range(ENDS)] + [data[ENDS:-ENDS]]
            + [data[i:i + 1] for i in range(len(data) - ENDS, len(data))])


def send(sock, data):
    """A server that has closed already may have said why."""
    try:
        sock.sendall(data)
    except OSError:
        pass


def deliver(batch):
    """Sends the first piece of each, then the second: those of one connection come apart."""
    for i in range(max(len(parts) for _, _, parts in batch)):
        for _, sock, parts in batch:
            if i < len(parts):
                send(sock, parts[i])


def check_answers(case, reader, sock):
    """Reads the answers, then sees that the connection is as it should be."""
    seen, last = [], None
    for status, bodiless in zip(case.statuses, case.bodiless):
        last = reader.response(bodiless)
        assert last, 'closed after %r' % seen
        seen.append(last[0])
        assert last[0] == status, 'answered with %r' % seen
        whole = b'\r\n'.join(k.encode() + b': ' + v for k, v in last[1].items()) + b'\r\n\r\n' + last[2]
        check_content(case, whole, status == case.statuses[-1] and len(seen) == len(case.statuses))
        closing = last[1].get('connection') == b'close'
        final = len(seen) == len(case.statuses)
        assert not closing or (final and case.end == 'close'), 'Connection: close in between'
        assert not (final and case.end == 'close') or closing, 'no Connection: close'
    if case.end == 'keep':
        send(sock, PROBE)
        answer = reader.response()
        assert answer and answer[0] == 200 and answer[2] == b'default\n', 'not kept: %r' % (answer,)
        return
    if case.end == 'wait':
        # what a parser takes for the end of the request, or of the connection, it answers at once
        sock.settimeout(0.02)
        try:
            said = sock.recv(4096)
        except TimeoutError:
            said = None
        assert said is None and not reader.received, 'it does not wait: %r' % said
        sock.settimeout(20)
        socket.socket.shutdown(sock, socket.SHUT_WR)  # SSLSocket's own would read in the clear
    reader.at_end()


def check_content(case, whole, last):
    folded = whole.lower()
    assert SECRET not in whole, 'it leads out: %r' % whole[:300]
    for text in case.hasnot:
        assert text.lower() not in folded, '%r in %r' % (text, whole[:600])
    for text in case.has if last else ():
        assert text.lower() in folded, 'no %r in %r' % (text, whole[:600])


def play(daemon, cases, transport, trickle):
    """Failures of these cases over HTTP/1.1."""
    failures = []
    for start in range(0, len(cases), TOGETHER):
        batch = [(case, connect(daemon, transport), pieces(case.data, trickle))
                 for case in cases[start:start + TOGETHER]]
        deliver(batch)
        for case, sock, _ in batch:
            try:
                check_answers(case, corpus.Reader(sock), sock)
            except AssertionError as error:
                failures.append('%s, %s%s: %s' % (case, transport, ', byte by byte' if trickle
                                                  else '', error))
            sock.close()
    return failures


def play_h2(daemon, cases, transport, trickle):
    """Failures of these cases over HTTP/2, each on a connection of its own."""
    failures = []
    for start in range(0, len(cases), TOGETHER):
        batch = []
        for case in cases[start:start + TOGETHER]:
            data = corpus.PREFACE + corpus.WIDE
            data += corpus.request_frames(1, *case.h2_fields())
            batch.append((case, connect(daemon, transport, 'h2'), pieces(data, trickle)))
        deliver(batch)
        for case, sock, _ in batch:
            try:
                check_h2(case, sock)
            except AssertionError as error:
                failures.append('%s, h2 %s%s: %s' % (case, transport, ', byte by byte' if trickle
                                                     else '', error))
            sock.close()
    return failures


def check_h2(case, sock):
    reader = corpus.H2Reader(sock)
    got = reader.outcome(1)
    assert got in case.h2, 'answered with %s' % got
    head = reader.heads.get(1, [])
    names = [name for name, _ in head]
    assert not {'connection', 'transfer-encoding', 'keep-alive'} & set(names), names
    whole = '\r\n'.join(n + ': ' + v for n, v in head).encode() + b'\r\n\r\n' + reader.bodies.get(1, b'')
    check_content(case, whole, got.isdigit())
    if got != 'goaway':
        probe = [(b':method', b'GET'), (b':scheme', b'http'), (b':path', b'/who.txt'),
                 (b':authority', b'probe')]
        send(sock, corpus.request_frames(3, probe))
        assert reader.outcome(3) == '200' and reader.bodies[3] == b'default\n', 'not kept'


def corpus_cases(daemon):
    with socket.create_connection(daemon.address('tcp'), timeout=20) as sock:
        sock.sendall(b'HEAD /a.txt HTTP/1.1\r\nHost: a\r\n\r\n')
        etag = corpus.Reader(sock).response(True)[1]['etag'].strip(b'"')
    wanted = set(sys.argv[1:])
    return [case for case in corpus.cases(etag=etag) if not wanted or case.name in wanted]


def over(transport, http2):
    def check():
        with httpd() as daemon:
            failures = []
            fits = [case for case in corpus_cases(daemon)
                    if (case.h2 if http2 else case.end and transport in case.on)]
            for trickle in (False, True):
                failures += (play_h2 if http2 else play)(daemon, fits, transport, trickle)
            print('# %d cases' % len(fits))
            for text in failures:
                print('# ' + text)
            assert not failures, '%d failures' % len(failures)
            assert daemon.children(), 'no worker is left'
            assert 'assertion' not in daemon.log(), daemon.log()
    return check


if __name__ == '__main__':
    run(('HTTP/1.1', over('h1', False)),
        ('HTTP/1.1 in TLS', over('tls', False)),
        ('HTTP/2', over('h1', True)),
        ('HTTP/2 in TLS', over('tls', True)))
