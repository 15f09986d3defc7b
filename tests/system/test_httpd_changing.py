"""Files that change while they are sent: a client gets what it was promised, or sees that it did not,
over HTTP/1.1 and HTTP/2, plain and in TLS."""
import os
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import http_corpus as http  # noqa: E402
from keel import Daemon, directory, run, until  # noqa: E402
from test_httpd import certificate  # noqa: E402
from test_httpd_corpus import connect  # noqa: E402

SIZE = 12 << 20
BIG = b''.join(struct.pack('>Q', i * 0x9e3779b97f4a7c15 % (1 << 64)) for i in range(SIZE // 8))
OTHER = bytes(255 - byte for byte in BIG[:1 << 16]) * (SIZE >> 16)
CONF = '''
listen = { "127.0.0.1:0", "127.0.0.1:0 tls" }
site "localhost" {
  default     = true
  certificate = "cert.pem"
  key         = "key.pem"
  root        = "www"
}
'''


def httpd():
    folder = directory()
    certificate(folder)
    return Daemon('httpd', conf=CONF, listen=None, folder=folder,
                  files={'www/ok.txt': 'ok\n', 'www/big.bin': BIG})


def replace(path, content):
    with open(path + '.new', 'wb') as f:
        f.write(content)
    os.rename(path + '.new', path)


def overwrite(path, content):
    with open(path, 'r+b') as f:
        f.write(content)


def append(path, content):
    with open(path, 'ab') as f:
        f.write(content)


# what is done to the file, and what a client that has begun to read gets of the old content: all of
# it, a part that it can tell from all of it, or as many bytes, of which some may be new
CHANGES = (
    ('replaced', lambda path: replace(path, OTHER), 'all'),
    ('replaced by a smaller one', lambda path: replace(path, b'small'), 'all'),
    ('deleted', os.unlink, 'all'),
    ('appended to', lambda path: append(path, OTHER), 'all'),
    ('truncated', lambda path: os.truncate(path, SIZE // 2), 'part'),
    ('emptied', lambda path: os.truncate(path, 0), 'part'),
    ('truncated by one byte', lambda path: os.truncate(path, SIZE - 1), 'part'),
    ('written over', lambda path: overwrite(path, OTHER), 'length'),
)
# (Range, what is asked for)
RANGES = ((None, slice(0, SIZE)), ('bytes=1000-', slice(1000, SIZE)),
          ('bytes=4096-%d' % (SIZE - 2), slice(4096, SIZE - 1)))


def slow_socket(daemon, transport, alpn=None):
    sock = connect(daemon, transport, alpn)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    return sock


def get_h1(daemon, transport, range_, change):
    """(promised length, the bytes that came), with the change behind the first of them."""
    with slow_socket(daemon, transport) as sock:
        field = b'Range: %s\r\n' % range_.encode() if range_ else b''
        sock.sendall(b'GET /big.bin HTTP/1.1\r\nHost: a\r\n%s\r\n' % field)
        received = b''
        while b'\r\n\r\n' not in received:
            received += sock.recv(4096)
        head, _, received = received.partition(b'\r\n\r\n')
        fields = dict(line.lower().split(b': ') for line in head.split(b'\r\n')[1:])
        promised = int(fields[b'content-length'])
        change()
        parts, count = [received], len(received)
        while count < promised:
            try:
                part = sock.recv(1 << 20)
            except ConnectionError:
                part = b''
            if not part:
                break
            parts.append(part)
            count += len(part)
        if count == promised:  # and the connection serves on
            sock.sendall(b'GET /ok.txt HTTP/1.1\r\nHost: a\r\n\r\n')
            assert http.Reader(sock).response()[2] == b'ok\n'
        return promised, b''.join(parts)


def get_h2(daemon, transport, range_, change):
    with slow_socket(daemon, transport, 'h2') as sock:
        fields = [(b':method', b'GET'), (b':scheme', b'http'), (b':path', b'/big.bin'),
                  (b':authority', b'a')]
        if range_:
            fields.append((b'range', range_.encode()))
        sock.sendall(http.PREFACE + http.frame(http.SETTINGS, 0, 0) + http.request_frames(1, fields))
        reader = http.H2Reader(sock)
        until(lambda: reader.turn() and len(reader.bodies.get(1, b'')) >= 65535, 'a window of bytes')
        promised = int(dict(reader.heads[1])['content-length'])
        change()
        first = reader.bodies.pop(1)
        sock.sendall(b''.join(http.frame(http.WINDOW_UPDATE, 0, stream, b'\x3f\xff\0\0')
                              for stream in (0, 1)))
        parts = [first]
        while 1 not in reader.ended and 1 not in reader.resets:
            assert reader.turn(), 'the connection ended'
            parts.append(reader.bodies.pop(1, b''))
        body = b''.join(parts)
        assert (1 in reader.ended) == (len(body) == promised), 'ended with %d' % len(body)
        # the connection serves on either way
        sock.sendall(http.request_frames(3, fields[:2] + [(b':path', b'/ok.txt')] + fields[3:4]))
        assert reader.outcome(3) == '200' and reader.bodies[3] == b'ok\n'
        return promised, body


def while_it_is_sent(get, transport):
    def check():
        with httpd() as daemon:
            path = daemon.folder + '/www/big.bin'
            for what, change, expected in CHANGES:
                for range_, asked in RANGES:
                    replace(path, BIG)
                    daemon.ctl('cache-flush')
                    promised, body = get(daemon, transport, range_, lambda: change(path))
                    place = (what, range_, promised, len(body))
                    wanted = BIG[asked]
                    assert promised == len(wanted), place
                    if expected == 'all':
                        assert body == wanted, place
                    elif expected == 'part':
                        assert len(body) < promised or range_ == RANGES[2][0], place
                        assert body == wanted[:len(body)], place
                    else:
                        assert len(body) == promised, place
            assert daemon.children() and 'assertion' not in daemon.log(), daemon.log()
    return check


def versions():
    """Files that are replaced all the time, small and large: each answer is one whole version, and
    has its tag."""
    sizes = (0, 1, 1000, 16384, 16385, 65535, 65536, 65537, 300000)
    with httpd() as daemon:
        stop, wrong, counts = threading.Event(), [], {}

        def write():
            for i in range(1 << 30):
                if stop.is_set():
                    return
                replace(daemon.folder + '/www/v.bin', bytes([i % 251]) * sizes[i % len(sizes)])

        def read(transport):
            with connect(daemon, transport) as sock:
                reader, tags = http.Reader(sock), {}
                while not stop.is_set():
                    sock.sendall(b'GET /v.bin HTTP/1.1\r\nHost: a\r\n\r\n')
                    answer = reader.response()
                    if answer is None or answer[0] != 200:
                        wrong.append(answer)
                        return
                    body = answer[2]
                    counts[transport] = counts.get(transport, 0) + 1
                    version = (len(body), body[:1])
                    if body != version[1] * len(body) or version[0] not in sizes or tags.setdefault(
                            answer[1]['etag'], version) != version:
                        wrong.append((answer[1], len(body)))
        replace(daemon.folder + '/www/v.bin', b'')
        threads = [threading.Thread(target=write)] + [
            threading.Thread(target=read, args=(transport,)) for transport in ('h1', 'tls')]
        for thread in threads:
            thread.start()
        time.sleep(2)
        stop.set()
        for thread in threads:
            thread.join(20)
        print('# answers: %r' % counts)
        assert not wrong, wrong[:3]
        assert len(counts) == 2, counts


def in_place():
    """Files that are truncated and written in place all the time: an answer has the length that it
    promises, or ends the connection."""
    with httpd() as daemon:
        stop, counts = threading.Event(), {'whole': 0, 'cut': 0}
        path = daemon.folder + '/www/w.bin'

        def write():
            while not stop.is_set():
                for size in (200000, 10, 0, 70000, 65536, 100):
                    with open(path, 'wb') as f:
                        f.write(b'x' * size)
        thread = threading.Thread(target=write)
        daemon.write('www/w.bin', b'')
        thread.start()
        try:
            end = time.monotonic() + 2
            while time.monotonic() < end:
                with connect(daemon, 'h1') as sock:
                    reader = http.Reader(sock)
                    try:
                        for _ in range(20):
                            sock.sendall(b'GET /w.bin HTTP/1.1\r\nHost: a\r\n\r\n')
                            status, _, body = reader.response()
                            assert status == 200 and set(body) <= {120, 0}, status
                            counts['whole'] += 1
                    except AssertionError as error:
                        assert 'cut off' in str(error), error
                        counts['cut'] += 1
        finally:
            stop.set()
            thread.join(20)
        print('# answers: %r' % counts)
        assert counts['whole'] > 20, counts


if __name__ == '__main__':
    run(('while it is sent: HTTP/1.1', while_it_is_sent(get_h1, 'h1')),
        ('while it is sent: HTTP/1.1 in TLS', while_it_is_sent(get_h1, 'tls')),
        ('while it is sent: HTTP/2', while_it_is_sent(get_h2, 'h1')),
        ('while it is sent: HTTP/2 in TLS', while_it_is_sent(get_h2, 'tls')),
        ('each answer is one version', versions),
        ('written in place', in_place))
