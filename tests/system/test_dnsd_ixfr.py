"""IXFR out: dig, and named, knotd and nsd as secondaries that take differences; transfers over TLS to
named and nsd."""
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from dns import ask_udp, free_port, query, wire, zone_text
from keel import Daemon, directory, need_program, output, run, spawn, tap, until

KEY = 'transfer.example.'
SECRET = 'MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI='
KEYS = 'key "%s" {\n  algorithm = hmac-sha256\n  secret = "%s"\n}\n' % (KEY, SECRET)
CREDENTIALS = ('-y', 'hmac-sha256:%s:%s' % (KEY, SECRET))
SOA = 6


def zone_of(serial, more=''):
    return '$TTL 60\n@ SOA ns h %d 3600 900 86400 5\n@ NS ns\nns A 192.0.2.1\n%s' % (serial, more)


def hosts(count):
    return ''.join('host%d A 10.%d.%d.%d\n' % (i, i >> 16, i >> 8 & 255, i & 255)
                   for i in range(count))


def serial_of(address, zone):
    try:
        reply = ask_udp(address, query(zone, SOA), 1.0)
    except OSError:
        return None
    at = 12 + len(wire(zone)) + 4
    if reply[3] & 15 or reply[6:8] != b'\0\1' or reply[at] < 0xC0:
        return None
    end = at + 12 + int.from_bytes(reply[at + 10:at + 12], 'big')
    return int.from_bytes(reply[end - 20:end - 16], 'big')


def dig(address, zone, kind, *options):
    """The records of a transfer in their order."""
    text = output([need_program('dig'), '@' + address[0], '-p', str(address[1]), '+noall',
                   '+answer', '+nocookie', '+tcp', *options, zone, kind], patience=60)
    return [' '.join(line.split()).lower() for line in text.splitlines() if line]


def short(records):
    """SOA records as S and their serial, others as their owner's first label."""
    return ['s%s' % r.split()[6] if r.split()[3] == 'soa' else r.split('.')[0] for r in records]


def axfr(address, zone, *options):
    return sorted(dig(address, zone, 'AXFR', '+onesoa', *options))


def dnsd(texts, port=None, notify=(), conf='', listen=None, options='', **more):
    text = KEYS + conf
    for zone in texts:
        text += ('zone "%s" {\n file = "%s.zone"\n allow-transfer = { "127.0.0.0/8" }\n'
                 ' notify = { %s }\n %s }\n') % (zone, zone, ', '.join('"%s"' % n for n in notify),
                                                options)
    return Daemon('dnsd', conf=text, listen=listen or ('127.0.0.1:%d' % (port or 0),),
                  files={zone + '.zone': content for zone, content in texts.items()}, **more)


def change(ours, zone, text, serial):
    ours.write(zone + '.zone', text)
    ours.ctl('zone-reload', zone)
    until(lambda: serial_of(ours.address('udp'), zone) == serial, 'serial %d' % serial)


# ---- what is sent

def steps_by_dig():
    with dnsd({'z': zone_of(1, 'a A 192.0.2.1\nb A 192.0.2.2\n')}, workers=2) as ours:
        tcp = ours.address('tcp')
        change(ours, 'z', zone_of(2, 'b A 192.0.2.2\nc TXT "new"\n'), 2)
        change(ours, 'z', zone_of(3, 'b A 192.0.2.3\nc TXT "new"\n'), 3)
        assert short(dig(tcp, 'z', 'IXFR=1')) == ['s3', 's1', 'a', 's2', 'c', 's2', 'b', 's3', 'b',
                                                 's3'], dig(tcp, 'z', 'IXFR=1')
        assert short(dig(tcp, 'z', 'IXFR=2', *CREDENTIALS)) == ['s3', 's2', 'b', 's3', 'b', 's3']
        assert short(dig(tcp, 'z', 'IXFR=3')) == ['s3']
        assert short(dig(tcp, 'z', 'IXFR=4')) == ['s3']
        whole = dig(tcp, 'z', 'IXFR=77777')  # nobody's serial, and not newer than ours
        assert short(whole) == ['s3'] or sorted(whole) == sorted(dig(tcp, 'z', 'AXFR')), whole
        assert ours.metric('dnsd_transfers_out_total', result='differences') == 2


