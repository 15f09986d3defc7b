"""TLS of httpd: session tickets over rotations, reloads and upgrades, stapled OCSP responses, client
certificates, certificates that change on disk, names, RSA beside ECDSA, versions and ciphers."""
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from core import upgrade, whole, worker_pids
from keel import Daemon, directory, need_no_sanitizer, need_program, program, run, tap, until
from tls import DAY, Authority, s_client

TWO = ('TLSv1.2', ['-tls1_2']), ('TLSv1.3', ['-tls1_3'])


def httpd(folder, sites, more='', workers=1, listen='"127.0.0.1:0 tls", "127.0.0.1:0"', **options):
    conf = 'listen = { %s }\n%s%s' % (listen, more, sites)
    return Daemon('httpd', conf=conf, listen=None, workers=workers, folder=folder,
                  files={'www/index.html': 'here\n'}, **options)


def site(name, certificate, more='', default=False):
    return 'site "%s" { root = "www" certificate = "%s.pem" key = "%s.key" default = %s %s }\n' \
        % (name, certificate, certificate, str(default).lower(), more)


def one_site(**signed):
    folder = directory()
    authority = Authority(folder)
    authority.sign('site', 'localhost', **signed)
    return folder, authority


def check(folder, text):
    """What --check says of a configuration, and its exit status."""
    path = os.path.join(folder, 'check.conf')
    os.makedirs(folder + '/www', exist_ok=True)
    with open(path, 'w', encoding='utf-8') as f:
        f.write('listen = "127.0.0.1:0 tls"\n' + text)
    ended = subprocess.run([program('httpd'), '--check', '-c', path], capture_output=True, text=True,
                           timeout=30, check=False)
    return ended.returncode, ended.stderr + ended.stdout


# --- tickets

class Client:
    """A client that keeps one session; connections go to the workers in turn."""

    def __init__(self, daemon, version, name='localhost'):
        self.daemon, self.args, self.name = daemon, version, name
        self.file = os.path.join(directory(), 'session-%d' % id(self))

    def ask(self, keep=True, address=None):
        args = list(self.args) + ['-sess_out', self.file + '.new']
        if os.path.exists(self.file + '.new'):
            os.remove(self.file + '.new')
        if os.path.exists(self.file):
            args += ['-sess_in', self.file]
        answer = s_client(address or self.daemon.address('tcp', tls=True), self.name, *args)
        assert answer.http == 200, answer.text
        given = os.path.exists(self.file + '.new')
        assert given or (answer.reused and answer.version == 'TLSv1.2'), 'a new ticket each time'
        if keep and given:
            os.rename(self.file + '.new', self.file)
        # the first line of the ticket is the name of its key
        self.key = re.findall(r'TLS session ticket:\s+0000 - (\S.{46})', answer.text)[-1]
        return answer.reused


def tickets(version):
    folder, _ = one_site()
    with httpd(folder, site('localhost', 'site'), 'schedule = round-robin\n', workers=2) as daemon:
        whole(daemon, 2)
        client, old = Client(daemon, version), Client(daemon, version)
        assert not client.ask() and not old.ask()
        accepted = [row['accepted'] for row in daemon.ctl('workers')]
        for _ in range(4):
            assert client.ask(keep=False), 'at every worker'
        rows = daemon.ctl('workers')
        assert all(row['accepted'] > before for row, before in zip(rows, accepted)), rows
        key = client.key
        assert daemon.ctl('ticket-rotate') == {'old-keys': 1}
        for _ in range(2):
            assert client.ask(keep=False), 'with a ticket of the old key'
        for _ in range(2):
            assert client.ask(), 'renewed'
            until(lambda: client.ask() and client.key != key, 'a ticket of the new key')
        daemon.ctl('reload')
        whole(daemon, 2)
        assert client.ask() and old.ask(keep=False)
        upgrade(daemon)
        whole(daemon, 2)
        assert client.ask() and client.ask() and old.ask(keep=False)
        for kept in (2, 3, 3):
            assert daemon.ctl('ticket-rotate') == {'old-keys': kept}
            # s_client does not keep a ticket that renews one of TLS 1.2
            assert version == ['-tls1_2'] or client.ask() and client.ask()
        assert not old.ask(), 'three keys later'
        assert old.ask()
        assert daemon.ctl('ticket-rotate', 'forget') == {'old-keys': 0}
        assert not client.ask() and not old.ask()
        assert client.ask()
        assert len(re.findall('new ticket key.*reason=command', daemon.log())) == 5


