"""dnsd as a secondary: zones from named, knotd and nsd, by AXFR and IXFR, signed, over TLS; NOTIFY,
expiry, restarts, primaries that are away."""
import base64
import hashlib
import os
import re
import signal
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from dns import ask_udp, free_port, query, wire, zone_text
from keel import Daemon, directory, need_program, output, program, run, spawn, tap, until

KEY = 'transfer.example.'
SECRET = 'MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI='
KEYS = 'key "%s" {\n  algorithm = hmac-sha256\n  secret = "%s"\n}\n' % (KEY, SECRET)
SOA, A, AXFR, IXFR = 6, 1, 252, 251
NAMES = ('signed', 'odd', 'big')


def zone_of(serial, refresh=3600, retry=900, expire=86400, more=''):
    return '$TTL 60\n@ SOA ns h %d %d %d %d 5\n@ NS ns\nns A 192.0.2.1\n%s' % (
        serial, refresh, retry, expire, more)


def hosts(count):
    return ''.join('host%d A 10.%d.%d.%d\n' % (i, i >> 16, i >> 8 & 255, i & 255)
                   for i in range(count))


def serial_of(address, zone):
    """What a server says; None: nothing, or no answer of authority; 'SERVFAIL'."""
    try:
        reply = ask_udp(address, query(zone, SOA), 1.0)
    except OSError:
        return None
    if reply[3] & 15 == 2:
        return 'SERVFAIL'
    at = 12 + len(wire(zone)) + 4
    if reply[3] & 15 or reply[6:8] != b'\0\1' or reply[at] < 0xC0:
        return None
    end = at + 12 + struct.unpack('>H', reply[at + 10:at + 12])[0]
    return struct.unpack('>I', reply[end - 20:end - 16])[0]


def axfr(address, zone, *options):
    text = output([need_program('dig'), '@' + address[0], '-p', str(address[1]), '+noall',
                   '+answer', '+onesoa', '+nocookie', *options, zone, 'AXFR'], patience=60)
    return sorted(' '.join(line.split()).lower() for line in text.splitlines() if line)


def follow(ours, serials, server=None):
    address = ours.address('udp')
    for zone, serial in serials.items():
        try:
            until(lambda z=zone, n=serial: serial_of(address, z) == n,
                  '%s with serial %s' % (zone, serial), patience=30, pause=0.05)
        except AssertionError as reason:
            raise AssertionError('%s\n%s\n%s' % (reason, ours.log()[-3000:],
                                                 server.text()[-3000:] if server else '')) from None


def secondary(zones, primaries, port=None, conf='', options='', **more):
    """Our side: zones from these words of `primary`."""
    text = KEYS + conf
    for zone in zones:
        text += 'zone "%s" {\n  primary = { %s }\n  allow-transfer = { "127.0.0.1" }\n %s\n}\n' % (
            zone, ', '.join('"%s"' % p for p in primaries), options)
    return Daemon('dnsd', conf=text, listen=('127.0.0.1:%d' % (port or 0),), **more)


# ---- primaries that nobody here wrote

class Primary:
    def __init__(self, texts, notify):
        self.folder = tempfile.mkdtemp(dir=directory())
        self.address = ('127.0.0.1', free_port())
        self.notify = notify
        self.texts = dict(texts)
        self.process = None
        for zone in texts:
            self.write(zone)

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, zone):
        with open(self.path(zone + '.zone'), 'w', encoding='ascii') as f:
            f.write(self.texts[zone])

    def start(self):
        with open(self.path('conf'), 'w', encoding='ascii') as f:
            f.write(self.conf())
        self.log = open(self.path('log'), 'a+b')
        self.process = spawn(self.argv(), stdin=subprocess.DEVNULL, stdout=self.log,
                             stderr=self.log, cwd=self.folder)
        try:
            until(lambda: all(isinstance(serial_of(self.address, z), int) for z in self.texts),
                  'the primary to answer', patience=8)
        except AssertionError as reason:
            raise AssertionError('%s\n%s' % (reason, self.text()[-3000:])) from None

    def text(self):
        with open(self.path('log'), encoding='utf-8', errors='replace') as f:
            return f.read()

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

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


