"""What an operator sees of httpd's connections and requests while real clients are at work: curl,
openssl and nghttp, over HTTP/1.1, TLS and HTTP/2, at two workers."""
import os
import re
import signal
import socket
import subprocess
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from keel import (Daemon, Follow, Refused, directory, module, need_program, output, run, spawn,
                  until)
from tls import DAY, Authority, s_client

CONF = '''
listen = { "127.0.0.1:0", "127.0.0.1:0 tls" }
site "one.example" {
  root = "www"
  certificate = "site.pem"
  key = "site.key"
}
'''
SIZE = 8 << 30  # sparse


class Slow:
    """Clients that take their answers slowly; they are ended with the block."""

    def __init__(self):
        self.clients = []

    def start(self, *argv):
        self.clients.append(spawn(list(argv), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL))

    def curl(self, url, *options):
        self.start(need_program('curl'), '-sk', '--limit-rate', '50k', '-o', '/dev/null', *options, url)

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.end()

    def end(self):
        for client in self.clients:
            client.kill()
            client.communicate()
        self.clients.clear()


def httpd(folder=None, conf=CONF, **options):
    folder = folder or directory()
    authority = Authority(folder)
    authority.sign('site', 'one.example')
    os.makedirs(folder + '/www', exist_ok=True)
    with open(folder + '/www/big', 'wb') as f:
        f.truncate(SIZE)
    return Daemon('httpd', conf=conf, listen=None, workers=2, folder=folder,
                  files={'www/index.html': 'hello\n'}, **options)


def rows(daemon, command='connections', key='connections', *args):
    """The rows of all workers."""
    return sum((each['result'][key] for each in daemon.ctl(command, *args)), [])


def connections(daemon, *args):
    return rows(daemon, 'connections', 'connections', *args)


def address(daemon, tls=False):
    return '%s:%d' % daemon.address('tcp', tls=tls)


def of_each_kind():
    with httpd() as daemon, Slow() as slow:
        plain, tls = address(daemon), address(daemon, True)
        slow.curl('http://%s/big' % plain)
        slow.curl('https://%s/big' % tls, '--http1.1', '--tls-max', '1.2')
        slow.curl('https://%s/big' % tls, '--http2')
        slow.curl('http://%s/big' % plain, '--http2-prior-knowledge')
        slow.start(need_program('openssl'), 's_client', '-connect', tls, '-servername', 'one.example')
        with socket.create_connection(daemon.address('tcp')) as idle, \
                socket.create_connection(daemon.address('tcp', tls=True)) as shaking:
            for _ in range(3):
                idle.sendall(b'GET / HTTP/1.1\r\nHost: one.example\r\n\r\n')
                assert idle.recv(4096)
            with socket.create_connection(daemon.address('tcp')) as half:
                half.sendall(b'GET / HTT')
                states = ['handshake', 'head', 'head', 'idle'] + 4 * ['sending']
                until(lambda: sorted(r['state'] for r in connections(daemon)) == states, states)
                by_peer = {r['peer']: r for r in connections(daemon)}
        row = next(r for r in by_peer.values() if r['state'] == 'idle')
        assert row['requests'] == 3 and row['tls'] is False and row['target'] is None, row
        assert row['received'] == 3 * 37 and row['sent'] > 300 and row['idle_s'] >= 0, row
        assert row['listener'] == plain and row['streams'] is None and row['tls_version'] is None, row
        sending = {(r['protocol'], r['tls_version']): r for r in by_peer.values()
                   if r['state'] == 'sending'}
        assert sorted(sending, key=str) == [('HTTP/1', 'TLSv1.2'), ('HTTP/1', None),
                                            ('HTTP/2', 'TLSv1.3'), ('HTTP/2', None)], sending
        for (protocol, _), row in sending.items():
            assert row['requests'] == 1 and row['sent'] > 0, row
            assert row['streams'] == (1 if protocol == 'HTTP/2' else None), row
            assert row['listener'] == (tls if row['tls'] else plain), row
        assert 'ECDHE' in sending['HTTP/1', 'TLSv1.2']['tls_cipher'], sending
        assert sending['HTTP/2', 'TLSv1.3']['tls_cipher'].startswith('TLS_'), sending
        named = [r for r in by_peer.values() if r['server_name'] == 'one.example']
        assert [r['state'] for r in named] == ['head'] and named[0]['tls_resumed'] is False, named


