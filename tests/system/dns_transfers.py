"""What the tests of zone transfers share: zones to move, how to ask for them, ourselves on either
side, and named, nsd and knotd as primaries and secondaries."""
import signal

from dns import ask_udp, query, wire
from dns_peers import Knotd, Named, Nsd
from keel import Daemon, need_program, output, until

KEY = 'transfer.example.'
SECRET = 'MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI='
KEYS = 'key "%s" {\n  algorithm = hmac-sha256\n  secret = "%s"\n}\n' % (KEY, SECRET)
CREDENTIALS = ('-y', 'hmac-sha256:%s:%s' % (KEY, SECRET))
A, SOA, IXFR, AXFR = 1, 6, 251, 252


def zone_of(serial, more='', times=(3600, 900, 86400)):
    """times: refresh, retry, expire."""
    return '$TTL 60\n@ SOA ns h %d %d %d %d 5\n@ NS ns\nns A 192.0.2.1\n%s' % (
        serial, *times, more)


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
    end = at + 12 + int.from_bytes(reply[at + 10:at + 12], 'big')
    return int.from_bytes(reply[end - 20:end - 16], 'big')


def follow(address, serials, *logs):
    """Until the server has these serials; else an error with the end of each log: callables."""
    for zone, serial in serials.items():
        try:
            until(lambda z=zone, n=serial: serial_of(address, z) == n,
                  '%s with serial %s' % (zone, serial), patience=30, pause=0.05)
        except AssertionError as reason:
            raise AssertionError('\n'.join([str(reason)] + [log()[-3000:] for log in logs])) \
                from None


def transfer(address, zone, kind, *options):
    """The records of a transfer in their order, by dig."""
    text = output([need_program('dig'), '@' + address[0], '-p', str(address[1]), '+noall',
                   '+answer', '+nocookie', '+tcp', *options, zone, kind], patience=60)
    return [' '.join(line.split()).lower() for line in text.splitlines() if line]


def axfr(address, zone, *options):
    return sorted(transfer(address, zone, 'AXFR', '+onesoa', *options))


def same_zone(mine, theirs):
    """Of two that axfr() gave."""
    assert mine and mine == theirs, '\n'.join(sorted(set(mine) ^ set(theirs))[:20])


# ---- ourselves

def primary(texts, port=0, notify=(), conf='', listen=None, options='', **more):
    """dnsd with these zones, which anybody here may have."""
    text = KEYS + conf
    for zone in texts:
        text += ('zone "%s" {\n file = "%s.zone"\n allow-transfer = { "127.0.0.0/8" }\n'
                 ' notify = { %s }\n %s }\n') % (zone, zone, ', '.join('"%s"' % n for n in notify),
                                                options)
    return Daemon('dnsd', conf=text, listen=listen or ('127.0.0.1:%d' % port,),
                  files={zone + '.zone': content for zone, content in texts.items()}, **more)


def secondary(zones, primaries, port=0, conf='', options='', **more):
    """dnsd with zones from these words of `primary`."""
    text = KEYS + conf
    for zone in zones:
        text += 'zone "%s" {\n  primary = { %s }\n  allow-transfer = { "127.0.0.1" }\n %s\n}\n' % (
            zone, ', '.join('"%s"' % p for p in primaries), options)
    return Daemon('dnsd', conf=text, listen=('127.0.0.1:%d' % port,), **more)


# ---- servers that nobody here wrote

class NamedKey(Named):
    def head(self, options):
        return super().head(options) + 'key "%s" { algorithm hmac-sha256; secret "%s"; };\n' % (
            KEY, SECRET)


class NsdKey(Nsd):
    def head(self, *lines):
        return super().head('verbosity: 2', *lines) + '''
        key:
            name: "%s"
            algorithm: hmac-sha256
            secret: "%s"
        ''' % (KEY, SECRET)


class KnotdKey(Knotd):
    def head(self, remote, port):
        """With one server that it asks, or tells."""
        return super().head('info') + '''key:
  - id: %s
    algorithm: hmac-sha256
    secret: %s
remote:
  - id: %s
    address: 127.0.0.1@%d
    key: %s
''' % (KEY, SECRET, remote, port, KEY)


