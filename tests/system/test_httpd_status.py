"""What an operator sees of httpd at work: the status page, figures and logs by site, trace, requests."""
import collections
import glob
import json
import os
import signal
import socket
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from keel import (Daemon, Follow, NetNs, Refused, check_conf, directory, module, need_program, output,
                  run, until)

CONF = '''
listen = { "127.0.0.1:0" }
site "one.example" {
  root = "www"
  location "/gone" { respond = "410 gone" }
%s}
site "two.example" { root = "www" }
'''


def httpd(locations='', conf=CONF, top='', **options):
    return Daemon('httpd', conf=top + conf % locations, listen=None,
                  files={'www/index.html': 'hello\n', 'www/a.txt': 'a\n', 'www/b.txt': 'b\n'},
                  **options)


def connect(daemon):
    s = socket.create_connection(daemon.address('tcp'))
    s.settimeout(20)
    return s


def ask(daemon, path, host='one.example', fields=''):
    """(status, fields as one text, body) of one request."""
    with connect(daemon) as s:
        s.sendall(('GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n%s\r\n'
                   % (path, host, fields)).encode())
        received = b''
        while part := s.recv(65536):
            received += part
    head, _, body = received.partition(b'\r\n\r\n')
    return int(head.split()[1]), head.decode(), body.decode()


def each_worker(daemon, command):
    return [row['result'] for row in daemon.ctl(command)]


def traced():
    with httpd(workers=2) as daemon:
        paths = Follow(daemon, 'client=127.0.0.0/8', 'path=/a')
        sites = Follow(daemon, 'site=TWO.example')
        errors = Follow(daemon, 'status=4xx')
        follows = (paths, sites, errors)

        def all_there():
            ask(daemon, '/a.txt')
            ask(daemon, '/b.txt', 'two.example')
            ask(daemon, '/gone?x="\x01'.replace('\x01', '%01'))
            return all(f.lines for f in follows)
        until(all_there, 'a line of each')
        lines, of_two, bad = [f.end() for f in follows]
        assert all('one.example GET /a.txt HTTP/1.1 -> 200 ' in x for x in lines), lines
        assert all('two.example GET /b.txt HTTP/1.1 -> 200 ' in x for x in of_two), of_two
        assert all(' -> 410 ' in x and '/gone' in x for x in bad), bad
        assert all('127.0.0.1' in x and ' bytes ' in x for x in lines), lines
        for wrong in ('nix=1', 'client=x', 'status=9xx1', 'status=700', 'site=', 'naked'):
            try:
                raise AssertionError(daemon.ctl('trace', wrong))
            except Refused:
                pass


def requests():
    """One that waits for its body is listed as running, and then among the slowest."""
    folder = directory()
    conf = 'module "script" { file = "%s" }\n' % module(folder, 'tests/support/script_module')
    with httpd('  location "/s/" { handler = "script" }\n', top=conf, folder=folder,
               workers=2) as daemon:
        with connect(daemon) as s:
            s.sendall(b'POST /s/e?\x7fq HTTP/1.1\r\nHost: one.example\r\nContent-Length: 3\r\n\r\n'
                      .replace(b'\x7f', b'%7f'))
            running = until(lambda: sum((r['running'] for r in each_worker(daemon, 'requests')), []),
                            'the request under way')
            assert len(running) == 1, running
            row = running[0]
            assert row['target'] == '/s/e?%7fq' and row['site'] == 'one.example', row
            assert row['handler'] == 'script' and row['method'] == 'POST', row
            assert row['peer'].startswith('127.0.0.1:') and row['seconds'] > 0, row
            rows = sum((r['connections'] for r in each_worker(daemon, 'connections')), [])
            assert [(r['protocol'], r['target']) for r in rows] == [('HTTP/1', '/s/e?%7fq')], rows
            assert rows[0]['state'] == 'handler' or rows[0]['state'] == 'body', rows
            s.sendall(b'abc')
            assert s.recv(65536).startswith(b'HTTP/1.1 200')
        slowest = until(lambda: sum((r['slowest'] for r in each_worker(daemon, 'requests')), []),
                        'the slow one')
        assert slowest[0]['status'] == 200 and slowest[0]['seconds'] >= row['seconds'], slowest
        assert slowest[0]['sent'] > 3, slowest
        for _ in range(40):  # the ring has an end
            assert ask(daemon, '/s/s')[0] == 200
        assert all(len(r['slowest']) <= 16 and not r['running']
                   for r in each_worker(daemon, 'requests'))


STATUS = '  location "/status" { status = true }\n'