def after_a_restart():
    folder = directory()
    with dnsd({'z': zone_of(1, hosts(50))}, folder=folder) as ours:
        change(ours, 'z', zone_of(2, hosts(50) + 'c TXT "new"\n'), 2)
        assert short(dig(ours.address('tcp'), 'z', 'IXFR=1')) == ['s2', 's1', 's2', 'c', 's2']
    with dnsd({'z': zone_of(2, hosts(50) + 'c TXT "new"\n')}, folder=folder) as ours:
        assert short(dig(ours.address('tcp'), 'z', 'IXFR=1')) == ['s2', 's1', 's2', 'c', 's2']
        change(ours, 'z', zone_of(3, hosts(50)), 3)
        assert short(dig(ours.address('tcp'), 'z', 'IXFR=1')) \
            == ['s3', 's1', 's2', 'c', 's2', 'c', 's3', 's3']


def a_large_step():
    with dnsd({'z': zone_of(1, hosts(30000))}) as ours:
        change(ours, 'z', zone_of(2, hosts(20000) + 'c TXT "new"\n'), 2)
        records = short(dig(ours.address('tcp'), 'z', 'IXFR=1', *CREDENTIALS))
        assert records[:2] == ['s2', 's1'] and records[-3:] == ['s2', 'c', 's2'], records[:5]
        assert len(records) == 10000 + 5, len(records)


# ---- who takes it

class Secondary:
    """A server that nobody here wrote, with zones from ours."""

    def __init__(self, zones):
        self.folder = tempfile.mkdtemp(dir=directory())
        self.address = ('127.0.0.1', free_port())
        self.zones = zones
        self.process = None

    def path(self, name):
        return os.path.join(self.folder, name)

    def start(self, port):
        self.port = port
        with open(self.path('conf'), 'w', encoding='ascii') as f:
            f.write(self.conf())
        self.log = open(self.path('log'), 'a+b')
        self.process = spawn(self.argv(), stdin=subprocess.DEVNULL, stdout=self.log,
                             stderr=self.log, cwd=self.folder)

    def text(self):
        with open(self.path('log'), encoding='utf-8', errors='replace') as f:
            return f.read()

    def follows(self, zone, serial, ours):
        try:
            until(lambda: serial_of(self.address, zone) == serial,
                  '%s with serial %d' % (zone, serial), patience=30, pause=0.05)
        except AssertionError as reason:
            raise AssertionError('%s\n%s\n%s' % (reason, ours.log()[-3000:],
                                                 self.text()[-3000:])) from None

    def close(self):
        if not self.process:
            return
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None
        self.log.close()


class Named(Secondary):
    program = 'named'
    tls = None  # the file of who signed the server's certificate

    def argv(self):
        return [need_program('named'), '-g', '-n', '1', '-c', self.path('conf')]

    def conf(self):
        tls = 'tls theirs { ca-file "%s"; remote-hostname "dns.example"; };' % self.tls \
            if self.tls else ''
        return '''%s options { directory "%s"; listen-on port %d { 127.0.0.1; };
            listen-on-v6 { none; }; pid-file none; session-keyfile none; recursion no;
            dnssec-validation no; notify no; allow-transfer { any; }; };
            controls { };
            key "%s" { algorithm hmac-sha256; secret "%s"; };
            ''' % (tls, self.folder, self.address[1], KEY, SECRET) + ''.join(
                'zone "%s" { type secondary; file "%s.db"; masterfile-format text;'
                ' primaries port %d { 127.0.0.1 key %s %s; }; };\n'
                % (z, z, self.port, KEY, 'tls theirs' if self.tls else '') for z in self.zones)


class Nsd(Secondary):
    program = 'nsd'
    tls = None

    def argv(self):
        return [need_program('nsd'), '-d', '-c', self.path('conf')]

    def conf(self):
        bundle = 'tls-cert-bundle: "%s"' % self.tls if self.tls else ''
        auth = '''
        tls-auth:
            name: theirs
            auth-domain-name: dns.example
        ''' if self.tls else ''
        return '''server:
            ip-address: 127.0.0.1@%d
            server-count: 1
            username: ""
            chroot: ""
            database: ""
            zonesdir: "%s"
            pidfile: "%s"
            xfrdfile: "%s"
            xfrdir: "%s"
            zonelistfile: "%s"
            verbosity: 2
            %s
        remote-control:
            control-enable: no
        key:
            name: "%s"
            algorithm: hmac-sha256
            secret: "%s"
        %s
        ''' % (self.address[1], self.folder, self.path('pid'), self.path('xfrd'), self.folder,
               self.path('list'), bundle, KEY, SECRET, auth) + ''.join('''
        zone:
            name: "%s"
            zonefile: "%s.db"
            request-xfr: %s 127.0.0.1@%d %s %s
            allow-notify: 127.0.0.1 %s
            provide-xfr: 127.0.0.1 NOKEY
        ''' % (z, z, 'AXFR' if self.tls else '', self.port, KEY, 'theirs' if self.tls else '', KEY)
                                                            for z in self.zones)


