"""HTTP/2, with curl, nghttp, h2load and openssl as the clients, and a client of our own that counts
what a reload loses."""
import json
import os
import re
import socket
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from keel import Daemon, directory, need_no_sanitizer, need_program, output, program, run, spawn, until

BIG = bytes(range(256)) * 8192
CONF = '''
listen = { "127.0.0.1:0", "127.0.0.1:0 tls" }
max-streams = 100
%s
site "localhost" {
  default     = true
  certificate = "cert.pem"
  key         = "key.pem"
  root        = "www"
  location "/old/" { redirect = "301 /new/" }
}
'''
TIMEOUTS = 'header-timeout = 1s\nbody-timeout = 1s\nkeepalive-timeout = 1s\nsend-timeout = 1s\n'


def httpd(more='', **options):
    folder = directory()
    output([need_program('openssl'), 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
            'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=localhost',
            '-addext', 'subjectAltName=DNS:localhost', '-keyout', folder + '/key.pem',
            '-out', folder + '/cert.pem'])
    return Daemon('httpd', conf=CONF % more, listen=None, folder=folder, files={
        'www/index.html': '<h1>here</h1>\n', 'www/1k.txt': 'x' * 1024, 'www/big.bin': BIG}, **options)


def url(daemon, path, tls=False):
    return '%s://127.0.0.1:%d%s' % ('https' if tls else 'http', daemon.address('tcp', tls)[1], path)


def curl(daemon, path, *args, tls=False):
    """(version, status, fields, body) of one request over HTTP/2."""
    out = subprocess.run([need_program('curl'), '-sS', '-i', '-k', '-m', '20',
                          '--http2' if tls else '--http2-prior-knowledge'] + list(args)
                         + [url(daemon, path, tls)], capture_output=True, check=True).stdout
    head, _, body = out.partition(b'\r\n\r\n')
    lines = head.decode().split('\r\n')
    version, status = lines[0].split()[:2]
    return version, int(status), dict(line.split(': ', 1) for line in lines[1:]), body


def curl_gets_files():
    with httpd() as daemon:
        for tls in (False, True):
            version, status, fields, body = curl(daemon, '/', tls=tls)
            assert (version, status, body) == ('HTTP/2', 200, b'<h1>here</h1>\n')
            assert fields['content-type'] == 'text/html; charset=utf-8' and fields['server'] == 'keel'
            assert curl(daemon, '/big.bin', tls=tls)[3] == BIG
            _, status, fields, body = curl(daemon, '/big.bin', '-r', '1000-99999', tls=tls)
            assert (status, body) == (206, BIG[1000:100000])
            _, status, fields, body = curl(daemon, '/1k.txt', '-I', tls=tls)
            assert (status, fields['content-length'], body) == (200, '1024', b'')
            _, status, _, body = curl(daemon, '/1k.txt', '-H', 'If-None-Match: ' + fields['etag'],
                                      tls=tls)
            assert (status, body) == (304, b'')
            assert curl(daemon, '/none', tls=tls)[1] == 404
            assert curl(daemon, '/%2e%2e/x', '--path-as-is', tls=tls)[1] == 400
            assert curl(daemon, '/1k.txt', '-r', '2000-', tls=tls)[1] == 416
            assert curl(daemon, '/old/a', tls=tls)[2]['location'] == '/new/a'
            assert curl(daemon, '/', '-X', 'OPTIONS', tls=tls)[2]['allow'] == 'GET, HEAD, OPTIONS'
            assert curl(daemon, '/', '-d', 'a=b', tls=tls)[1] == 405
            assert curl(daemon, '/', '-H', 'X: ' + 'a' * 9000, tls=tls)[1] == 431
        # many on one connection, among them bodies that nobody reads
        body = os.path.join(daemon.folder, 'www', 'big.bin')
        out = output([need_program('curl'), '-sS', '-k', '--http2', '-o', '/dev/null', '-w',
                      '%{num_connects}%{http_code} ', url(daemon, '/1k.txt', True), '--next', '-sS',
                      '-k', '--http2', '-o', '/dev/null', '-w', '%{num_connects}%{http_code} ',
                      '--data-binary', '@' + body, url(daemon, '/1k.txt', True), '--next', '-sS',
                      '-k', '--http2', '-o', '/dev/null', '-w', '%{num_connects}%{http_code} ',
                      url(daemon, '/1k.txt', True)])
        assert out.split() == ['1200', '0405', '0200'], out


