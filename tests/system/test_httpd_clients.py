"""httpd and the clients that people have: curl, nghttp, ab, wrk, openssl and a browser.

    test_httpd_clients.py [--screenshot FILE]    also keeps what the browser shows, as PNG"""
import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import zlib

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from keel import Daemon, directory, need_program, output, run  # noqa: E402
from test_httpd import certificate  # noqa: E402

options = argparse.Namespace(screenshot=None)
BIG = b''.join(hashlib.sha256(b'%d' % i).digest() for i in range(100000))
STYLE = 'p { color: #123456; margin: 1em }\n' * 300
CONF = '''
listen = { "127.0.0.1:0", "127.0.0.1:0 tls" }
site "localhost" {
  default     = true
  certificate = "cert.pem"
  key         = "key.pem"
  root        = "www"
  compress    = { "br", "zstd", "gzip" }
}
'''


def httpd(files=None):
    folder = directory()
    certificate(folder)
    return Daemon('httpd', conf=CONF, listen=None, folder=folder, workers=2, files={
        'www/index.html': '<h1>here</h1>\n', 'www/1k.txt': 'x' * 1024, 'www/big.bin': BIG,
        'www/style.css': STYLE, **(files or {})})


def url(daemon, path, tls=False):
    return '%s://127.0.0.1:%d%s' % ('https' if tls else 'http', daemon.address('tcp', tls)[1], path)


def curl(daemon, path, *args, tls=False, check=True):
    """(what curl wrote out, body)."""
    process = subprocess.run(
        [need_program('curl'), '-sS', '-k', '-m', '30', '-o', '-', '-w', '%{stderr}%{http_version} '
         '%{http_code} %{size_download} %{num_connects}\n', *args, url(daemon, path, tls)],
        capture_output=True, check=False)
    assert not check or process.returncode == 0, (args, process.stderr)
    return process.stderr.decode().split(), process.stdout


VERSIONS = (('--http1.0', False, '1'), ('--http1.0', True, '1'), ('--http1.1', False, '1.1'),
            ('--http1.1', True, '1.1'), ('--http2', False, '1.1'),
            ('--http2-prior-knowledge', False, '2'), ('--http2', True, '2'))


def curl_in_every_version():
    with httpd() as daemon:
        part = os.path.join(daemon.folder, 'part')
        for version, tls, spoken in VERSIONS:
            def ask(path, *args, check=True):
                return curl(daemon, path, version, *args, tls=tls, check=check)
            place = (version, tls)
            # curl says 1.1 of what it asked for in 1.0: that is the version of the answer
            words, body = ask('/big.bin')
            assert words[1:3] == ['200', str(len(BIG))] and body == BIG, (place, words)
            assert words[0] in (spoken, '1.1'), (place, words)
            words, body = ask('/big.bin', '-r', '1000000-1999999')
            assert words[1] == '206' and body == BIG[1000000:2000000], (place, words)
            words, body = ask('/big.bin', '-r', '-5')
            assert words[1] == '206' and body == BIG[-5:], (place, words)
            words, body = ask('/big.bin', '-r', '0-9,100-109')
            assert words[1] == '206' and BIG[100:110] in body and BIG[:10] in body, (place, words)
            words, body = ask('/1k.txt', '-I')
            assert words[1] == '200' and b'ontent-' in body, (place, words, body)
            # a download that goes on where it stopped
            with open(part, 'wb') as f:
                f.write(BIG[:1234567])
            subprocess.run([need_program('curl'), '-sS', '-k', version, '-C', '-', '-o', part,
                            url(daemon, '/big.bin', tls)], check=True, timeout=60)
            with open(part, 'rb') as f:
                assert f.read() == BIG, place
            # what did not change
            tag = os.path.join(daemon.folder, 'tag')
            assert ask('/1k.txt', '--etag-save', tag)[0][1] == '200'
            assert ask('/1k.txt', '--etag-compare', tag)[0][1] == '304', place
            assert ask('/1k.txt', '-z', os.path.join(daemon.folder, 'www/1k.txt'))[0][1] == '304'
            assert ask('/1k.txt', '-z', '2001-01-01')[0][1] == '200'
            # uploads that are not wanted, with and without Expect
            for size in (10, 60000, len(BIG)):
                with open(part, 'wb') as f:
                    f.write(BIG[:size])
                words, _ = ask('/new.bin', '-T', part, check=False)
                assert words[-3] == '405', (place, size, words)
            assert not os.path.exists(daemon.folder + '/www/new.bin')
            assert ask('/1k.txt', '-d', 'a=b')[0][1] == '405'
            words, body = ask('/1k.txt', '-X', 'OPTIONS')
            assert words[1] == '200', (place, words)