def chosen():
    """Arguments choose rows, in each worker; a bound is kept and said."""
    with httpd() as daemon, Slow() as slow:
        open_ = [socket.create_connection(daemon.address('tcp')) for _ in range(40)]
        slow.curl('https://%s/big' % address(daemon, True), '--http2')
        until(lambda: len(connections(daemon)) == 41, 'all connections')
        count = lambda *args: len(connections(daemon, *args))
        until(lambda: count('state=sending') == 1, 'the one that is sent to')
        assert count('state=head') == 40 and count('state=idle') == 0
        assert count('protocol=http/*') == 41 and count('protocol=http/2') == 1
        assert count('tls=yes') == 1 and count('tls=no') == 40
        assert count('requests=0') == 40 and count('requests=1..', 'streams=1') == 1
        assert count('client=127.0.0.0/8') == 41 and count('client=127.0.0.2') == 0
        assert count('age_s=3600..') == 0 and count('age_s=..3600', 'tls_version=TLSv1.3') == 1
        for result in (each['result'] for each in daemon.ctl('connections', 'limit=3', 'tls=no')):
            assert len(result['connections']) == min(3, result['open']), result
            assert result['more'] == (result['open'] > 3), result
        ages = [[r['age_s'] for r in each['result']['connections']] for each in daemon.ctl('connections')]
        assert all(a == sorted(a, reverse=True) for a in ages), ages
        for wrong in ('nix=1', 'limit=0', 'limit=x', 'client=nowhere', 'plain'):
            try:
                raise AssertionError(daemon.ctl('connections', wrong))
            except Refused:
                pass
        for s in open_:
            s.close()


STAPLED = '''
listen = { "127.0.0.1:0 tls", "127.0.0.1:0 tls" }
certificate-watch = 100ms
site "one.example"   { root = "www" certificate = "site.pem" key = "site.key" ocsp = "site.der"
                       location "/status" { status = true } }
site "two.example"   { root = "www" certificate = { "two.pem", "rsa.pem" } key = { "two.key", "rsa.key" }
                       ocsp = "two.der" }
'''