def rotation_by_time():
    folder, _ = one_site()
    with httpd(folder, site('localhost', 'site'),
               'ticket-rotation = 1s\nticket-lifetime = 2s\n', workers=2) as daemon:
        whole(daemon, 2)
        until(lambda: len(re.findall('new ticket key.*ticket-rotation', daemon.log())) >= 4,
              'four rotations')
        client = Client(daemon, ['-tls1_3'])
        client.ask()
        until(lambda: not Client.ask(client, keep=False), 'the session ends', pause=0.3)
    code, said = check(folder, 'ticket-rotation = 1s\nticket-lifetime = 4s\n' + site('x', 'site'))
    assert code == 2 and 'check.conf:2: ticket-rotation' in said, said


# --- OCSP

def staples(daemon, name='localhost', *args):
    answer = s_client(daemon.address('tcp', tls=True), name, '-status', *args)
    assert answer.http == 200, answer.text
    return 'OCSP Response Status: successful' in answer.text


def stapling():
    folder, authority = one_site()
    authority.respond_by_openssl('site.der', 'site')
    with httpd(folder, site('localhost', 'site', 'ocsp = "site.der"'), workers=2) as daemon:
        for _, version in TWO:
            assert staples(daemon, 'localhost', *version)
        assert not s_client(daemon.address('tcp', tls=True)).line('OCSP Response Status')
        url = 'https://localhost:%d/' % daemon.address('tcp', tls=True)[1]
        subprocess.run([need_program('curl'), '-sSf', '--cert-status', '--cacert', authority.file,
                        '--connect-to', 'localhost::127.0.0.1:', '-m', '20', url], check=True,
                       capture_output=True)
        assert 'staple' not in daemon.log()


def response_that_is_no_good(status, since, ends, why):
    folder, authority = one_site()
    authority.respond('site.der', 'site', status, since, ends)
    with httpd(folder, site('localhost', 'site', 'ocsp = "site.der"')) as daemon:
        assert not staples(daemon)
        lines = [line for line in daemon.log().splitlines() if 'is not stapled' in line]
        assert len(lines) == 1 and why in lines[0], daemon.log()
        assert re.search(r'\.conf:\d+: site ."localhost.": ocsp', lines[0]), lines


def response_that_ends_soon():
    folder, authority = one_site()
    authority.respond('site.der', 'site', 'GOOD', -6, 1)
    authority.sign('other', 'other.example', lasts=3 * DAY)
    with httpd(folder, site('localhost', 'site', 'ocsp = "site.der"')
               + site('other.example', 'other')) as daemon:
        assert staples(daemon)
        until(lambda: 'site.der' in daemon.log(), 'the line about the response')
        assert re.search(r'ends soon.*stapled OCSP response.*site\.der.*hours=(23|24)', daemon.log())
        assert re.search(r'ends soon.*certificate.*other\.pem.*hours=7[12]', daemon.log())


def responses_that_are_wrong():
    folder, authority = one_site()
    authority.sign('other', 'other.example')
    authority.sign('bare', 'bare.example', chain=False)
    authority.respond('other.der', 'other')
    authority.respond('bare.der', 'bare')
    with open(authority.respond('forged.der', 'site'), 'r+b') as f:
        f.seek(-1, os.SEEK_END)
        last = f.read(1)[0]
        f.seek(-1, os.SEEK_END)
        f.write(bytes([last ^ 1]))
    with open(folder + '/garbage.der', 'wb') as f:
        f.write(b'\x30\x03\x0a\x01')
    open(folder + '/empty.der', 'wb').close()
    for certificate, response, why in (
            ('site', 'other', 'is not for the certificate'), ('site', 'garbage', 'no OCSP response'),
            ('site', 'empty', 'the file is empty'), ('site', 'nowhere', 'No such file'),
            ('site', 'forged', 'signature'), ('bare', 'bare', 'the issuer\'s certificate')):
        code, said = check(folder, site('localhost', certificate, 'ocsp = "%s.der"' % response))
        assert code == 2 and why in said, said
        assert re.search(r'check\.conf:2: site "localhost": ocsp: .*%s\.der' % response, said), said
    code, said = check(folder, 'site "a" { root = "www" ocsp = "other.der" }\n')
    assert code == 2 and 'ocsp without a certificate' in said, said