def alpn():
    openssl = need_program('openssl')
    for more, offer, chosen in (('', 'h2', 'h2'), ('', 'http/1.1,h2', 'h2'),
                                ('', 'http/1.1', 'http/1.1'), ('', None, None),
                                ('http2 = false', 'h2,http/1.1', 'http/1.1')):
        with httpd(more) as daemon:
            out = output([openssl, 's_client', '-connect',
                          '127.0.0.1:%d' % daemon.address('tcp', True)[1]]
                         + (['-alpn', offer] if offer else []), check=False, errors='replace')
            expected = 'ALPN protocol: ' + chosen if chosen else 'No ALPN negotiated'
            assert expected in out, (offer, out[-2000:])
    with httpd('http2 = false') as daemon:
        with socket.create_connection(daemon.address('tcp'), timeout=10) as s:
            s.sendall(PREFACE)
            assert s.recv(4096).startswith(b'HTTP/1.1 505 ')


def nghttp_shows_frames():
    nghttp = need_program('nghttp')
    with httpd() as daemon:
        for tls in (False, True):
            out = output([nghttp, '-nv', url(daemon, '/big.bin', tls), url(daemon, '/1k.txt', tls)])
            assert out.count(':status: 200') == 2 and 'SETTINGS_MAX_CONCURRENT_STREAMS(0x03):100' in out
            assert re.search(r'recv DATA frame <length=\d+, flags=0x01', out), out
            assert 'GOAWAY frame' not in out.replace('send GOAWAY frame', ''), out


def h2load_loses_nothing():
    h2load = need_program('h2load')
    with httpd(workers=2) as daemon:
        total = 0
        for tls in (False, True):
            for streams in (1, 32):
                out = output([h2load, '-n', '4000', '-c', '8', '-m', str(streams),
                              url(daemon, '/1k.txt', tls)], patience=60)
                assert '4000 succeeded, 0 failed, 0 errored, 0 timeout' in out, out
                total += 4000
            out = output([h2load, '-n', '64', '-c', '4', '-m', '32', url(daemon, '/big.bin', tls)],
                         patience=60)
            assert '64 succeeded, 0 failed' in out and '(%d) data' % (64 * len(BIG)) in out, out
            total += 64
        assert daemon.metric('httpd_responses_total', **{'class': '2xx'}) == total
        assert daemon.metric('httpd_http2_connections_total') == 40
        assert daemon.metric('httpd_http2_cut_total') == 0


def a_reload_loses_nothing():
    ask = program('tests/support/h2_ask')
    with httpd(workers=2) as daemon:
        for path, size in (('/1k.txt', 1024), ('/big.bin', len(BIG))):
            client = spawn([ask, str(daemon.address('tcp')[1]), path, str(size), '8', '8', '3'],
                           stdout=subprocess.PIPE, text=True)
            for _ in range(3):
                time.sleep(0.6)
                daemon.ctl('reload')
            result = json.loads(client.communicate(timeout=60)[0])
            print('# %s: %s' % (path, result))
            assert result['lost'] == 0 and result['refused'] == 0, result
            assert result['answered'] > 100 and result['goaways'] >= 8, result


PREFACE = b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
GET = b'\x82\x86\x04\x08/big.bin\x01\x01a'


def frame(kind, flags, stream, payload=b''):
    return struct.pack('>I', len(payload))[1:] + struct.pack('>BBI', kind, flags, stream) + payload


def frames(data):
    """(type, flags, stream, payload) of each whole frame."""
    found = []
    while len(data) >= 9 and len(data) >= 9 + int.from_bytes(data[:3], 'big'):
        size = int.from_bytes(data[:3], 'big')
        found.append((data[3], data[4], int.from_bytes(data[5:9], 'big'), data[9:9 + size]))
        data = data[9 + size:]
    return found


def until_closed(daemon, data, patience=15):
    """What came back for these bytes by the time that the server closed, and how long that took."""
    begun, received = time.monotonic(), b''
    with socket.create_connection(daemon.address('tcp'), timeout=patience) as s:
        try:
            s.sendall(data)
        except OSError:
            pass  # it closed early
        while True:
            try:
                part = s.recv(65536)
            except ConnectionError:
                part = b''
            if not part:
                return frames(received), time.monotonic() - begun
            received += part