def certificates():
    """Names, ends and stapled responses, those first that end first; as metrics from the master and
    from a worker's page; a file that is no good is counted."""
    folder = directory()
    authority = Authority(folder)
    for file, lasts, kind in (('site', 20, 'ec'), ('two', 5, 'ec'), ('rsa', 40, 'rsa')):
        authority.sign(file, *(['one.example', '*.one.example'] if file == 'site' else ['two.example']),
                       lasts=lasts * DAY, kind=kind)
    authority.respond('site.der', 'site')
    authority.respond('two.der', 'two', until=-0.5)
    with Daemon('httpd', conf=STAPLED, listen=None, workers=2, folder=folder,
                files={'www/index.html': 'hello\n'}) as daemon:
        listed = daemon.ctl('certificates')
        assert not listed['more'], listed
        rows = listed['certificates']
        assert [(r['name'], r['key'], r['staple']) for r in rows] == [
            ('two.example', 'EC 256', 'expired'), ('one.example', 'EC 256', 'good'),
            ('two.example', 'RSA 2048', 'none')], rows
        assert rows[1]['names'] == ['one.example', '*.one.example'] and rows[1]['issuer'] == 'CN=ca', rows
        assert rows[1]['subject'] == 'CN=one.example' and len(rows[1]['sha256']) == 64, rows
        assert [round(r['days_left']) for r in rows] == [5, 20, 40], rows
        assert rows[1]['file'].endswith('/site.pem') and rows[1]['staple_file'].endswith('/site.der')
        assert rows[0]['staple_fault'] == 'it is out of date' and rows[0]['staple_until'] < rows[0]['not_after']
        assert rows[2]['staple_file'] is None and rows[2]['staple_until'] is None, rows
        assert [r['name'] for r in daemon.ctl('certificates', 'days_left=..10')['certificates']] == \
            ['two.example']
        two, one = rows[0]['file'], rows[1]['file']
        assert 4.9 < daemon.metric('keel_certificate_expires_seconds', file=two) / 86400 <= 5
        assert daemon.metric('keel_staple_good', file=one) == 1
        assert daemon.metric('keel_staple_good', file=two) == 0
        assert -0.6 < daemon.metric('keel_staple_expires_seconds', file=two) / 86400 < -0.4
        page = s_client(daemon.address('tcp', tls=True), 'one.example', path='/status/metrics').text
        for name in ('certificate_expires_seconds', 'staple_good', 'staple_expires_seconds'):
            assert page.count('# TYPE keel_%s gauge' % name) == 1, page
        assert 'keel_staple_good{name="two.example",file="%s"} 0' % two in page, page

        authority.respond('two.der', 'two')
        good = lambda which: [r['staple'] for r in daemon.ctl('certificates')['certificates']
                              if r['file'] == rows[which]['file']] == ['good']
        until(lambda: good(0), 'the new response in a worker')
        until(lambda: daemon.metric('keel_staple_good', file=two) == 1, 'and in the master')
        assert daemon.metric('keel_files_refused_total') == 0
        authority.respond('site.der', 'rsa')  # for another certificate
        until(lambda: daemon.metric('keel_files_refused_total') == 1, 'the wrong response counted')
        assert good(1) and daemon.metric('keel_staple_good', file=one) == 1
        with open(folder + '/two.pem', 'wb') as f:
            f.write(b'no certificate')
        until(lambda: daemon.metric('keel_files_refused_total') == 2, 'the wrong certificate counted')
        assert 4.9 < daemon.metric('keel_certificate_expires_seconds', file=two) / 86400 <= 5
        os.unlink(folder + '/site.der')
        until(lambda: daemon.metric('keel_files_refused_total') == 3, 'the file that is gone counted')


