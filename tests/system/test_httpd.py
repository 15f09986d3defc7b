"""httpd serves a folder to curl, wrk and plain sockets: over HTTP/1.1, plain and TLS."""
import os
import re
import socket
import ssl
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from keel import BUILDDIR, Daemon, directory, need_program, output, program, run, until

FILES = {
    'www/index.html': '<h1>here</h1>\n',
    'www/1k.txt': 'x' * 1024,
    'www/big.bin': bytes(range(256)) * 8192,
    'www/sub/page.html': 'sub\n',
    'www/.secret': 'no\n',
    'outside.txt': 'outside\n',
}
CONF = '''
listen = { "127.0.0.1:0", "127.0.0.1:0 tls" }
site "localhost" {
  default     = true
  certificate = "cert.pem"
  key         = "key.pem"
  root        = "www"
  location "/sub/" { autoindex = true }
  location "/old/" { redirect = "301 /new/" }
}
site "other.example" {
  names = { "www.other.example", "*.wild.example" }
  root  = "www/sub"
  location "/gone"      { redirect = "302 /" }
  location "/login"     { redirect = "302 /enter?to=" }
  location "= /exactly" { redirect = "302 /other/" }
}
'''


def certificate(folder, name='localhost'):
    output([need_program('openssl'), 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
            'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=' + name,
            '-addext', 'subjectAltName=DNS:' + name, '-keyout', folder + '/key.pem',
            '-out', folder + '/cert.pem'])


def httpd(conf=CONF, **options):
    folder = directory()
    certificate(folder)
    for link, target in (('link', 'index.html'), ('out', '../outside.txt'), ('etc', '/etc')):
        os.makedirs(folder + '/www', exist_ok=True)
        os.symlink(target, '%s/www/%s' % (folder, link))
    return Daemon('httpd', conf=conf, listen=None, folder=folder, files=FILES, **options)


def curl(daemon, path, *args, tls=False, check=True):
    """(status, head fields in lower case, body) of one request."""
    url = '%s://localhost:%d%s' % ('https' if tls else 'http', daemon.address('tcp', tls)[1], path)
    trust = ['--cacert', daemon.folder + '/cert.pem'] if tls else []
    process = subprocess.run([need_program('curl'), '-sS', '-i', '--path-as-is', '--http1.1',
                              '--connect-to', 'localhost::127.0.0.1:', '-m', '20'] + trust
                             + list(args) + [url], capture_output=True, check=False)
    assert not check or process.returncode == 0, process.stderr
    head, _, body = process.stdout.partition(b'\r\n\r\n')
    lines = head.decode().split('\r\n')
    fields = {k.lower(): v for k, v in (line.split(': ', 1) for line in lines[1:])}
    return int(lines[0].split()[1]), fields, body


def raw(daemon, data, patience=10):
    """What comes back for these bytes, until the server closes or falls silent."""
    with socket.create_connection(daemon.address('tcp'), timeout=patience) as s:
        s.sendall(data)
        received = b''
        s.settimeout(1)
        try:
            while True:
                part = s.recv(65536)
                if not part:
                    return received, True
                received += part
        except socket.timeout:
            return received, False


def a_folder():
    with httpd() as daemon:
        for tls in (False, True):
            status, fields, body = curl(daemon, '/', tls=tls)
            assert (status, body) == (200, b'<h1>here</h1>\n')
            assert fields['content-type'] == 'text/html; charset=utf-8' and fields['server'] == 'keel'
            assert abs(time.time() - time.mktime(time.strptime(
                fields['date'], '%a, %d %b %Y %H:%M:%S GMT')) + time.timezone) < 5
            assert curl(daemon, '/1k.txt', tls=tls)[2] == b'x' * 1024
            assert curl(daemon, '/big.bin', tls=tls)[2] == FILES['www/big.bin']
            status, fields, body = curl(daemon, '/1k.txt', '-I', tls=tls)
            assert (status, fields['content-length'], body) == (200, '1024', b'')
        status, fields, _ = curl(daemon, '/sub')
        assert (status, fields['location']) == (301, '/sub/')
        status, _, body = curl(daemon, '/sub/')
        assert status == 200 and b'href="./page.html"' in body
        status, fields, _ = curl(daemon, '/old/a?b=c')
        assert (status, fields['location']) == (301, '/new/a?b=c')
        assert curl(daemon, '/link')[0] == 200
        for host in ('www.OTHER.example', 'a.b.wild.example:8080', 'other.example.'):
            assert curl(daemon, '/page.html', '-H', 'Host: ' + host)[2] == b'sub\n', host
        for path, status, location in (
                ('/gone', 302, '/'), ('/gone/x?y', 302, '/x?y'), ('/gonex', 404, None),
                ('/gone//evil.example/', 302, '/evil.example/'),
                ('/login/a%20&b?c', 302, '/enter?to=/a%20%26b&c'),
                ('/exactly', 302, '/other/'), ('/exactly/', 404, None)):
            status_is, fields, _ = curl(daemon, path, '-H', 'Host: other.example')
            assert (status_is, fields.get('location')) == (status, location), path