def compressed():
    with httpd() as daemon:
        for version, tls, _ in VERSIONS:
            for _ in range(50):  # the first ones get it as it is, while it is made
                words, body = curl(daemon, '/style.css', version, '--compressed', tls=tls)
                assert words[1] == '200' and body == STYLE.encode(), (version, words)
            assert int(words[2]) < 1000, words
            for coding in ('br', 'zstd', 'gzip'):
                for _ in range(200):
                    words, body = curl(daemon, '/style.css', version, '-H',
                                       'Accept-Encoding: ' + coding, tls=tls)
                    if int(words[2]) < 1000:
                        break
                assert words[1] == '200' and int(words[2]) < 1000, (coding, words)
                if coding == 'gzip':
                    assert zlib.decompress(body, 31) == STYLE.encode()


def many_at_once():
    """curl, 200 transfers over a few connections, or one."""
    with httpd() as daemon:
        for version, tls, _ in VERSIONS[2:]:
            if version == '--http2-prior-knowledge':
                continue  # curl 7.88 mistakes its own second stream, with other servers, too
            names = ','.join(['1k.txt?%d' % i for i in range(190)] + ['big.bin?%d' % i for i in range(10)])
            folder = os.path.join(daemon.folder, 'got')
            os.makedirs(folder, exist_ok=True)
            subprocess.run([need_program('curl'), '-s', '-S', '-k', '-f', version, '-Z', '-o',
                            folder + '/#1', url(daemon, '/{%s}' % names, tls)], check=True, timeout=60, stderr=subprocess.DEVNULL)
            got = os.listdir(folder)
            assert len(got) == 200, len(got)
            for name in got:
                with open(os.path.join(folder, name), 'rb') as f:
                    assert f.read() == (BIG if 'big' in name else b'x' * 1024), (version, tls, name)
                os.unlink(os.path.join(folder, name))


def nghttp():
    tool = need_program('nghttp')
    files = {'www/page.html': '<html><head>' + ''.join(
        '<link rel=stylesheet href=/s%d.css>' % i for i in range(20)) + '</head></html>\n'}
    files.update({'www/s%d.css' % i: STYLE for i in range(20)})
    with httpd(files) as daemon:
        upload = daemon.write('upload', BIG)
        for tls in (False, True):
            out = output([tool, '-nvas', url(daemon, '/page.html', tls)])
            assert out.count(':status: 200') == 21, out
            out = output([tool, '-nv', '-m', '50', '-w', '14', '-H', 'range: bytes=0-99',
                          url(daemon, '/big.bin', tls)])
            assert out.count(':status: 206') == 50, out
            # it waits for the end of its own content; the server ends that (RFC 9113, 8.1), but not
            # at once: curl 7.88 takes that for an error
            out = output([tool, '-nv', '--data', upload, url(daemon, '/1k.txt', tls)])
            assert ':status: 405' in out, out
            # an upgrade from HTTP/1.1 is not taken: the answer comes in HTTP/1.1
            if not tls:
                out = output([tool, '-nvu', url(daemon, '/1k.txt')], check=False)
                assert 'HTTP Upgrade failed' in out or 'HTTP/1.1 200' in out, out
            out = output([tool, '-nv', '--trailer', 'x: y', '--data', upload,
                          url(daemon, '/1k.txt', tls)])
            assert ':status: 405' in out, out


def load_generators():
    with httpd() as daemon:
        ab, wrk, h2load = need_program('ab'), need_program('wrk'), need_program('h2load')
        for tls in (False, True):
            for more in ([], ['-k']):
                for path, size in (('/1k.txt', 1024), ('/big.bin', len(BIG))):
                    count = 1000 if size == 1024 else 40
                    out = output([ab, '-q', '-n', count, '-c', 8] + more + [url(daemon, path, tls)],
                                 patience=60)
                    assert re.search(r'Complete requests: +%d\n' % count, out), out
                    assert re.search(r'Failed requests: +0\n', out), out
                    assert 'HTML transferred:       %d bytes' % (count * size) in out, out
                    kept = re.search(r'Keep-Alive requests: +(\d+)', out)
                    assert not more or int(kept.group(1)) == count, out
            out = output([wrk, '-t1', '-c16', '-d1s', url(daemon, '/1k.txt', tls)], patience=60)
            assert 'Non-2xx' not in out and 'Socket errors' not in out, out
            for streams in (1, 100):
                out = output([h2load, '-n', 1000, '-c', 4, '-m', streams, url(daemon, '/1k.txt', tls)],
                             patience=60)
                assert '1000 succeeded, 0 failed, 0 errored, 0 timeout' in out, out
            out = output([h2load, '--h1', '-n', 1000, '-c', 4, '-m', 8, url(daemon, '/1k.txt', tls)],
                         patience=60)
            assert '1000 succeeded, 0 failed, 0 errored, 0 timeout' in out, out


