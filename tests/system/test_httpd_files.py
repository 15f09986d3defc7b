"""httpd's handling of files beside plain serving: access log."""
import gzip
import json
import os
import shutil
import signal
import socket
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from core import worker_pids
from keel import Daemon, check_conf, need_program, output, run, until

FILES = {
    'www/index.html': '<h1>here</h1>\n',
    'www/1k.txt': 'x' * 1024,
}
SITE = '''
listen = { "127.0.0.1:0" }
site "localhost" {
  default = true
  root    = "www"
}
'''


def httpd(conf=SITE, files=None, **options):
    return Daemon('httpd', conf=conf, listen=None, files=dict(FILES, **(files or {})), **options)


def curl(daemon, path, *args, check=True):
    """(status, head fields in lower case, body) of one request."""
    process = subprocess.run([need_program('curl'), '-sS', '-i', '--path-as-is', '--http1.1', '-m',
                              '20'] + list(args)
                             + ['http://127.0.0.1:%d%s' % (daemon.address('tcp')[1], path)],
                             capture_output=True, check=False)
    assert not check or process.returncode == 0, process.stderr
    head, _, body = process.stdout.partition(b'\r\n\r\n')
    lines = head.decode().split('\r\n')
    fields = {k.lower(): v for k, v in (line.split(': ', 1) for line in lines[1:])}
    return int(lines[0].split()[1]), fields, body


def lines_of(daemon, name):
    try:
        with open(os.path.join(daemon.folder, name), encoding='utf-8') as f:
            return f.read().splitlines()
    except FileNotFoundError:
        return []


def access_log():
    with httpd(SITE + 'access-log { file = "access.log" }') as daemon:
        curl(daemon, '/1k.txt', '-A', 'one "two"', '-e', 'http://from/')
        curl(daemon, '/none')
        until(lambda: len(lines_of(daemon, 'access.log')) == 2, 'two lines')
        first, second = lines_of(daemon, 'access.log')
        assert first.startswith('127.0.0.1 - - [') and first.endswith(
            '] "GET /1k.txt HTTP/1.1" 200 1024 "http://from/" "one \\"two\\""'), first
        assert '"GET /none HTTP/1.1" 404 14 "-" "curl/' in second, second
        # rotation: the worker has no right to the folder, the master hands the new file over
        os.rename(daemon.folder + '/access.log', daemon.folder + '/access.log.1')
        os.kill(daemon.pid, signal.SIGUSR1)
        until(lambda: os.path.exists(daemon.folder + '/access.log'), 'the new file')
        until(lambda: curl(daemon, '/1k.txt') and lines_of(daemon, 'access.log'), 'a line in it')
        curl(daemon, '/last')
    # a stop writes what waits
    assert '/last' in lines_of(daemon, 'access.log')[-1]


def access_log_json():
    conf = SITE + 'access-log { file = "access.log"\n format = "json" }'
    with httpd(conf) as daemon:
        curl(daemon, '/1k.txt?q=1', '-A', '\u00e9\t"')
        until(lambda: lines_of(daemon, 'access.log'), 'a line')
        row = json.loads(lines_of(daemon, 'access.log')[0])
        assert row['status'] == 200 and row['bytes'] == 1024 and row['target'] == '/1k.txt?q=1'
        assert row['user-agent'] == '\u00e9\t"', row
        assert row['address'] == '127.0.0.1' and row['site'] == 'localhost'


def lines_of_two_workers():
    """Under load no line is torn, and none is lost."""
    conf = SITE + 'access-log { file = "access.log"\n format = "<%{status} %{target}>" }'
    with httpd(conf, workers=2) as daemon:
        out = output([need_program('wrk'), '-t1', '-c20', '-d2s',
                      'http://127.0.0.1:%d/1k.txt' % daemon.address('tcp')[1]], patience=30)
        requests = int(out.split(' requests in')[0].split()[-1])
        lost = daemon.metric('httpd_access_log_lost_total')
    lines = lines_of(daemon, 'access.log')
    assert set(lines) == {'<200 /1k.txt>'}, set(lines)
    assert requests <= len(lines) + lost <= requests + 40, (requests, len(lines), lost)
    print('# %d lines, %d lost' % (len(lines), lost))