def rewrites():
    conf = CONF.replace('location "/old/"', '''rewrite = { '^/(\\d+)k$ /$1k.txt last', "/loop /ring" }
  location "/ring" { rewrite = "/ring /loop" }
  location "/loop" { rewrite = "/loop /ring" }
  location "/go/" { rewrite = { '/go/(.*) http://localhost/$1 302' } }
  location "/private/" { deny = { "0.0.0.0/0" } }
  location "/in/" { rewrite = '/in/(.*) /private/$1' }
  location "/old/"''')
    with httpd(conf=conf) as daemon:
        assert curl(daemon, '/1k')[2] == b'x' * 1024
        assert curl(daemon, '/2k')[0] == 404
        status, fields, _ = curl(daemon, '/go/a%20b?c=d')
        assert (status, fields['location']) == (302, 'http://localhost/a%20b?c=d')
        assert curl(daemon, '/in/x')[0] == 403
        assert curl(daemon, '/ring')[0] == 500
        assert 'rewrites of a path go on without end' in daemon.log()


def headers_and_fixed_responses():
    conf = CONF.replace('location "/old/"', '''headers = { "Strict-Transport-Security: max-age=9", "-Server" }
  location "= /health" { respond = "200 fine" }
  location "/gone/" { respond = "410" headers = { "X-Why: it left", "+Vary: a" } }
  location "/files/" { headers = { "-ETag", "Vary: b" } rewrite = '/files/(.*) /sub/$1' }
  location "/old/"''').replace('location "/sub/" {', 'location "/sub/" { headers = "-ETag"')
    with httpd(conf=conf) as daemon:
        for tls in (False, True):
            status, fields, body = curl(daemon, '/health', tls=tls)
            assert (status, body, fields['content-type']) == (
                200, b'fine\n', 'text/plain; charset=utf-8')
            assert fields['strict-transport-security'] == 'max-age=9' and 'server' not in fields
        status, fields, body = curl(daemon, '/gone/x', '-X', 'POST')
        assert (status, body) == (410, b'410 Gone\n'), (status, body)
        assert (fields['x-why'], fields['vary']) == ('it left', 'a') and 'server' not in fields
        for path, has_etag in (('/1k.txt', True), ('/big.bin', True), ('/sub/page.html', False)):
            for more in ((), ('-I',), ('-r', '0-3')):
                status, fields, body = curl(daemon, path, *more)
                assert status == (206 if '-r' in more else 200), (path, more, status)
                assert ('etag' in fields) == has_etag and 'server' not in fields, (path, more)
                assert '-I' in more or len(body) == int(fields['content-length'])
        assert curl(daemon, '/nothing')[1].get('server') is None
        assert curl(daemon, '/health', '-H', 'Host: other.example')[1]['server'] == 'keel'


def only_with_tls():
    conf = 'https-port = 8443\n' + CONF.replace(
        'location "/sub/" {', 'https-only = true location "/sub/" { https-only = false')
    with httpd(conf=conf) as daemon:
        status, fields, _ = curl(daemon, '/a%20b//c?d=e&f')
        assert (status, fields['location']) == (301, 'https://localhost:8443/a%20b//c?d=e&f')
        status, fields, _ = curl(daemon, '/1k.txt', '-d', 'x')
        assert (status, fields['location']) == (308, 'https://localhost:8443/1k.txt')
        assert curl(daemon, '/1k.txt', tls=True)[0] == 200
        assert curl(daemon, '/sub/page.html')[0] == 200
        assert curl(daemon, '/page.html', '-H', 'Host: other.example')[0] == 200
        received, _ = raw(daemon, b'GET / HTTP/1.0\r\n\r\n')
        assert received.startswith(b'HTTP/1.1 400 '), received