def page():
    """The same figures as HTML, JSON and Prometheus text, from any worker."""
    with httpd(STATUS, workers=2) as daemon:
        for _ in range(30):
            assert ask(daemon, '/a.txt')[0] == 200
        for _ in range(5):
            assert ask(daemon, '/none', 'two.example')[0] == 404
        status, head, body = ask(daemon, '/status?format=json')
        assert status == 200 and 'Content-Type: application/json' in head, head
        assert 'Cache-Control: no-store' in head, head
        state = json.loads(body)
        both = state['all']
        assert both['requests'] == 36 and both['responses']['2xx'] == 30, state  # the last runs
        assert both['responses']['4xx'] == 5, state
        assert both['seconds']['p50'] <= both['seconds']['p99'] <= both['seconds']['p99.9'], state
        assert 0 < both['seconds']['mean'] < 1, state
        assert both['cache']['entries'] >= 1, state
        assert state['workers'] == 2 and state['generation'] == 1 and state['worker']['requests'] <= 36
        assert state['connections']['accepted'] == 36, state
        assert [s['site'] for s in state['sites']] == ['one.example', 'two.example'], state
        assert [s['responses']['2xx'] for s in state['sites']] == [30, 0], state
        assert state['sites'][1]['requests'] == 5 and state['sites'][1]['bytes'] > 100, state
        status, head, body = ask(daemon, '/status', fields='Accept: application/json\r\n')
        assert json.loads(body)['all']['requests'] == 37
        status, head, body = ask(daemon, '/status')
        assert status == 200 and 'text/html' in head and '<th>two.example<td>5<td>0<td>0' in body, body
        for path in ('/status/metrics', '/status?format=prometheus'):
            status, head, body = ask(daemon, path)
            assert status == 200 and 'text/plain; version=0.0.4' in head, head
            assert 'httpd_site_responses_total{class="2xx",site="one.example"} 3' in body, body
            assert '\nkeel_workers 2\n' in body and 'httpd_site_request_seconds_bucket{' in body
            for name in ('httpd_site_responses_total', 'keel_workers'):
                assert body.count('# TYPE %s ' % name) == 1, body
        assert daemon.metric('httpd_site_requests_total', site='two.example') == 5
        assert daemon.metric('httpd_site_request_seconds_count', site='two.example') == 5
        sites = daemon.ctl('sites')
        assert sites[1]['site'] == 'two.example' and sites[1]['responses']['4xx'] == 5, sites
        with connect(daemon) as s:
            s.sendall(b'POST /status HTTP/1.1\r\nHost: one.example\r\nContent-Length: 0\r\n\r\n')
            assert s.recv(4096).startswith(b'HTTP/1.1 405')


def never_back():
    """What a worker counted stays when it dies, and over reloads and upgrades; sites keep theirs
    when their place in the configuration changes."""
    with httpd(STATUS, workers=2) as daemon:
        for _ in range(20):
            ask(daemon, '/b.txt', 'two.example')
        count = lambda: daemon.metric('httpd_site_responses_total', site='two.example')
        assert count() == 20
        for worker in daemon.ctl('workers'):
            os.kill(worker['pid'], signal.SIGKILL)
        until(lambda: ask_or_not(daemon) == 20, 'the sum, with the dead')
        text = open(daemon.conf_path, encoding='utf-8').read()
        daemon.write(daemon.conf_path, text.replace('site "one', 'site "zero.example" { root = "www" }\n'
                                                    'site "one', 1))
        daemon.ctl('reload')
        assert count() == 20
        ask(daemon, '/b.txt', 'two.example')
        assert count() == 21 and daemon.metric('httpd_site_responses_total', site='one.example') > 0
        before = daemon.pid
        daemon.ctl('upgrade')
        daemon.pid = until(lambda: daemon.status()['pid'] != before and daemon.status()['pid'],
                           'the new master')
        until(lambda: count() == 21, 'the sum, after the upgrade')


def ask_or_not(daemon):
    """What the page says of the second site; a worker that is just being replaced says nothing."""
    try:
        sites = json.loads(ask(daemon, '/status?format=json')[2])['sites']
    except (OSError, IndexError, ValueError):
        return -1
    return sum(s['responses']['2xx'] for s in sites if s['site'] == 'two.example')


def many_sites():
    """The 64 first sites have their own figures, the others share."""
    conf = ''.join('site "s%d.example" { root = "www" }\n' % i for i in range(80))
    with httpd(conf='listen = { "127.0.0.1:0" }\nsite "first.example" { root = "www" %s}\n' + conf,
               locations=STATUS) as daemon:
        for i in (0, 62, 63, 79):
            assert ask(daemon, '/a.txt', 's%d.example' % i)[0] == 200
        count = lambda site: daemon.metric('httpd_site_responses_total', site=site)
        assert (count('s0.example'), count('s62.example'), count('s63.example')) == (1, 1, 0)
        assert count('(other)') == 2
        assert len(daemon.ctl('sites')) == 65