class Named(Primary):
    program = 'named'
    incremental = True

    def argv(self):
        return [need_program('named'), '-g', '-n', '1', '-c', self.path('conf')]

    def conf(self):
        return '''options { directory "%s"; listen-on port %d { 127.0.0.1; }; listen-on-v6 { none; };
            pid-file none; session-keyfile none; recursion no; dnssec-validation no;
            notify explicit; also-notify port %d { 127.0.0.1 key %s; }; notify-delay 0;
            ixfr-from-differences yes; check-names primary ignore; };
            controls { };
            key "%s" { algorithm hmac-sha256; secret "%s"; };
            ''' % (self.folder, self.address[1], self.notify, KEY, KEY, SECRET) + ''.join(
                'zone "%s" { type primary; file "%s.zone"; check-integrity no;'
                ' allow-transfer { key %s; }; };\n' % (z, z, KEY) for z in self.texts)


class Nsd(Primary):
    program = 'nsd'
    incremental = True

    def argv(self):
        return [need_program('nsd'), '-d', '-c', self.path('conf')]

    def conf(self):
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
        remote-control:
            control-enable: no
        key:
            name: "%s"
            algorithm: hmac-sha256
            secret: "%s"
        ''' % (self.address[1], self.folder, self.path('pid'), self.path('xfrd'), self.folder,
               self.path('list'), KEY, SECRET) + ''.join('''
        zone:
            name: "%s"
            zonefile: "%s.zone"
            store-ixfr: yes
            create-ixfr: yes
            notify: 127.0.0.1@%d %s
            provide-xfr: 127.0.0.1 %s
        ''' % (z, z, self.notify, KEY, KEY) for z in self.texts)


class Knotd(Primary):
    program = 'knotd'
    incremental = True

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
  - id: ours
    address: 127.0.0.1@%d
    key: %s
acl:
  - id: transfer
    address: 127.0.0.1
    key: %s
    action: transfer
template:
  - id: default
    zonefile-load: difference
    journal-content: changes
    semantic-checks: off
zone:
''' % (self.folder, self.address[1], self.folder, KEY, SECRET, self.notify, KEY, KEY) + ''.join(
            '  - domain: %s\n    storage: "%s"\n    file: "%s.zone"\n    notify: ours\n'
            '    acl: transfer\n' % (z, self.folder, z) for z in self.texts)


def follows(kind):
    need_program(kind.program)
    texts = {'signed': zone_text('signed.zone'), 'odd': zone_text('odd.zone'),
             'big': zone_of(7, more=hosts(20000))}
    port = free_port()
    server = kind(texts, port)
    credentials = ('-y', 'hmac-sha256:%s:%s' % (KEY, SECRET))
    try:
        server.start()
        serials = {z: serial_of(server.address, z) for z in texts}
        with secondary(NAMES, ['127.0.0.1:%d key:%s' % (server.address[1], KEY)], port,
                       workers=2) as ours:
            follow(ours, serials, server)
            for zone in NAMES:
                mine = axfr(ours.address('tcp'), zone)
                theirs = axfr(server.address, zone, *credentials)
                assert mine and mine == theirs, '\n'.join(sorted(set(mine) ^ set(theirs))[:20])
            for zone in ('odd', 'big'):
                old, new = ' %d ' % serials[zone], ' %d ' % (serials[zone] + 1)
                assert texts[zone].count(old) >= 1
                server.texts[zone] = texts[zone].replace(old, new, 1) + 'new A 192.0.2.99\n'
                server.write(zone)
                serials[zone] += 1
            server.reload()
            follow(ours, serials, server)
            assert ask_udp(ours.address('udp'), query('new.big', A))[7] == 1
            assert axfr(ours.address('tcp'), 'big') == axfr(server.address, 'big', *credentials)
            if kind.incremental:
                assert re.search(r'zone taken.*zone=big\. serial=8 .*type=IXFR', ours.log()), \
                    ours.log()[-3000:]
            assert ours.metric('dnsd_notify_heard_total') >= 2
            tap.note('%d zones taken' % ours.metric('dnsd_transfers_in_total'))
    finally:
        server.close()