def what_is_so_by_default():
    """What the manual says of a configuration that says nothing."""
    conf = 'listen = "127.0.0.1:0"\nsite "localhost" { root = "www" }\n'
    with httpd(conf=conf) as daemon:
        status, fields, _ = curl(daemon, '/1k.txt')
        assert status == 200 and fields['server'] == 'keel'
        assert not {'x-powered-by', 'strict-transport-security', 'access-control-allow-origin'} \
            & set(fields)
        assert curl(daemon, '/sub/')[0] == 403
        assert curl(daemon, '/.secret')[0] == 404
        for method, wanted in (('TRACE', 405), ('PUT', 405), ('DELETE', 405), ('PATCH', 405),
                               ('POST', 405), ('OPTIONS', 200), ('BREW', 501)):
            status, fields, body = curl(daemon, '/1k.txt', '-X', method, '-H', 'X-Secret: echo')
            assert status == wanted and b'echo' not in body, (method, status)
        assert curl(daemon, '/1k.txt', '-H', 'Host: unknown.example')[0] == 200


def streams_are_requests():
    """A rate counts what comes over HTTP/2 as what comes over HTTP/1, on one connection or many."""
    conf = CONF.replace('location "/sub/" {',
                        'location "/sub/" { request-rate = "1/m" request-burst = 3')
    with httpd(conf=conf) as daemon:
        url = 'https://127.0.0.1:%d/sub/page.html' % daemon.address('tcp', tls=True)[1]
        out = output([need_program('curl'), '-sS', '-k', '--http2', '-m', '20', '-o', '/dev/null', '-w', '%{http_version} %{http_code} %{num_connects}\n']
                     + [url, '-o', '/dev/null'] * 5 + [url])
        lines = [line.split() for line in out.split('\n') if line]
        assert [line[1] for line in lines] == ['200'] * 4 + ['429'] * 2, out
        assert sum(int(line[2]) for line in lines) == 1 and lines[0][0] == '2', out
        status, fields, _ = curl(daemon, '/sub/page.html')
        assert status == 429 and 0 < int(fields['retry-after']) <= 60
        assert curl(daemon, '/1k.txt')[0] == 200


def nothing_outside():
    with httpd() as daemon:
        for path in ('/out', '/etc/passwd', '/.secret', '/sub/../.secret', '/none', '/%2esecret'):
            assert curl(daemon, path)[0] == 404, path
        for path in ('/../outside.txt', '/sub/../../outside.txt', '/%2e%2e/outside.txt',
                     '/..%2foutside.txt', '/sub/%2e%2e/%2e%2e/outside.txt', '/a%00', '/%zz'):
            assert curl(daemon, path)[0] == 400, path
        for path in ('//etc/passwd', '/./outside.txt', '/..;/outside.txt', '/....//outside.txt',
                     '/%252e%252e/outside.txt', '/..\\outside.txt', '/%c0%ae%c0%ae/outside.txt'):
            assert curl(daemon, path)[0] == 404, path