def openssl():
    tool = need_program('openssl')
    with httpd() as daemon:
        address = '127.0.0.1:%d' % daemon.address('tcp', True)[1]

        def ask(*args, text='GET /1k.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'):
            process = subprocess.run([tool, 's_client', '-connect', address, '-CAfile',
                                      daemon.folder + '/cert.pem', '-ign_eof', *args],
                                     input=text, capture_output=True, text=True, timeout=30, check=False)
            return process.stdout + process.stderr
        for version in ('-tls1_2', '-tls1_3'):
            out = ask(version, '-servername', 'localhost', '-verify_return_error')
            assert 'HTTP/1.1 200 OK' in out and 'x' * 1024 in out, out
            assert 'Verify return code: 0 (ok)' in out, out
        for version in ('-tls1', '-tls1_1'):
            assert 'HTTP/1.1' not in ask(version, '-cipher', 'ALL:@SECLEVEL=0'), version
        # a session is taken up again, by whatever worker
        session = os.path.join(daemon.folder, 'session')
        for version in ('-tls1_2', '-tls1_3'):
            assert 'New, TLS' in ask(version, '-sess_out', session)
            resumed = sum('Reused, TLS' in ask(version, '-sess_in', session) for _ in range(4))
            assert resumed == 4, (version, resumed)


# ---- a browser --------------------------------------------------------------------------------

PARTS = 100
PAGE = '''<!DOCTYPE html>
<html><head><title>keel</title><meta charset="utf-8">
<style>img { width: 22px; height: 22px; margin: 1px } body { font: 15px sans-serif }</style>
%s
</head><body>
<h1>A page of %d parts</h1>
<div>%s</div>
<pre id="result"></pre>
<script>
window.onload = function () {
  let images = [...document.images].filter(i => i.complete && i.naturalWidth == 8).length;
  let styles = [...document.styleSheets].filter(s => s.href && s.cssRules.length == 1).length;
  let parts = performance.getEntriesByType('resource').filter(e => e.name.includes('/part'));
  let protocols = {};
  for (let e of parts) protocols[e.nextHopProtocol] = (protocols[e.nextHopProtocol] || 0) + 1;
  document.getElementById('result').textContent = JSON.stringify({
    images: images, styles: styles, scripts: window.scripts || 0, parts: parts.length,
    protocols: protocols, page: performance.getEntriesByType('navigation')[0].nextHopProtocol});
};
</script>
</body></html>
'''


def png(red, green, blue):
    """8 by 8 pixels of one colour."""
    def chunk(kind, data):
        return (len(data).to_bytes(4, 'big') + kind + data
                + zlib.crc32(kind + data).to_bytes(4, 'big'))
    rows = (b'\0' + bytes((red, green, blue)) * 8) * 8
    return (b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', b'\0\0\0\x08\0\0\0\x08\x08\x02\0\0\0')
            + chunk(b'IDAT', zlib.compress(rows)) + chunk(b'IEND', b''))


def page():
    """60 images, 20 style sheets and 20 scripts."""
    files = {'www/part%d.png' % i: png(4 * i, 255 - 4 * i, 128) for i in range(60)}
    files.update({'www/part%d.css' % i: 'h%d { color: navy }\n' % i for i in range(60, 80)})
    files.update({'www/part%d.js' % i: 'window.scripts = (window.scripts || 0) + 1;\n' % ()
                  for i in range(80, 100)})
    head = ''.join('<link rel="stylesheet" href="part%d.css">\n' % i for i in range(60, 80)) + ''.join(
        '<script src="part%d.js"></script>\n' % i for i in range(80, 100))
    files['www/page.html'] = PAGE % (head, PARTS, '\n'.join(
        '<img src="part%d.png">' % i for i in range(60)))
    return files


def browser():
    chromium = need_program('chromium', 'chromium-browser')
    with httpd(page()) as daemon:
        argv = [chromium, '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic',
                '--no-first-run', '--disable-background-networking', '--disable-component-update',
                '--disable-sync', '--disable-dev-shm-usage', '--ignore-certificate-errors',
                '--user-data-dir=' + directory(), '--virtual-time-budget=20000']
        home = {**os.environ, 'HOME': directory()}
        for tls, protocol in ((True, 'h2'), (False, 'http/1.1')):
            dom = output(argv + ['--dump-dom', url(daemon, '/page.html', tls)], patience=90, env=home)
            match = re.search(r'<pre id="result">(.*?)</pre>', dom)
            assert match and match.group(1), dom[-2000:]
            result = json.loads(match.group(1))
            print('# %s' % result)
            assert result == {'images': 60, 'styles': 20, 'scripts': 20, 'parts': PARTS,
                              'protocols': {protocol: PARTS}, 'page': protocol}, result
        assert daemon.metric('httpd_responses_total', **{'class': '5xx'}) == 0
        if options.screenshot:
            output(argv + ['--window-size=900,400', '--screenshot=' + options.screenshot,
                           url(daemon, '/page.html', True)], patience=90, env=home)


if __name__ == '__main__':
    parser = argparse.ArgumentParser()
    parser.add_argument('--screenshot')
    parser.parse_args(namespace=options)
    run(('curl in every version of HTTP', curl_in_every_version),
        ('compressed', compressed),
        ('many at once', many_at_once),
        ('nghttp', nghttp),
        ('ab, wrk and h2load', load_generators),
        ('openssl', openssl),
        ('a browser and a page of 100 parts', browser))