# ---- our own primary: what happens when

def ours_as_primary(texts, port, notify=None, conf='', listen=None, options=''):
    text = KEYS + conf
    for zone in texts:
        text += 'zone "%s" {\n file = "%s.zone"\n allow-transfer = { "127.0.0.0/8" }\n %s %s }\n' % (
            zone, zone, 'notify = { "127.0.0.1:%d" }\n' % notify if notify else '', options)
    return Daemon('dnsd', conf=text, listen=listen or ('127.0.0.1:%d' % port,),
                  files={zone + '.zone': content for zone, content in texts.items()})


def status(daemon, zone):
    return daemon.ctl('zone-status', zone)


# ---- over TLS

def certificate(name):
    folder = tempfile.mkdtemp(dir=directory())
    both = [os.path.join(folder, n) for n in ('certificate', 'key')]
    output([need_program('openssl'), 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
            'ec_paramgen_curve:prime256v1', '-nodes', '-subj', '/CN=' + name, '-addext',
            'subjectAltName=DNS:' + name, '-days', '2', '-out', both[0], '-keyout', both[1]])
    return both


def pin_of(path):
    key = subprocess.run(['openssl', 'x509', '-in', path, '-noout', '-pubkey'],
                         capture_output=True, check=True).stdout
    der = subprocess.run(['openssl', 'pkey', '-pubin', '-outform', 'DER'], input=key,
                         capture_output=True, check=True).stdout
    return base64.b64encode(hashlib.sha256(der).digest()).decode()


def by_tls(port, good, wrong):
    """What of a primary with the certificate `good` is taken, and what not."""
    zones = {'opportunistic': 'tls', 'named': 'tls name:dns.example ca:%s' % good[0],
             'pinned': 'tls pin:' + pin_of(good[0]),
             'other-name': 'tls name:other.example ca:%s' % good[0],
             'other-ca': 'tls name:dns.example ca:%s' % wrong[0],
             'other-pin': 'tls pin:' + pin_of(wrong[0])}
    text = KEYS + ''.join('zone "%s" { primary = { "127.0.0.1:%d key:%s %s" } }\n'
                          % (zone, port, KEY, words) for zone, words in zones.items())
    with Daemon('dnsd', conf=text) as ours:
        follow(ours, {'opportunistic': 5, 'named': 5, 'pinned': 5})
        for zone in ('other-name', 'other-ca', 'other-pin'):
            until(lambda z=zone: re.search(r'zone=%s\. .*TLS failed' % z, ours.log()),
                  zone + ' to be refused:\n' + ours.log(), patience=20)
            assert serial_of(ours.address('udp'), zone) == 'SERVFAIL'
        assert len(re.findall(r'zone taken.* tls=yes', ours.log())) == 3, ours.log()
    return zones


TLS_ZONES = ('opportunistic', 'named', 'pinned', 'other-name', 'other-ca', 'other-pin')


def tls_from_named():
    good, wrong = certificate('dns.example'), certificate('dns.example')

    class Tls(Named):
        def conf(self):
            text = Named.conf(self).replace(
                'listen-on-v6', 'listen-on port %d tls ours { 127.0.0.1; }; listen-on-v6'
                % self.port, 1)
            return 'tls ours { cert-file "%s"; key-file "%s"; protocols { TLSv1.3; }; };\n' \
                % tuple(good) + text
    server = Tls({zone: zone_of(5) for zone in TLS_ZONES}, free_port())
    server.port = free_port()
    try:
        server.start()
        by_tls(server.port, good, wrong)
    finally:
        server.close()