def conditions_and_ranges():
    with httpd() as daemon:
        _, fields, _ = curl(daemon, '/1k.txt')
        etag, modified = fields['etag'], fields['last-modified']
        for header in ('If-None-Match: ' + etag, 'If-None-Match: "x", W/' + etag,
                       'If-Modified-Since: ' + modified):
            status, fields, body = curl(daemon, '/1k.txt', '-H', header)
            assert (status, fields['etag'], body) == (304, etag, b''), header
        assert curl(daemon, '/1k.txt', '-H', 'If-None-Match: "x"')[0] == 200
        assert curl(daemon, '/1k.txt', '-H', 'If-Match: "x"')[0] == 412
        whole = FILES['www/big.bin']
        for tls in (False, True):
            status, fields, body = curl(daemon, '/big.bin', '-r', '1000-99999', tls=tls)
            assert status == 206 and body == whole[1000:100000]
            assert fields['content-range'] == 'bytes 1000-99999/%d' % len(whole)
        assert curl(daemon, '/big.bin', '-r', '-7')[2] == whole[-7:]
        assert curl(daemon, '/1k.txt', '-r', '2000-')[0] == 416
        status, fields, _ = curl(daemon, '/1k.txt', '-d', 'a=b')
        assert status == 405 and fields['allow'] == 'GET, HEAD, OPTIONS'
        # a body is dropped, and the connection serves on
        out = output([need_program('curl'), '-sS', '-d', 'x' * 9999, '-w', '%{num_connects} ',
                      'http://127.0.0.1:%d/1k.txt' % daemon.address('tcp')[1], '--next', '-sS',
                      '-o', '/dev/null', '-w', '%{num_connects} %{http_code}',
                      'http://127.0.0.1:%d/1k.txt' % daemon.address('tcp')[1]])
        assert out.endswith('0 200'), out


def a_file_that_changes():
    with httpd() as daemon:
        assert curl(daemon, '/late.txt')[0] == 404
        daemon.write('www/late.txt', 'now')
        until(lambda: curl(daemon, '/late.txt')[2] == b'now', 'the new file')
        daemon.write('www/late.txt', 'then')
        until(lambda: curl(daemon, '/late.txt')[2] == b'then', 'its change')
        os.unlink(daemon.folder + '/www/late.txt')
        until(lambda: curl(daemon, '/late.txt')[0] == 404, 'its end')
        daemon.ctl('cache-flush')
        rows = daemon.ctl('cache')
        assert rows and rows[0]['result']['entries'] == 0, rows


def bad_requests():
    with httpd() as daemon:
        for text, status in (
                (b'GET / HTTP/1.1\r\n\r\n', b'400'),
                (b'GET / HTTP/1.1\nHost: a\n\n', b'400'),
                (b'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n', b'400'),
                (b'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked'
                 b'\r\n\r\n0\r\n\r\n', b'400'),
                (b'GET / HTTP/3.7\r\nHost: a\r\n\r\n', b'505'),
                (b'GET /' + b'a' * 20000 + b' HTTP/1.1\r\nHost: a\r\n\r\n', b'414'),
                (b'GET / HTTP/1.1\r\nHost: a\r\nX: ' + b'a' * 20000 + b'\r\n\r\n', b'431'),
                (b'GET / HTTP/1.1\r\nHost: a\r\n' + b'X: a\r\n' * 200 + b'\r\n', b'431'),
                (b'\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', b'400')):
            received, closed = raw(daemon, text)
            assert received.startswith(b'HTTP/1.1 ' + status) and closed, (text[:40], received)
        received, closed = raw(daemon, b'GET /1k.txt HTTP/1.1\r\nHost: a\r\n\r\n' * 50)
        assert received.count(b'HTTP/1.1 200 OK\r\n') == 50 and not closed


def many_requests():
    """wrk, on kept connections, plain and TLS: no error, and the workers counted each."""
    wrk = need_program('wrk')
    with httpd(workers=2) as daemon:
        total = 0
        for scheme, tls in (('http', False), ('https', True)):
            out = output([wrk, '-t1', '-c20', '-d2s', '%s://127.0.0.1:%d/1k.txt'
                          % (scheme, daemon.address('tcp', tls)[1])], patience=30)
            assert 'Non-2xx' not in out and 'Socket errors' not in out, out
            total += int(re.search(r'(\d+) requests in', out).group(1))
        counted = daemon.metric('httpd_responses_total', **{'class': '2xx'})
        assert total <= counted <= total + 40, (total, counted)


