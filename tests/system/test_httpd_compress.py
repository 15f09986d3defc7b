"""What handlers answer, compressed on the fly: with curl, a client that leaves, many at once, and
events that must arrive while they happen."""
import os
import socket
import subprocess
import sys
import threading
import time
import zlib

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from keel import Daemon, directory, module, need_program, run, until

CONF = '''
listen = { "127.0.0.1:0" }
module "script" { file = "%s" }
site "localhost" {
  root     = "www"
  compress = { "br", "zstd", "gzip" } %s
  location "/s/"     { handler = "script" }
  location "/fixed/" { respond = "200 %s" }
}
'''
ALPHABET = b'abcdefghijklmnopqrstuvwxyz'
FIXED = 'some words that are said again and again ' * 40
LARGE = ''.join('%d * %d = %d;\n' % (i, i, i * i) for i in range(20000))


def httpd(more=''):
    folder = directory()
    script = module(folder, 'tests/support/script_module')
    return Daemon('httpd', conf=CONF % (script, more, FIXED),
                  listen=None, folder=folder, workers=1, files={
                      'www/s/n': 'hello\n', 'www/large.js': LARGE, 'www/huge.js': 'x' * 1200000})


def curl(daemon, path, *args, http2=False):
    """(head, body) of one request."""
    out = subprocess.run([need_program('curl'), '-sS', '-m', '20', '-i',
                          '--http2-prior-knowledge' if http2 else '--http1.1', *args,
                          'http://127.0.0.1:%d%s' % (daemon.address('tcp')[1], path)],
                         capture_output=True, check=True).stdout
    head, _, body = out.partition(b'\r\n\r\n')
    return head.decode().lower(), body


def codings():
    """Each decoded by curl is what was written, whole and piece by piece."""
    with httpd() as daemon:
        for http2 in (False, True):
            for path in ('/s/g', '/fixed/'):
                head, plain = curl(daemon, path, http2=http2)
                assert 'vary: accept-encoding' in head and 'content-encoding' not in head, head
                for name in ('br', 'zstd', 'gzip'):
                    if path == '/s/g' or name != 'zstd':
                        head, body = curl(daemon, path, '--compressed', '-H',
                                          'Accept-Encoding: ' + name, http2=http2)
                        assert 'content-encoding: ' + name in head, head
                        assert 'content-length' not in head, head
                        assert body == plain, (path, name, len(body), len(plain))
            head, body = curl(daemon, '/s/g', '-H', 'Accept-Encoding: gzip', '--http1.0')
            assert 'content-encoding: gzip' in head and 'chunked' not in head, head
            assert curl(daemon, '/s/n', '--compressed')[1] == b'hello\n'


def large_files():
    """Too large for memory: compressed as they are sent, with a tag of their own; not in ranges, not
    for HTTP/1.0, not beyond compress-max."""
    with httpd() as daemon:
        for http2 in (False, True):
            plain_tag = tag_of(curl(daemon, '/large.js', http2=http2)[0])
            for name in ('br', 'zstd', 'gzip'):
                accept = ('--compressed', '-H', 'Accept-Encoding: ' + name)
                head, body = curl(daemon, '/large.js', *accept, http2=http2)
                assert body == LARGE.encode() and 'content-encoding: ' + name in head, head
                assert 'content-length' not in head and 'accept-ranges' not in head, head
                tag = tag_of(head)
                assert tag != plain_tag, tag
                head, body = curl(daemon, '/large.js', *accept, '-I', http2=http2)
                assert tag_of(head) == tag and 'content-encoding' in head and not body, head
                for match, status in ((tag, '304'), (plain_tag, '200')):
                    head = curl(daemon, '/large.js', *accept, '-H', 'If-None-Match: ' + match,
                                http2=http2)[0]
                    assert status in head.split('\r\n')[0] and tag_of(head) == tag, head
                head = curl(daemon, '/large.js', *accept, '-H', 'If-Match: ' + plain_tag,
                            http2=http2)[0]
                assert '412' in head.split('\r\n')[0], head
            head, body = curl(daemon, '/large.js', '-H', 'Accept-Encoding: gzip', '-r', '5-9',
                              http2=http2)
            assert body == LARGE[5:10].encode() and tag_of(head) == plain_tag, head
            head = curl(daemon, '/huge.js', '-H', 'Accept-Encoding: gzip', '-I', http2=http2)[0]
            assert 'content-encoding' not in head and 'content-length: 1200000' in head, head
        head, body = curl(daemon, '/large.js', '-H', 'Accept-Encoding: gzip', '--http1.0')
        assert 'content-encoding' not in head and body == LARGE.encode(), head
        for _ in range(5):  # clients that leave in the middle
            subprocess.run([need_program('curl'), '-s', '-m', '0.05', '--limit-rate', '2k',
                            '--compressed', '-o', '/dev/null', 'http://127.0.0.1:%d/large.js'
                            % daemon.address('tcp')[1]], check=False)
        assert curl(daemon, '/large.js', '--compressed')[1] == LARGE.encode()