def tls_from_nsd():
    good, wrong = certificate('dns.example'), certificate('dns.example')

    class Tls(Nsd):
        def conf(self):
            return Nsd.conf(self).replace(
                'server-count: 1', 'server-count: 1\n            ip-address: 127.0.0.1@%d\n'
                '            tls-port: %d\n            tls-service-pem: "%s"\n'
                '            tls-service-key: "%s"' % (self.port, self.port, *good), 1)
    server = Tls({zone: zone_of(5) for zone in TLS_ZONES}, free_port())
    server.port = free_port()
    try:
        server.start()
        by_tls(server.port, good, wrong)
    finally:
        server.close()


def tls_to_ourselves_and_kdig():
    good, wrong = certificate('dns.example'), certificate('dns.example')
    port = free_port()
    conf = 'certificate = "%s"\nkey-file = "%s"\n' % tuple(good)
    with ours_as_primary({zone: zone_of(5, more=hosts(3000)) for zone in TLS_ZONES}, port, None,
                         conf, ('127.0.0.1:0', '127.0.0.1:%d tls' % port)) as primary:
        by_tls(port, good, wrong)
        said = output([need_program('kdig'), '@127.0.0.1', '-p', str(port), '+tls-ca=' + good[0],
                       '+tls-hostname=dns.example', 'named', 'AXFR'])
        assert 'host2999.named.' in said, said[-1000:]
        until(lambda: primary.metric('dnsd_transfers_out_total', result='sent') == 4, 'four')


def wrong_configurations():
    def said(text):
        folder = tempfile.mkdtemp(dir=directory())
        with open(os.path.join(folder, 'dnsd.conf'), 'w', encoding='ascii') as f:
            f.write('listen = { "127.0.0.1:0" }\n' + KEYS + text)
        answer = subprocess.run([program('dnsd'), '--check', '-c',
                                 os.path.join(folder, 'dnsd.conf')], capture_output=True, text=True,
                                timeout=20, check=False)
        return answer.returncode, answer.stderr
    zone = 'zone "z" { primary = { "127.0.0.1" } }\nzone "y" {\n primary = { %s } %s }\n'
    pin = 'pin:' + 'A' * 43 + '='
    for words, options, expected in (
            ('"localhost"', '', ':8: zone "y": primary: '),
            ('"127.0.0.1",\n"127.0.0.2 key:k."', '', ':9: zone "y": primary: there is no key "k."'),
            ('"127.0.0.1:0"', '', 'nobody can be reached there'),
            ('"127.0.0.1 tlss"', '', '"tlss" is none of'),
            ('"127.0.0.1 name:x"', '', 'need the word tls'),
            ('"127.0.0.1 tls ca:x"', '', 'the name: of the server is needed'),
            ('"127.0.0.1 tls name:x ca:nowhere.pem"', '', 'nowhere.pem'),
            ('"127.0.0.1 tls name:x name:y"', '', 'twice'),
            ('"127.0.0.1 tls pin:AAAA"', '', 'base64 of 32 bytes'),
            ('"127.0.0.1 tls name:x %s"' % pin, '', 'stands alone'),
            ('"127.0.0.1"', 'allow-notify = { "x" }', ':8: zone "y": allow-notify: ')):
        status, error = said(zone % (words, options))
        assert status == 2 and expected in error, (words, options, status, error)
    assert said(zone % ('"127.0.0.1 key:%s", "[::1]:54 tls", "192.0.2.1 tls %s"' % (KEY, pin),
                        'allow-notify = { "192.0.2.0/24" }')) == (0, '')


if __name__ == '__main__':
    run(('wrong configurations', wrong_configurations),
        ('a secondary of named', lambda: follows(Named)),
        ('a secondary of knotd', lambda: follows(Knotd)),
        ('a secondary of nsd', lambda: follows(Nsd)),
        ('over TLS from named', tls_from_named),
        ('over TLS from nsd', tls_from_nsd),
        ('over TLS from ourselves', tls_to_ourselves_and_kdig))