def response_is_renewed():
    """By the workers that there are, and by those that come after them."""
    folder, authority = one_site()
    authority.respond('site.der', 'site', 'GOOD', -9, -1)
    with httpd(folder, site('localhost', 'site', 'ocsp = "site.der"'), 'certificate-watch = 1s\n',
               workers=2) as daemon:
        whole(daemon, 2)
        before = worker_pids(daemon)
        assert not staples(daemon)
        authority.respond('site.der', 'site')
        until(lambda: staples(daemon), 'the new response', patience=30, pause=0.2)
        daemon.write('site.der', 'nonsense')
        until(lambda: 'the old content stays' in daemon.log(), 'the refusal')
        assert staples(daemon) and worker_pids(daemon) == before
        assert re.search(r'is no good.*\.conf:3: site .*ocsp.*no OCSP response', daemon.log())
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        until(lambda: len(re.findall('worker died', daemon.log())) == 2, 'two deaths')
        whole(daemon, 2)
        assert staples(daemon) and staples(daemon)
        authority.respond('site.der', 'site', 'REVOKED')
        until(lambda: not staples(daemon), 'none for what is revoked', patience=30, pause=0.2)
        assert 'is revoked' in daemon.log() and 'reloading' not in daemon.log()


# --- client certificates

def clients():
    """open.example asks nobody, maybe.example may ask, shut.example insists."""
    folder = directory()
    authority, other = Authority(folder), Authority(folder, 'stranger')
    authority.sign('all', 'open.example', 'maybe.example', 'shut.example', 'localhost')
    authority.sign('own', 'shut.example')
    authority.sign('alice', 'alice "the first", of A')
    other.sign('mallory', 'mallory')
    sites = site('open.example', 'all', default=True) \
        + site('maybe.example', 'all', 'client-certificates = "ca.pem" client-verify = optional') \
        + site('shut.example', 'all', 'client-certificates = "ca.pem" names = { "shut2.example" }') \
        + site('own.example', 'own', 'client-certificates = "stranger.pem"')
    more = 'access-log { file = "access.log" format = "%{host} %{status} <%{client-subject}>" }\n'
    return httpd(folder, sites, more, workers=1)


def logged(daemon, line):
    def there():
        with open(daemon.folder + '/access.log', encoding='utf-8') as f:
            return line in f.read().splitlines()
    until(there, 'the line %s' % line)


def shown(who):
    return ['-cert', who + '.pem', '-key', who + '.key'] if who else []


def who_may_come(version):
    alice = 'CN=alice \\\\\\"the first\\\\\\"\\\\, of A'
    with clients() as daemon:
        address = daemon.address('tcp', tls=True)

        def ask(name, who=None, host=None):
            files = shown(who and os.path.join(daemon.folder, who))
            return s_client(address, name, *version, *files, host=host).http
        assert ask('open.example') == 200 and ask('open.example', 'alice') == 200
        logged(daemon, 'open.example 200 <->')
        assert ask('maybe.example') == 200
        logged(daemon, 'maybe.example 200 <->')
        assert ask('maybe.example', 'alice') == 200
        logged(daemon, 'maybe.example 200 <%s>' % alice)
        assert ask('shut.example', 'alice') == 200 and ask('shut2.example', 'alice') == 200
        logged(daemon, 'shut.example 200 <%s>' % alice)
        assert ask('own.example', 'mallory') == 200
        logged(daemon, 'own.example 200 <CN=mallory>')
        for name, who in (('shut.example', None), ('shut.example', 'mallory'),
                          ('maybe.example', 'mallory'), ('own.example', 'alice'),
                          ('shut2.example', None), ('SHUT.EXAMPLE', None)):
            assert ask(name, who) is None, (name, who)
        # by the Host field alone nobody gets there
        for name, who, host, status in (
                ('open.example', None, 'shut.example', 421), ('open.example', 'alice', 'shut.example', 421),
                ('nowhere.example', None, 'shut.example', 421), (None, None, 'shut.example', 421),
                ('maybe.example', 'alice', 'shut.example', 421),
                ('own.example', 'mallory', 'shut.example', 421),
                ('shut.example', 'alice', 'own.example', 421),
                ('shut.example', 'alice', 'shut2.example', 200),
                ('own.example', 'mallory', 'maybe.example', 200),
                ('shut.example', 'alice', 'open.example', 200)):
            assert ask(name, who, host) == status, (name, who, host)
        logged(daemon, 'maybe.example 200 <->')