class Primary:
    """Of zones: name -> text, which tells `notify`, a port, of news."""

    def __init__(self, texts, notify):
        super().__init__()
        self.notify = notify
        self.texts = dict(texts)

    def start(self):
        for zone, text in self.texts.items():
            self.write(zone + '.zone', text)
        self.launch()
        self.wait(lambda: all(isinstance(serial_of(self.address, z), int) for z in self.texts), 20)

    def change(self, texts):
        self.texts.update(texts)
        for zone, text in texts.items():
            self.write(zone + '.zone', text)
        self.process.send_signal(signal.SIGHUP)


class NamedPrimary(Primary, NamedKey):
    def conf(self):
        return self.head('notify explicit; also-notify port %d { 127.0.0.1 key %s; }; '
                         'notify-delay 0; ixfr-from-differences yes; check-names primary ignore;'
                         % (self.notify, KEY)) + ''.join(
            'zone "%s" { type primary; file "%s.zone"; check-integrity no;'
            ' allow-transfer { key %s; }; };\n' % (z, z, KEY) for z in self.texts)


class NsdPrimary(Primary, NsdKey):
    def conf(self, *lines):
        return self.head(*lines) + ''.join('''
        zone:
            name: "%s"
            zonefile: "%s.zone"
            store-ixfr: yes
            create-ixfr: yes
            notify: 127.0.0.1@%d %s
            provide-xfr: 127.0.0.1 %s
        ''' % (z, z, self.notify, KEY, KEY) for z in self.texts)


class KnotdPrimary(Primary, KnotdKey):
    def conf(self):
        return self.head('ours', self.notify) + '''acl:
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
''' % KEY + ''.join(
            '  - domain: %s\n    storage: "%s"\n    file: "%s.zone"\n    notify: ours\n'
            '    acl: transfer\n' % (z, self.folder, z) for z in self.texts)


class Secondary:
    """Of zones, a list of names."""
    tls = None  # the file of who signed the primary's certificate: by TLS alone

    def __init__(self, zones):
        super().__init__()
        self.zones = zones

    def start(self, port):
        """With the primary on this port; waits for nothing."""
        self.primary = port
        self.launch()


class NamedSecondary(Secondary, NamedKey):
    def conf(self):
        tls = 'tls theirs { ca-file "%s"; remote-hostname "dns.example"; };\n' % self.tls \
            if self.tls else ''
        return tls + self.head('notify no; allow-transfer { any; };') + ''.join(
            'zone "%s" { type secondary; file "%s.db"; masterfile-format text;'
            ' primaries port %d { 127.0.0.1 key %s %s; }; };\n'
            % (z, z, self.primary, KEY, 'tls theirs' if self.tls else '') for z in self.zones)


class NsdSecondary(Secondary, NsdKey):
    def conf(self):
        head = self.head()
        if self.tls:
            head = self.head('tls-cert-bundle: "%s"' % self.tls) + '''
        tls-auth:
            name: theirs
            auth-domain-name: dns.example
        '''
        return head + ''.join('''
        zone:
            name: "%s"
            zonefile: "%s.db"
            request-xfr: %s 127.0.0.1@%d %s %s
            allow-notify: 127.0.0.1 %s
            provide-xfr: 127.0.0.1 NOKEY
        ''' % (z, z, 'AXFR' if self.tls else '', self.primary, KEY,
               'theirs' if self.tls else '', KEY) for z in self.zones)


class KnotdSecondary(Secondary, KnotdKey):
    def conf(self):
        return self.head('primary', self.primary) + '''acl:
  - id: notify
    address: 127.0.0.1
    key: %s
    action: notify
  - id: transfer
    address: 127.0.0.1
    action: transfer
zone:
''' % KEY + ''.join(
            '  - domain: %s\n    storage: "%s"\n    master: primary\n    acl: [notify, transfer]\n'
            % (z, self.folder) for z in self.zones)