def who_may():
    """Without allow only this machine's loopback addresses."""
    conf = CONF.replace('127.0.0.1:0', '192.0.2.7:8080", "127.0.0.1:8080')
    with NetNs() as net:
        net.ip('addr', 'add', '192.0.2.7/32', 'dev', 'lo')
        locations = STATUS + '  location "/open" { status = true allow = { "192.0.2.0/24" } }\n'
        with httpd(locations, conf=conf, netns=net):
            def status(address, path):
                return output([need_program('curl'), '-s', '-o', '/dev/null', '-w', '%{http_code}',
                               '-H', 'Host: one.example', 'http://%s:8080%s' % (address, path)],
                              netns=net)
            assert status('127.0.0.1', '/status') == '200'
            assert status('192.0.2.7', '/status') == '403'
            assert status('192.0.2.7', '/status/metrics') == '403'
            assert status('192.0.2.7', '/open') == '200'
            assert status('127.0.0.1', '/open') == '403'
    for other in ('respond = "200 ok"', 'redirect = "301 /x"'):
        text = CONF % ('location "/s" { status = true %s }\n' % other)
        ended, said = check_conf('httpd', text.replace('"www"', '"."'))
        assert ended == 2 and 'status: another handler stands there' in said, said


LOGS = '''
listen = { "127.0.0.1:0" }
access-log { file = "all.log" format = "%{site} %{query} %{status}" }
site "one.example"   { root = "www" }
site "two.example"   { root = "www" access-log { file = "two.log" format = "%{query} %{host} %{status}" } }
site "three.example" { root = "www" access-log { file = "all.log" format = "%{site} %{query} %{status}" } }
site "quiet.example" { root = "www" access-log { enabled = false } }
'''


def ask_many(daemon, host, first, count):
    """So many requests on one connection, eight at once, each with its number."""
    with connect(daemon) as s:
        left, received = list(range(first, first + count)), b''
        while left:
            now, left = left[:8], left[8:]
            s.sendall(b''.join(b'GET /a.txt?%d HTTP/1.1\r\nHost: %s\r\n\r\n' % (n, host.encode())
                               for n in now))
            wanted = received.count(b'HTTP/1.1 200') + len(now)
            while received.count(b'HTTP/1.1 200') < wanted or not received.endswith(b'a\n'):
                part = s.recv(65536)
                assert part, received[-500:]
                received += part
            received = b''


def rotated():
    """Files are renamed and opened anew while requests come: no line is lost, doubled or torn."""
    count, hosts = 2000, ('one.example', 'two.example', 'three.example', 'quiet.example')
    with httpd(conf=LOGS.replace('%', '%%') + '%s', workers=2) as daemon:
        threads = [threading.Thread(target=ask_many, args=(daemon, host, i * count, count))
                   for i, host in enumerate(hosts) for _ in range(1)]
        for thread in threads:
            thread.start()
        turns = 0
        while any(thread.is_alive() for thread in threads) or turns < 5:
            turns += 1
            for name in ('all.log', 'two.log'):
                path = os.path.join(daemon.folder, name)
                os.rename(path, '%s.%d' % (path, turns))
            daemon.kill(signal.SIGUSR1)
            until(lambda: all(os.path.exists(os.path.join(daemon.folder, n))
                              for n in ('all.log', 'two.log')), 'the new files')
        for thread in threads:
            thread.join()
        daemon.stop()
        texts = {name: ''.join(open(p, encoding='utf-8').read() for p in
                               sorted(glob.glob(os.path.join(daemon.folder, name + '*'))))
                 for name in ('all.log', 'two.log')}
        every = collections.Counter(texts['all.log'].splitlines())
        wanted = ['%s %d 200' % (hosts[i], i * count + n) for i in (0, 2) for n in range(count)]
        assert every == collections.Counter(wanted), (turns, (every - collections.Counter(wanted)))
        two = collections.Counter(texts['two.log'].splitlines())
        assert two == collections.Counter('%d two.example 200' % (count + n) for n in range(count))
        assert turns >= 5


def wrong_logs():
    for log, said in (('access-log { }', 'a file expected, or enabled = false'),
                      ('access-log { file = "x" format = "%{nix}" }', 'nix')):
        ended, text = check_conf('httpd', 'listen = { "127.0.0.1:0" }\nsite "a" { %s }\n' % log)
        assert ended == 2 and said in text, text
    many = ''.join('site "s%d" { access-log { file = "%d" } }\n' % (i, i) for i in range(257))
    ended, text = check_conf('httpd', 'listen = { "127.0.0.1:0" }\n' + many)
    assert ended == 2 and 'httpd.conf:258: ' in text and 'more than 256 access logs' in text, text


run(('logs of sites, rotated under load', rotated),
    ('wrong logs', wrong_logs),
    ('the status page', page),
    ('counters of sites never go back', never_back),
    ('more sites than there are places', many_sites),
    ('who may see it', who_may),
    ('trace follows clients, sites, paths and statuses', traced),
    ('requests lists what is under way, and the slowest', requests))