def misdirected():
    with clients() as daemon:
        for http in ('--http1.1', '--http2'):
            for secure, name, status in ((True, 'open.example', '421'), (False, 'shut.example', '421'),
                                         (True, 'shut.example', '200')):
                port = daemon.address('tcp', tls=secure)[1]
                ended = subprocess.run(
                    [need_program('curl'), '-sS', http, '-o', '/dev/null', '-w', '%{http_code}', '-m',
                     '20', '--cacert', daemon.folder + '/ca.pem', '--cert',
                     daemon.folder + '/alice.pem', '--key', daemon.folder + '/alice.key',
                     '--connect-to', '::127.0.0.1:', '-H', 'Host: shut.example',
                     '%s://%s:%d/' % ('https' if secure else 'http', name, port)],
                    capture_output=True, text=True, check=False)
                assert ended.stdout == status, (http, secure, name, ended)


def sessions_stay_at_home(version):
    with clients() as daemon:
        folder = daemon.folder + '/'
        session = folder + 'session'
        address = daemon.address('tcp', tls=True)

        def ask(name, who=None, use=True, keep=False):
            args = list(version) + shown(who and folder + who)
            args += ['-sess_in', session] if use else []
            args += ['-sess_out', session] if keep else []
            return s_client(address, name, *args)
        # who was verified is known again, without showing it once more
        assert ask('shut.example', 'alice', use=False, keep=True).http == 200
        again = ask('shut.example')
        assert again.http == 200 and again.reused, again.text
        until(lambda: open(daemon.folder + '/access.log', encoding='utf-8').read().count(
            'shut.example 200 <CN=alice') == 2, 'who it is')
        # but nowhere else
        for name in ('open.example', 'maybe.example'):
            answer = ask(name)
            assert answer.http == 200 and not answer.reused, answer.text
        assert ask('own.example').http is None
        # and nobody comes in who was not asked before
        for name in ('open.example', 'maybe.example'):
            assert ask(name, use=False, keep=True).http == 200
            assert ask('shut.example').http is None
        answer = ask('open.example')
        assert answer.http == 200 and not answer.reused
        # other signers are trusted now: everybody is asked again
        assert ask('shut.example', 'alice', use=False, keep=True).http == 200
        shutil.copy(folder + 'stranger.pem', folder + 'ca.pem')
        daemon.ctl('reload')
        assert ask('shut.example').http is None


def client_options():
    folder, _ = one_site()
    for text, why in (
            ('site "a" { root = "www" client-certificates = "ca.pem" }', 'certificate of its own'),
            (site('a', 'site', 'client-verify = optional'), 'client-certificates must say'),
            (site('a', 'site', 'client-certificates = "none.pem"'), 'none.pem'),
            (site('a', 'site', 'client-certificates = "site.key"'), 'site.key')):
        code, said = check(folder, text + '\n')
        assert code == 2 and why in said and 'check.conf:2: site "a": client-' in said, said


# --- certificates

def serial(daemon, name='localhost', *args):
    answer = s_client(daemon.address('tcp', tls=True), name, *args)
    ended = subprocess.run(['openssl', 'x509', '-noout', '-serial'], input=answer.text.encode(),
                           capture_output=True, check=True)
    return int(ended.stdout.decode().split('=')[1], 16)