def under_way():
    """Large answers while they leave, bodies while they come, and what handlers work on, over
    HTTP/1.1 and HTTP/2, plain and in TLS."""
    folder = directory()
    conf = 'module "script" { file = "%s" }\n' % module(folder, 'tests/support/script_module') + \
        CONF.replace('\n}', '\n  location "/s/" { handler = "script" }\n}')
    with httpd(folder, conf) as daemon, Slow() as slow:
        plain, tls = address(daemon), address(daemon, True)
        running = lambda *args: rows(daemon, 'requests', 'running', *args)
        slow.curl('http://%s/big?plain' % plain, '-H', 'Host: one.example')
        slow.curl('https://%s/big?h2' % tls, '--http2')
        slow.start(need_program('nghttp'), '-n', '-w', '16', 'http://%s/big?nghttp' % plain)
        until(lambda: running('target=/big?nghttp'), 'nghttp')
        slow.clients[-1].send_signal(signal.SIGSTOP)
        for http in ('--http1.1', '--http2-prior-knowledge'):
            slow.start(need_program('curl'), '-sN', http, '-T', '-', '-X', 'POST',
                       'http://%s/s/e?%s' % (plain, http))
            slow.clients[-1].stdin.write(b'abc')
            slow.clients[-1].stdin.flush()
        until(lambda: len(running('state=body', 'received=3')) == 2, 'the bodies')
        until(lambda: len(running('state=sending', 'sent=1..')) == 3, 'the answers')
        assert len(running()) == 5, running()
        assert {r['target'].split('?')[1]: (r['protocol'], r['tls'], r['state'], r['handler'])
                for r in running()} == {
            'plain': ('HTTP/1.1', False, 'sending', 'file'),
            'h2': ('HTTP/2', True, 'sending', 'file'),
            'nghttp': ('HTTP/2', False, 'sending', 'file'),
            '--http1.1': ('HTTP/1.1', False, 'body', 'script'),
            '--http2-prior-knowledge': ('HTTP/2', False, 'body', 'script')}, running()
        for row in running('state=sending'):
            assert row['size'] == SIZE and 0 < row['sent'] < SIZE and row['status'] == 200, row
            assert row['site'] == 'one.example' and row['method'] == 'GET' and row['seconds'] > 0, row
            assert (row['stream'] or 0) % 2 == (row['protocol'] == 'HTTP/2'), row
        assert len(running('handler=script')) == 2 and len(running('tls=yes')) == 1
        assert len(running('client=127.0.0.0/8')) == 5 and not running('client=::1')
        assert not running('seconds=3600..') and len(running('location=/s/')) == 2
        for each in daemon.ctl('requests', 'limit=1'):
            assert len(each['result']['running']) <= 1, each
            if each['result']['more']:
                break
        times = [[r['seconds'] for r in each['result']['running']] for each in daemon.ctl('requests')]
        assert all(t == sorted(t, reverse=True) for t in times), times
        for wrong in ('nix=1', 'limit=x'):
            try:
                raise AssertionError(daemon.ctl('requests', wrong))
            except Refused:
                pass
        slow.end()
        until(lambda: not running(), 'the end of all')
        ended = rows(daemon, 'requests', 'slowest', 'received=3')
        assert [r['state'] for r in ended] == ['done', 'done'] and ended[0]['ago'] >= 0, ended