def deadlines():
    with httpd(TIMEOUTS) as daemon:
        hello = PREFACE + frame(4, 0, 0)
        whole = frame(1, 5, 1, GET.replace(b'\x08/big.bin', b'\x07/1k.txt'))
        for name, data, wanted in (
                ('nothing but the preface', hello, 7),
                ('half of a preface', PREFACE[:20], None),
                ('half of a frame', hello + whole[:12], 7),
                ('a block without end', hello + frame(1, 1, 1, GET), 7),
                ('idle behind an answer', hello + whole, 7),
                ('a window of nothing', PREFACE + frame(4, 0, 0, b'\0\4\0\0\0\0')
                 + frame(1, 5, 1, GET), None),
                ('a client that takes nothing', PREFACE + frame(4, 0, 0, b'\0\4\x7f\xff\xff\xff')
                 + frame(8, 0, 0, b'\x7f\0\0\0')
                 + b''.join(frame(1, 5, i, GET) for i in range(1, 40, 2)), None)):
            if name == 'a client that takes nothing':
                with socket.create_connection(daemon.address('tcp'), timeout=10) as s:
                    s.sendall(data)
                    until(lambda: not held(daemon), 'the end of a client that takes nothing')
                continue
            got, seconds = until_closed(daemon, data)
            assert 0.9 < seconds < 8, (name, seconds)
            assert wanted is None or got[-1][0] == wanted, (name, got)


def held(daemon):
    """Connections of the daemon's plain address that are open."""
    out = output([need_program('ss'), '-Htn', 'state', 'established', 'sport', '=',
                  ':%d' % daemon.address('tcp')[1]])
    return len(out.splitlines())


def floods_are_cut():
    with httpd() as daemon:
        hello = PREFACE + frame(4, 0, 0)
        for name, data in (
                ('ping', frame(6, 0, 0, b'12345678') * 5000),
                ('settings', frame(4, 0, 0) * 5000),
                ('resets', b''.join(frame(1, 5, i, GET) + frame(3, 0, i, b'\0\0\0\x08')
                                    for i in range(1, 6000, 2))),
                ('continuation', frame(1, 1, 1, GET) + frame(9, 0, 1, b'\0\1x\1y') * 5000)):
            got, seconds = until_closed(daemon, hello + data)
            goaways = [f for f in got if f[0] == 7]
            assert seconds < 10, (name, seconds)
            assert goaways and goaways[-1][3][4:8] == b'\0\0\0\x0b', (name, got[-1:])
        assert daemon.metric('httpd_http2_cut_total') == 4
        assert curl(daemon, '/1k.txt')[1] == 200


def idle_memory():
    """Private memory of an idle connection that asked once, kernel not counted."""
    need_no_sanitizer()
    with httpd() as daemon:
        worker = daemon.children()[0]
        ask = PREFACE + frame(4, 0, 0) + frame(4, 1, 0) + frame(
            1, 5, 1, GET.replace(b'\x08/big.bin', b'\x07/1k.txt'))

        def private():
            with open('/proc/%d/smaps_rollup' % worker, encoding='utf-8') as f:
                return sum(int(line.split()[1]) for line in f if line.startswith('Private_')) << 10
        kept = []

        def open_more(count):
            for _ in range(count):
                s = socket.create_connection(daemon.address('tcp'), timeout=10)
                s.sendall(ask)
                received = b''
                while not any(f[0] == 0 and f[1] & 1 for f in frames(received)):
                    received += s.recv(4096)
                kept.append(s)
        open_more(100)
        before = private()
        open_more(500)
        each = (private() - before) / 500
        print('# %d bytes for an idle connection of HTTP/2' % each)
        assert each < 16000, each
        for s in kept:
            s.close()


if __name__ == '__main__':
    run(('curl gets files, plain and TLS', curl_gets_files),
        ('ALPN, and HTTP/2 switched off', alpn),
        ('nghttp', nghttp_shows_frames),
        ('h2load, 1 and 32 streams', h2load_loses_nothing),
        ('a reload under load loses nothing', a_reload_loses_nothing),
        ('deadlines', deadlines),
        ('floods are cut off', floods_are_cut),
        ('memory of an idle connection', idle_memory))