def changes_on_disk():
    folder, authority = one_site()
    first = authority.certificates['site'].serial_number
    with open(folder + '/site.pem', 'rb') as whole_file, open(folder + '/cut.pem', 'wb') as cut:
        cut.write(whole_file.read()[:-200])
    shutil.copy(folder + '/site.key', folder + '/cut.key')
    code, said = check(folder, site('localhost', 'cut'))
    assert code == 2 and 'cut.pem: cannot load the chain' in said, said
    with httpd(folder, site('localhost', 'site'), 'certificate-watch = 1s\n', workers=2) as daemon:
        assert serial(daemon) == first
        # what the configuration file says meanwhile does not matter
        daemon.write('keel.conf', 'not finished yet {')
        with open(folder + '/site.pem', 'rb') as f:
            good = f.read()
        daemon.write('site.pem', 'broken\n')
        until(lambda: 'reload refused' in daemon.log(), 'the refusal')
        # a worker that is replaced now serves what the others do
        for pid in worker_pids(daemon):
            os.kill(pid, signal.SIGKILL)
        until(lambda: len(re.findall('worker died', daemon.log())) == 2, 'two deaths')
        whole(daemon, 2)
        assert serial(daemon) == first and serial(daemon) == first
        daemon.write('site.pem', good)
        until(lambda: daemon.log().count('a file changed') == 2, 'the reload')
        until(lambda: re.search(r'serving generation=2 ', daemon.log()), 'the end of it')
        second = authority.sign('site', 'localhost')
        until(lambda: serial(daemon) == second, 'the new certificate', patience=30, pause=0.2)
        whole(daemon, 2)
        assert daemon.log().count('reload refused') == 1, daemon.log()
        assert re.search(r'reload refused.*site\.pem', daemon.log())


def names():
    folder = directory()
    authority = Authority(folder)
    serials = {'default': authority.sign('default', 'default.example'),
               'wild': authority.sign('wild', '*.wild.example', 'wild.example'),
               'named': authority.sign('named', 'elsewhere.example'),
               'exact': authority.sign('exact', 'exact.wild.example')}
    sites = site('wild.example', 'wild', 'names = { "x.other.example" }') \
        + site('named.example', 'named', 'names = { "also.wild.example" }') \
        + site('exact.wild.example', 'exact') + site('default.example', 'default', default=True)
    with httpd(folder, sites) as daemon:
        for name, expected in (
                ('default.example', 'default'), ('wild.example', 'wild'), ('a.wild.example', 'wild'),
                ('A.Wild.Example', 'wild'), ('exact.wild.example', 'exact'),
                ('also.wild.example', 'named'), ('named.example', 'named'),
                ('elsewhere.example', 'named'), ('x.other.example', 'wild'),
                ('a.b.wild.example', 'default'), ('unknown.example', 'default'),
                ('example', 'default'), (None, 'default')):
            assert serial(daemon, name) == serials[expected], name


def two_keys():
    folder = directory()
    authority = Authority(folder)
    rsa, ec = authority.sign('rsa', 'localhost', kind='rsa'), authority.sign('ec', 'localhost')
    authority.respond('rsa.der', 'rsa')
    authority.respond('ec.der', 'ec')
    both = 'site "localhost" { root = "www" certificate = { "ec.pem", "rsa.pem" }\n' \
           'key = { "ec.key", "rsa.key" }\nocsp = { "ec.der", "rsa.der" } }\n'
    with httpd(folder, both) as daemon:
        assert serial(daemon, 'localhost') == ec
        for version, only, expected in (
                ('-tls1_3', 'rsa_pss_rsae_sha256', rsa), ('-tls1_3', 'ecdsa_secp256r1_sha256', ec),
                ('-tls1_2', 'RSA+SHA256', rsa), ('-tls1_2', 'ECDSA+SHA256', ec)):
            answer = s_client(daemon.address('tcp', tls=True), 'localhost', version, '-sigalgs', only,
                              '-status')
            assert answer.http == 200, answer.text
            assert '%X' % expected in answer.text.upper().replace('\n', ''), (version, only)
            assert serial(daemon, 'localhost', version, '-sigalgs', only) == expected
    authority.sign('ec2', 'localhost')
    code, said = check(folder, both.replace('rsa.', 'ec2.').replace('"ec.der", "ec2.der"', '"ec.der"'))
    assert code == 2 and 'of the same type' in said, said


# --- versions and ciphers