def full_disk():
    with httpd(SITE + 'access-log { file = "/dev/full" }') as daemon:
        for _ in range(3):
            assert curl(daemon, '/1k.txt')[0] == 200
        until(lambda: daemon.metric('httpd_access_log_lost_total') == 3, 'three lost lines')
        assert daemon.metric('httpd_access_log_lines_total') == 0


def compression():
    """On the fly for curl's codings, and what stands beside a file."""
    text = ''.join('line %d\n' % i for i in range(2000))
    conf = SITE.replace('root ', 'compress = { "br", "zstd", "gzip" }\n  root ')
    with httpd(conf, {'www/a.txt': text, 'www/b.js': 'plain'}) as daemon:
        with open(daemon.folder + '/www/b.js.gz', 'wb') as f:
            f.write(gzip.compress(b'beside'))
        assert curl(daemon, '/a.txt')[2] == text.encode()

        def coded(path, coding):
            status, fields, body = curl(daemon, path, '-H', 'Accept-Encoding: ' + coding)
            assert status == 200 and fields['vary'] == 'Accept-Encoding', fields
            return fields.get('content-encoding') == coding and (fields, body)
        for coding, tool in (('gzip', ['gzip', '-dc']), ('zstd', ['zstd', '-dc']),
                             ('br', ['brotli', '-dc'])):
            fields, body = until(lambda: coded('/a.txt', coding), coding)
            assert int(fields['content-length']) == len(body) < len(text) / 2
            if shutil.which(tool[0]):
                assert subprocess.run(tool, input=body, stdout=subprocess.PIPE,
                                      check=True).stdout == text.encode(), coding
        assert gzip.decompress(coded('/b.js', 'gzip')[1]) == b'beside'
        out = subprocess.run([need_program('curl'), '-sS', '-m', '20', '--http2-prior-knowledge',
                              '-H', 'Accept-Encoding: gzip', 'http://127.0.0.1:%d/a.txt'
                              % daemon.address('tcp')[1]], stdout=subprocess.PIPE, check=True)
        assert gzip.decompress(out.stdout) == text.encode()


def a_single_page():
    """try-files, error pages, headers, JSON listings and several ranges, through the sandbox."""
    conf = SITE.replace('root ', '''error-pages = { "404 /errors/404.html" }
  location "/" {
    try-files     = { "$path", "$path.html", "/errors/none" }
    headers       = { "X-Frame-Options: DENY" }
    cache-control = "max-age=60"
  }
  location "/list/" { autoindex = true }
  location "/app/" { try-files = { "$path", "/index.html" } }
  root ''')
    with httpd(conf, {'www/errors/404.html': '<h1>gone</h1>', 'www/page.html': 'page',
                      'www/list/a': 'abc', 'www/app/x.js': 'x'}) as daemon:
        status, fields, body = curl(daemon, '/page')
        assert (status, body, fields['cache-control']) == (200, b'page', 'max-age=60')
        status, fields, body = curl(daemon, '/none')
        assert (status, body, fields['x-frame-options']) == (404, b'<h1>gone</h1>', 'DENY')
        assert 'cache-control' not in fields and fields['content-type'].startswith('text/html')
        assert curl(daemon, '/app/x.js')[2] == b'x'
        assert curl(daemon, '/app/deep/link')[2] == b'<h1>here</h1>\n'
        status, fields, body = curl(daemon, '/list/', '-H', 'Accept: application/json')
        rows = json.loads(body)
        assert [(r['name'], r['type'], r['size']) for r in rows] == [('a', 'file', 3)], rows
        status, fields, body = curl(daemon, '/1k.txt', '-r', '0-1,1022-')
        assert status == 206 and body.count(b'\r\n\r\nxx\r\n--') == 2, body