def traced():
    """trace of one client: its connections and what leads to each answer, in order; sessions that
    want less get less."""
    folder = directory()
    conf = 'module "script" { file = "%s" }\n' % module(folder, 'tests/support/script_module') + \
        CONF.replace('\n}', '''
  rewrite = { '^/old/(.*)$ /$1', '^/away$ https://other.example/ 302' }
  location "/s/" { handler = "script" }
}''')
    with httpd(folder, conf) as daemon:
        plain, tls = address(daemon), address(daemon, True)
        follows = all_, fields, answers, site, bad = (
            Follow(daemon, 'client=127.0.0.0/8', 'events=all'), Follow(daemon, 'events=fields'),
            Follow(daemon, 'client=127.0.0.1'), Follow(daemon, 'site=one.example', 'events=all'),
            Follow(daemon, 'status=4xx', 'events=all'))
        other = Follow(daemon, 'client=192.0.2.0/24', 'events=all')

        def curl(url, *options):
            output([need_program('curl'), '-sk', '-o', '/dev/null', *options, url])

        def all_there():
            curl('http://%s/none' % plain, '-u', 'me:secret', '-H', 'Cookie: secret')
            return all(f.lines for f in follows)
        until(all_there, 'a line of each')
        curl('http://%s/old/index.html' % plain)
        curl('http://%s/index.html' % plain)
        curl('https://one.example/away', '--connect-to', 'one.example::%s' % tls)
        curl('http://%s/s/e' % plain, '-d', 'abc')
        with socket.create_connection(daemon.address('tcp')) as s:
            s.sendall(b'GET / HTTP/1.1\r\nHost : x\r\n\r\n')
            assert s.recv(4096)
        curl('http://%s/last' % plain)
        last = lambda f: next((x.split()[2] for x in f.lines if '/last HTTP' in x and '->' in x), None)
        until(lambda: all(last(f) for f in follows), 'the last answer')
        until(lambda: any(x.split()[2:4] == [last(all_), 'closed'] for x in all_.lines), 'its end')
        all_, fields, answers, site, bad = [[x.strip().split(' ', 1)[1] for x in f.end()]
                                              for f in follows]
        assert not other.end()

        def steps(path, last='closed'):
            """What the trace has of the connection on which this was asked."""
            port = next(x.split()[1] for x in all_ if ' %s HTTP' % path in x)
            mine = [x.split(' ', 2)[2] for x in all_ if x.split()[1] == port]
            assert mine[0].startswith('connection to ') and mine[-1].startswith(last), mine
            return mine[1:-1]
        request, route, *_, answer = steps('/old/index.html')
        assert request.startswith('request GET /old/index.html HTTP/1.1 host=127.0.0.1 fields=3 '), request
        assert route == 'route site=one.example path=/index.html location=/ steps=file', route
        assert answer.startswith('http one.example GET /old/index.html HTTP/1.1 -> 200 '), answer
        assert steps('/index.html')[-1].split(' by ')[1].startswith('file, file cache '), all_
        secured, request, route, answer = steps('/away')
        assert re.fullmatch(r'tls TLSv1\.3 TLS_\w+ alpn=h2 name=one\.example \d+\.\d{6} s', secured), secured
        assert 'HTTP/2.0 host=one.example' in request and request.endswith(' stream=1'), request
        assert route.endswith(' path=/away moved with 302 to https://other.example/'), route
        assert ' -> 302 ' in answer and ' by -, file cache -' in answer, answer
        request, route, kept, answer = steps('/s/e')
        assert ' body=3' in request and 'location=/s/ steps=script' in route, (request, route)
        assert kept.startswith('kept by script, file cache -, ') and ' by script,' in answer, kept
        assert any(' - - - ' in x and '-> 400 ' in x for x in all_), all_  # the malformed one
        assert all(' -> ' in x for x in answers) and len(answers) >= 7, answers
        assert all(' -> 4' in x for x in bad) and any('/none' in x for x in bad), bad
        assert not any(x.split()[2] in ('connection', 'closed', 'tls') for x in site), site
        assert any(x.split()[2] == 'route' for x in site), site
        assert any('field User-Agent: curl/' in x for x in fields), fields
        assert any('field Authorization: (hidden)' in x for x in fields), fields
        assert any('field Cookie: (hidden)' in x for x in fields), fields
        assert not any('secret' in x for x in fields + all_), fields
        try:
            raise AssertionError(daemon.ctl('trace', 'events=some'))
        except Refused:
            pass


def many():
    """More than are looked at in one turn of the loop: each is listed once, to the limit; and while
    they come and go each that stays is."""
    with httpd() as daemon:
        stay = [socket.create_connection(daemon.address('tcp')) for _ in range(700)]
        names = {'%s:%d' % s.getsockname() for s in stay}
        until(lambda: daemon.metric('keel_connections_open') == 700, 'all')
        for _ in range(5):
            peers = [r['peer'] for r in connections(daemon, 'tls=no')]
            assert len(peers) == len(set(peers)) == 700 and set(peers) == names, len(peers)
            assert connections(daemon, 'client=127.0.0.2', 'age_s=..3600') == []
        assert all(len(each['result']['connections']) == 150 and each['result']['more']
                   for each in daemon.ctl('connections', 'limit=150'))

        def come_and_go():
            while not over.is_set():
                for _ in range(20):
                    socket.create_connection(daemon.address('tcp')).close()
        over = threading.Event()
        others = threading.Thread(target=come_and_go)
        others.start()
        try:
            for _ in range(10):
                peers = [r['peer'] for r in connections(daemon)]
                assert len(peers) == len(set(peers)) and names <= set(peers), len(peers)
        finally:
            over.set()
            others.join()
        for s in stay:
            s.close()


run(('many connections', many),
    ('a client is followed', traced),
    ('requests under way', under_way),
    ('certificates, stapled responses and their metrics', certificates),
    ('connections of each kind', of_each_kind),
    ('connections by filters', chosen))