def versions_and_ciphers():
    folder, _ = one_site()
    with httpd(folder, site('localhost', 'site')) as daemon:
        address = daemon.address('tcp', tls=True)
        assert s_client(address, 'localhost').version == 'TLSv1.3'
        assert 'TLS_AES_128_GCM_SHA256' in s_client(address, 'localhost').text
        answer = s_client(address, 'localhost', '-tls1_2')
        assert answer.version == 'TLSv1.2' and 'ECDHE-ECDSA-AES128-GCM-SHA256' in answer.text
        for cipher in ('AES128-SHA', 'ECDHE-ECDSA-AES128-SHA256', 'ECDHE-ECDSA-AES256-SHA',
                       'AES128-GCM-SHA256', 'aNULL'):
            assert s_client(address, 'localhost', '-tls1_2', '-cipher', cipher + ':@SECLEVEL=0').http is None
        assert s_client(address, 'localhost', '-tls1_1', '-cipher', 'ALL:@SECLEVEL=0').http is None
    with httpd(folder, site('localhost', 'site'), 'tls-minimum = 1.3\n') as daemon:
        address = daemon.address('tcp', tls=True)
        assert s_client(address).http == 200 and s_client(address, 'localhost', '-tls1_2').http is None
    with httpd(folder, site('localhost', 'site'),
               'tls-ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384"\n') as daemon:
        address = daemon.address('tcp', tls=True)
        assert 'ECDHE-ECDSA-AES256-GCM-SHA384' in s_client(address, 'localhost', '-tls1_2').text
        assert s_client(address, 'localhost', '-tls1_2', '-cipher',
                        'ECDHE-ECDSA-AES128-GCM-SHA256').http is None
    code, said = check(folder, 'tls-ciphers = "NOTHING"\n' + site('localhost', 'site'))
    assert code == 2 and 'check.conf:2: tls-ciphers: "NOTHING"' in said, said


# --- memory

def idle_memory():
    """Private memory of a TLS connection that is idle: DESIGN, section 9."""
    need_no_sanitizer()
    folder, _ = one_site()
    trust = ssl.create_default_context(cafile=folder + '/ca.pem')
    with httpd(folder, site('localhost', 'site')) as daemon:
        held = []

        def private_after(count):
            while len(held) < count:
                plain = socket.create_connection(daemon.address('tcp', tls=True), timeout=20)
                held.append(trust.wrap_socket(plain, server_hostname='localhost'))
                held[-1].sendall(b'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
                assert held[-1].recv(4096)
            with open('/proc/%d/smaps_rollup' % daemon.children()[0], encoding='utf-8') as f:
                return sum(int(row.split()[1]) for row in f if row.startswith('Private_')) << 10
        few = private_after(100)
        each = (private_after(500) - few) / 400
        tap.note('%d bytes for an idle TLS connection' % each)
        assert each < 15 << 10, each
        for connection in held:
            connection.close()


run(*[('tickets over %s at every worker, over rotations, a reload and an upgrade' % name,
       lambda version=version: tickets(version)) for name, version in TWO],
    ('ticket keys rotate by time', rotation_by_time),
    ('a response is stapled', stapling),
    *[('a response that %s is not stapled, with a warning' % why,
       lambda row=(status, since, ends, why): response_that_is_no_good(*row))
      for status, since, ends, why in (
          ('REVOKED', -1, 7, 'is revoked'), ('UNKNOWN', -1, 7, 'is unknown'),
          ('GOOD', -9, -1, 'is out of date'), ('GOOD', 2, 7, 'time has not come yet'))],
    ('what ends soon is said', response_that_ends_soon),
    ('wrong responses are refused, with file and line', responses_that_are_wrong),
    ('a new response is taken up', response_is_renewed),
    *[('client certificates over %s' % name, lambda version=version: who_may_come(version))
      for name, version in TWO],
    ('misdirected requests', misdirected),
    *[('sessions over %s stay at their site' % name,
       lambda version=version: sessions_stay_at_home(version)) for name, version in TWO],
    ('wrong options about clients', client_options),
    ('certificates that change on disk', changes_on_disk),
    ('names choose certificates', names),
    ('an RSA and an ECDSA certificate together', two_keys),
    ('versions and ciphers', versions_and_ciphers),
    ('memory of an idle connection', idle_memory))