class Knotd(Secondary):
    program = 'knotd'

    def argv(self):
        return [need_program('knotd'), '-c', self.path('conf')]

    def conf(self):
        return '''server:
    rundir: "%s"
    listen: 127.0.0.1@%d
log:
  - target: stderr
    any: info
database:
    storage: "%s"
key:
  - id: %s
    algorithm: hmac-sha256
    secret: %s
remote:
  - id: primary
    address: 127.0.0.1@%d
    key: %s
acl:
  - id: notify
    address: 127.0.0.1
    key: %s
    action: notify
  - id: transfer
    address: 127.0.0.1
    action: transfer
zone:
''' % (self.folder, self.address[1], self.folder, KEY, SECRET, self.port, KEY, KEY) + ''.join(
            '  - domain: %s\n    storage: "%s"\n    master: primary\n    acl: [notify, transfer]\n'
            % (z, self.folder) for z in self.zones)


def takes_differences(kind):
    need_program(kind.program)
    server = kind(('big', 'signed'))
    signed = zone_text('signed.zone')
    texts = {'big': zone_of(1, hosts(5000)), 'signed': signed}
    try:
        with dnsd(texts, None, ['127.0.0.1:%d key:%s' % (server.address[1], KEY)],
                  workers=2) as ours:
            server.start(ours.address('tcp')[1])
            server.follows('big', 1, ours)
            for serial in (2, 3, 4):
                change(ours, 'big', zone_of(serial, hosts(5000 - 10 * serial)
                                            + 'x%d MX 10 mail.example.net.\n' % serial), serial)
                server.follows('big', serial, ours)
            mine, theirs = axfr(ours.address('tcp'), 'big'), axfr(server.address, 'big')
            assert mine and mine == theirs, '\n'.join(sorted(set(mine) ^ set(theirs))[:20])
            assert ours.metric('dnsd_transfers_out_total', result='differences') == 3, ours.log()
            # away meanwhile: one IXFR over three steps
            server.close()
            for serial in (5, 6, 7):
                change(ours, 'big', zone_of(serial, hosts(4960 + serial)), serial)
            server.start(ours.address('tcp')[1])
            server.follows('big', 7, ours)
            mine, theirs = axfr(ours.address('tcp'), 'big'), axfr(server.address, 'big')
            assert mine == theirs, '\n'.join(sorted(set(mine) ^ set(theirs))[:20])
            tap.note('%d differences, %d zones' % tuple(
                ours.metric('dnsd_transfers_out_total', result=r) for r in ('differences', 'sent')))
    finally:
        server.close()


def certificate(name):
    folder = tempfile.mkdtemp(dir=directory())
    both = [os.path.join(folder, n) for n in ('certificate', 'key')]
    output([need_program('openssl'), 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
            'ec_paramgen_curve:prime256v1', '-nodes', '-subj', '/CN=' + name, '-addext',
            'subjectAltName=DNS:' + name, '-days', '2', '-out', both[0], '-keyout', both[1]])
    return both


def over_tls(kind):
    need_program(kind.program)
    names = certificate('dns.example')
    server = kind(('big',))
    server.tls = names[0]
    conf = 'certificate = "%s"\nkey-file = "%s"\n' % tuple(names)
    port = free_port()
    try:
        with dnsd({'big': zone_of(1, hosts(5000))}, None, (), conf,
                  ('127.0.0.1:0', '127.0.0.1:%d tls' % port)) as ours:
            server.start(port)
            server.follows('big', 1, ours)
            assert axfr(ours.address('tcp'), 'big') == axfr(server.address, 'big')
            assert ours.metric('dnsd_queries_total', transport='tls') >= 1
    finally:
        server.close()


run(('steps, as dig sees them', steps_by_dig),
    ('after a restart', after_a_restart),
    ('a large step', a_large_step),
    ('named takes differences', lambda: takes_differences(Named)),
    ('knotd takes differences', lambda: takes_differences(Knotd)),
    ('nsd takes differences', lambda: takes_differences(Nsd)),
    ('named over TLS', lambda: over_tls(Named)),
    ('nsd over TLS', lambda: over_tls(Nsd)))