def types():
    """A site's own types, those of a file, and what depends on them; bad ones with file and line."""
    conf = SITE.replace('root ', '''types = { "abc text/x-own", "tar application/x-own" }
  location "/" {
    cache-control = "max-age=60"
    cache-rules   = { "*.abc no-cache", "text/x-file max-age=5" }
  }
  root ''') + 'types-file = "types"'
    files = {'types': '# own\ntext/x-file def ghi\napplication/x-file tar\n', 'www/a.abc': 'x',
             'www/a.GHI': 'x', 'www/a.tar': 'x', 'www/a.css': 'x', 'www/x/index.html': 'x'}
    with httpd(conf, files) as daemon:
        for path, type_, control in (('/a.abc', 'text/x-own; charset=utf-8', 'no-cache'),
                                     ('/a.GHI', 'text/x-file; charset=utf-8', 'max-age=5'),
                                     ('/a.tar', 'application/x-own', 'max-age=60'),
                                     ('/a.css', 'text/css; charset=utf-8', 'max-age=60'),
                                     ('/x/', 'text/html; charset=utf-8', 'max-age=60')):
            fields = curl(daemon, path)[1]
            assert (fields['content-type'], fields['cache-control']) == (type_, control), fields
    for row, error in (('types = { "abc" }', 'types: "EXTENSION TYPE" expected'),
                       ('types = { "a b/c", "A d/e" }', 'types: an extension stands there twice'),
                       ('location "/" { cache-rules = { "css x" } }', 'cache-rules: "*SUFFIX VALUE"')):
        conf = SITE.replace('root    = "www"', row + '\n  root = "."')
        status, err = check_conf('httpd', conf)
        assert status == 2 and error in err, (row, err)


def parts_of(fields, body):
    """{(first, last): bytes} of a multipart/byteranges body, which must be exact to the byte."""
    kind, mark = fields['content-type'].split('; boundary=')
    assert kind == 'multipart/byteranges' and int(fields['content-length']) == len(body), fields
    found, at, mark = {}, 0, b'\r\n--' + mark.encode()
    while not body.startswith(mark + b'--', at):
        assert body.startswith(mark + b'\r\n', at), body[at:at + 80]
        head, _, _ = body[at:at + 500].partition(b'\r\n\r\n')
        where = head.decode().split('Content-Range: bytes ')[1].split('/')[0].split('-')
        first, last = int(where[0]), int(where[1])
        at += len(head) + 4
        found[(first, last)] = body[at:at + last - first + 1]
        at += last - first + 1
    assert body[at:] == mark + b'--\r\n', body[at:]
    return found