TEXT = '200+Content-Type:+text/plain'
HEADS = (  # what the handler says, fields of the request, status, coded, lines, what is not there
    (TEXT, (), 200, True, ('vary: accept-encoding',), 'content-length'),
    ('206+Content-Type:+text/plain;Content-Range:+bytes+0-25/99', (), 206, False,
     ('vary: accept-encoding', 'content-range: bytes 0-25/99'), None),
    ('204+X-A:+b', (), 204, False, ('x-a: b',), 'content-'),
    ("304+ETag:+'a'", (), 304, False, ('etag: "a"', 'vary: accept-encoding'), None),
    (TEXT + ';Cache-Control:+no-transform', (), 200, False, ('content-length: 26',), 'vary'),
    (TEXT + ';Content-Encoding:+identity', (), 200, False, ('content-length: 26',), 'vary'),
    (TEXT + ";ETag:+'a'", (), 200, True, (), 'etag: "a"'),
    (TEXT + ";ETag:+W/'a'", (), 200, True, ('etag: w/"a"',), None),
    (TEXT + ";ETag:+'a'", ('If-None-Match: "a-%s"',), 304, False, ('vary: accept-encoding',),
     'content-'),
    (TEXT + ";ETag:+'a'", ('If-None-Match: "a"',), 200, True, (), 'etag: "a"'),
    (TEXT + ';Vary:+*', (), 200, True, ('vary: *',), 'vary: accept-encoding'),
)


def heads():
    """Parts, tags, and what is not to be touched; a HEAD is told what a GET is."""
    with httpd('compress-min = 0') as daemon:
        for http2 in (False, True):
            for number, (answer, fields, status, coded, lines, lacks) in enumerate(HEADS):
                for what in 'hw':
                    name = ('br', 'zstd', 'gzip')[number % 3]
                    path = '/s/%s?%s' % (what, answer)
                    args = ['--compressed', '-H', 'Accept-Encoding: ' + name]
                    for field in fields:
                        args += ['-H', field.replace('%s', name)]
                    head, body = curl(daemon, path, *args, http2=http2)
                    case = (http2, path, head)
                    assert head.split(' ')[1] == str(status), case
                    assert ('content-encoding: ' + name in head) == coded, case
                    assert all(line in head.split('\r\n') for line in lines), case
                    assert not lacks or lacks not in head, case
                    assert body == (b'' if status in (204, 304) else ALPHABET), (case, body)
                    again, body = curl(daemon, path, '-I', *args, http2=http2)
                    assert not body and fields_of(again) == fields_of(head), (case, again)


def fields_of(head):
    return sorted(line for line in head.split('\r\n')
                  if not line.startswith(('date:', 'transfer-encoding:')))


def tag_of(head):
    return [line[6:] for line in head.split('\r\n') if line.startswith('etag: ')][0]


def events():
    """An event arrives before the next one is written: that is, when this one came."""
    with httpd() as daemon:
        with socket.create_connection(daemon.address('tcp'), timeout=20) as peer:
            peer.sendall(b'POST /s/y HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n'
                         b'Transfer-Encoding: chunked\r\n\r\n')
            lines = peer.makefile('rb')
            while lines.readline() != b'\r\n':
                pass
            decoder = zlib.decompressobj(31)
            for event in (b'one', b'another', b'the last'):
                peer.sendall(b'%x\r\n%s\r\n' % (len(event), event))
                got = b''
                while len(got) < len(event):
                    got += decoder.decompress(lines.read(int(lines.readline(), 16)))
                    assert lines.readline() == b'\r\n'
                assert got == event, got
            peer.sendall(b'0\r\n\r\n')
            decoder.decompress(lines.read(int(lines.readline(), 16)))
            assert decoder.eof and lines.read(7) == b'\r\n0\r\n\r\n'
        for http2 in (False, True):
            head, body = curl(daemon, '/s/v', '--compressed', '-H', 'Accept-Encoding: gzip',
                              http2=http2)
            # curl shows the trailers behind it
            assert 'content-encoding: gzip' in head and body[:15] == b'piece' * 3, (head, body)


def many():
    """Twenty large answers at once, clients that leave in the middle, and one who asks for a file."""
    with httpd() as daemon:
        port = daemon.address('tcp')[1]
        bodies = []

        def load():
            for _ in range(3):
                bodies.append(curl(daemon, '/s/g', '--compressed', '-H', 'Accept-Encoding: br')[1])
        for _ in range(5):
            left = subprocess.Popen([need_program('curl'), '-sS', '--limit-rate', '1k', '-H',
                                     'Accept-Encoding: gzip', '-o', '/dev/null',
                                     'http://127.0.0.1:%d/s/g' % port], stderr=subprocess.DEVNULL)
            time.sleep(0.05)
            left.kill()
            left.wait()
        threads = [threading.Thread(target=load) for _ in range(10)]
        for thread in threads:
            thread.start()
        waits = []
        while any(thread.is_alive() for thread in threads):
            began = time.monotonic()
            assert curl(daemon, '/s/n')[1] == b'hello\n'
            waits.append(time.monotonic() - began)
        assert len(bodies) == 30 and len(set(bodies)) == 1 and len(bodies[0]) == 1049000
        print('# %d answers of 1 MiB; a file meanwhile: median %.1f ms, longest %.1f ms' % (
            len(bodies), sorted(waits)[len(waits) // 2] * 1e3, max(waits) * 1e3))
        until(lambda: curl(daemon, '/s/n')[1] == b'hello\n', 'it serves on')


run(('each coding', codings), ('heads', heads), ('large files', large_files),
    ('events arrive as they happen', events), ('many at once', many))