def a_reload_changes_certificate_and_root():
    with httpd() as daemon:
        port = daemon.address('tcp', tls=True)[1]

        def subject():
            context = ssl.create_default_context(cafile=daemon.folder + '/cert.pem')
            context.check_hostname = False
            with socket.create_connection(('127.0.0.1', port), timeout=10) as s:
                with context.wrap_socket(s, server_hostname='localhost') as t:
                    return dict(x[0] for x in t.getpeercert()['subject'])['commonName']
        assert subject() == 'localhost'
        certificate(daemon.folder, 'new.example')
        daemon.write('httpd.conf', CONF.replace('"www"', '"www/sub"'))
        with socket.create_connection(daemon.address('tcp'), timeout=10) as kept:
            kept.sendall(b'GET /1k.txt HTTP/1.1\r\nHost: a\r\n\r\n')
            assert kept.recv(65536).startswith(b'HTTP/1.1 200')
            daemon.ctl('reload')
            until(lambda: curl(daemon, '/page.html')[0] == 200, 'the new root')
            assert subject() == 'new.example'
            # a kept connection of the old generation: one last answer
            kept.sendall(b'GET /1k.txt HTTP/1.1\r\nHost: a\r\n\r\n')
            answer = kept.recv(65536)
            assert answer.startswith(b'HTTP/1.1 200') and b'Connection: close' in answer


def one_liner():
    folder = directory()
    with open(folder + '/a "b".txt', 'w', encoding='utf-8') as f:
        f.write('quoted\n')
    with Daemon('httpd', ['--root', folder]) as daemon:
        assert b'href="./a%20%22b%22.txt"' in curl(daemon, '/')[2]
        assert curl(daemon, '/a%20%22b%22.txt')[2] == b'quoted\n'


def idle_memory():
    """Private memory of a kept connection that is idle, kernel not counted."""
    with httpd() as daemon:
        worker = daemon.children()[0]

        def private():
            with open('/proc/%d/smaps_rollup' % worker, encoding='utf-8') as f:
                return sum(int(line.split()[1]) for line in f if line.startswith('Private_')) << 10
        held = []

        def open_more(count):
            for _ in range(count):
                s = socket.create_connection(daemon.address('tcp'), timeout=10)
                s.sendall(b'GET /1k.txt HTTP/1.1\r\nHost: a\r\n\r\n')
                assert s.recv(4096)
                held.append(s)
        open_more(100)
        before = private()
        open_more(700)
        each = (private() - before) / 700
        print('# %d bytes for an idle connection' % each)
        assert each < 1024, each
        for s in held:
            s.close()


def the_manual_is_whole():
    with open(os.path.join(BUILDDIR, 'doc', 'httpd.8'), encoding='utf-8') as f:
        text = f.read()
    assert '.It Cm keepalive\\-timeout' in text and 'so_options' not in text
    assert output([program('httpd'), '--print-man']).strip() in text


def one_answer_each():
    """A request has one answer, also when its body turns out bad; and each head a time of its own,
    also for a client whose every read ends inside the next one."""
    with httpd(conf='header-timeout = 2s\n' + CONF) as daemon:
        said, _ = raw(daemon, b'POST /1k.txt HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n'
                      b'zz\r\n')
        assert said.count(b'HTTP/1.1 ') == 1, said
        head = b'GET /1k.txt HTTP/1.1\r\nHost: a\r\n\r\n'
        with socket.create_connection(daemon.address('tcp'), timeout=10) as s:
            s.sendall(head[:9])
            said = b''
            for _ in range(12):
                time.sleep(0.4)
                s.sendall(head[9:] + head[:9])
                said += s.recv(65536)
            assert b' 408 ' not in said and said.count(b'HTTP/1.1 200') >= 11, said[-300:]


if __name__ == '__main__':
    run(('a folder, plain and TLS, to curl', a_folder),
        ('rewrites', rewrites),
        ('only with TLS', only_with_tls),
        ('what is so by default', what_is_so_by_default),
        ('streams are requests', streams_are_requests),
        ('header rules and fixed responses', headers_and_fixed_responses),
        ('nothing outside the root', nothing_outside),
        ('conditions, ranges and bodies', conditions_and_ranges),
        ('a file that changes', a_file_that_changes),
        ('bad requests', bad_requests),
        ('one answer for each request', one_answer_each),
        ('many requests from wrk, plain and TLS', many_requests),
        ('a reload changes certificate and root', a_reload_changes_certificate_and_root),
        ('the one-liner', one_liner),
        ('memory of an idle connection', idle_memory),
        ('the manual has the options', the_manual_is_whole))