def large_parts():
    """Ranges that are too large for memory, whole, broken off by the client and by the file."""
    size = 5 << 20
    data = os.urandom(size)
    with httpd(SITE.replace('root ', 'headers = { "X-A: b" }\n  root ')
               + 'access-log { file = "access.log"\n format = "%{status} %{bytes}" }') as daemon:
        path = daemon.folder + '/www/big.bin'
        with open(path, 'wb') as f:
            f.write(data)
        for ranges in ('0-69999,100000-100000', '0-0,2-%d' % (size - 1), '0-9,100-1048675,-2000000',
                       '3000000-3065535,5-65541', '-70000,0-1'):
            asked = []
            for one in ranges.split(','):
                first, last = one.split('-')
                asked.append((int(first), int(last)) if first else (size - int(last), size - 1))
            answers = [curl(daemon, '/big.bin', '-r', ranges)]
            process = subprocess.run([need_program('curl'), '-sS', '-D', '-', '-m', '20', '-r',
                                      ranges, '--http2-prior-knowledge',
                                      'http://127.0.0.1:%d/big.bin' % daemon.address('tcp')[1]],
                                     capture_output=True, check=True)
            head, _, body = process.stdout.partition(b'\r\n\r\n')
            lines = head.decode().split('\r\n')
            answers.append((int(lines[0].split()[1]),
                            dict(line.split(': ', 1) for line in lines[1:]), body))
            for status, fields, body in answers:
                assert status == 206 and 'etag' in fields and fields['x-a'] == 'b', fields
                found = parts_of(fields, body)
                assert list(found) == asked, (ranges, list(found))
                for (first, last), part in found.items():
                    assert part == data[first:last + 1], (ranges, first, last)
            until(lambda: lines_of(daemon, 'access.log')[-2:] == ['206 %d' % len(body)] * 2,
                  'the lines')
        status, fields, body = curl(daemon, '/big.bin', '-I', '-r', '0-1999999,3000000-')
        assert status == 200 and int(fields['content-length']) == size
        url = '/big.bin', '-r', '0-1,3-'
        assert curl(daemon, *url, '-H', 'If-Range: "x"')[2] == data
        etag = curl(daemon, '/big.bin', '-I')[1]['etag']
        assert curl(daemon, *url, '-H', 'If-Range: ' + etag)[0] == 206

        def begin():
            s = socket.socket()
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
            s.settimeout(15)
            s.connect(daemon.address('tcp'))
            s.sendall(b'GET /big.bin HTTP/1.1\r\nHost: a\r\nRange: bytes=0-1,3-\r\n\r\n')
            assert s.recv(100).startswith(b'HTTP/1.1 206 ')
            return s
        # the client leaves: nothing of it stays
        files = '/proc/%d/fd' % worker_pids(daemon)[0]
        before = len(os.listdir(files))
        held = [begin() for _ in range(5)]
        for s in held:
            s.close()
        until(lambda: len(os.listdir(files)) <= before, 'all closed')
        # the file becomes short: the connection is reset, and the answer is not whole
        s = begin()
        os.truncate(path, 1000)
        got = 0
        try:
            while True:
                piece = s.recv(65536)
                assert piece, 'an end that looks like one'
                got += len(piece)
        except ConnectionResetError:
            pass
        assert got < size
        s.close()
        assert curl(daemon, '/1k.txt')[0] == 200


def limits():
    """Address lists, request rates and connections of a client."""
    conf = SITE.replace('root ', '''location "/closed/" { deny = { "127.0.0.0/8" } }
  location "/inside/" { allow = { "10.0.0.0/8", "127.0.0.1" } }
  location "/slow/" { request-rate = "1/m"
                      request-burst = 2 }
  root ''') + 'client-connections = 5'
    files = {'www/%s/a' % name: name for name in ('closed', 'inside', 'slow')}
    with httpd(conf, files) as daemon:
        assert curl(daemon, '/closed/a')[0] == 403
        assert curl(daemon, '/inside/a')[2] == b'inside'
        assert [curl(daemon, '/slow/a')[0] for _ in range(5)] == [200, 200, 200, 429, 429]
        fields = curl(daemon, '/slow/a')[1]
        assert 0 < int(fields['retry-after']) <= 61, fields
        assert curl(daemon, '/1k.txt')[0] == 200
        assert daemon.metric('httpd_denied_total') == 1
        assert daemon.metric('httpd_limited_total', what='requests') == 3

        def refused():
            held = [socket.create_connection(daemon.address('tcp'), timeout=10) for _ in range(8)]
            closed = 0
            for s in held:
                s.settimeout(1)
                try:
                    closed += s.recv(1) == b''
                except socket.timeout:
                    pass
                except ConnectionResetError:
                    closed += 1
                s.close()
            return closed
        # curl's last one may not be gone yet
        assert until(refused, 'connections that are closed at once') in (3, 4)
        url = 'http://127.0.0.1:%d/1k.txt' % daemon.address('tcp')[1]
        until(lambda: output([need_program('curl'), '-sS', '-m', '20', url], check=False)
              == FILES['www/1k.txt'], 'room again')


if __name__ == '__main__':
    run(('an access log, and its rotation', access_log),
        ('an access log of JSON', access_log_json),
        ('lines of two workers', lines_of_two_workers),
        ('compression', compression),
        ('a single page, error pages, headers', a_single_page),
        ('media types and caching', types),
        ('parts of a large file', large_parts),
        ('address lists and limits', limits),
        ('a full disk costs lines, not answers', full_disk))
