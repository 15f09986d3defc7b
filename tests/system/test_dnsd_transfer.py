"""Zone transfers, TSIG, access lists and NOTIFY: dig, kdig and drill as clients; named, nsd and
knotd as secondaries that follow a NOTIFY."""
import os
import re
import signal
import socket
import struct
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from dns import DATA, ask_udp, framed, query, read_message, tcp, zone_text
from dns_transfers import (AXFR, CREDENTIALS, KEY, SECRET, SOA, KnotdSecondary, NamedSecondary,
                           NsdSecondary, axfr, follow, hosts, same_zone, serial_of)
from keel import (Daemon, check_conf, directory, need_program, output, program, run, tap, until)

ALGORITHMS = ('hmac-sha1', 'hmac-sha224', 'hmac-sha256', 'hmac-sha384', 'hmac-sha512')
SMALL = '$TTL 60\n@ SOA ns h 7 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n'
NOTIFY = 4 << 11


def key_section(name=KEY, algorithm='hmac-sha256'):
    return 'key "%s" {\n  algorithm = %s\n  secret = "%s"\n}\n' % (name, algorithm, SECRET)


def dnsd(zones, conf='', **more):
    """dnsd with keys and zones: name -> (text of the file, options)."""
    files, text = {}, key_section() + conf
    for name, (content, options) in zones.items():
        files[name + '.zone'] = content
        text += 'zone "%s" {\n  file = "%s.zone"\n  %s\n}\n' % (name, name, options)
    return Daemon('dnsd', conf=text, files=files, **more)


def big_zone(names):
    return SMALL + hosts(names)


def wide_zone(names):
    """About 900 bytes a record: more than the sockets in between hold, and quickly loaded."""
    text = ' '.join('"%s"' % ('x' * 220) for _ in range(4))
    return SMALL + ''.join('t%d TXT %s\n' % (i, text) for i in range(names))


WIDE = 20000


# ---- whole zones by the tools

def dig_axfr(address, zone, *options):
    """All records, one line each without the second SOA; None when it failed."""
    text = output([need_program('dig'), '@' + address[0], '-p', str(address[1]), '+onesoa',
                   '+nocomments', '+nostats', '+nocmd', '+time=10', '+tries=1', *options, zone,
                   'AXFR'], patience=60, check=False)
    if 'Transfer failed' in text or 'rror' in text or not text.strip():
        return None
    return sorted(' '.join(line.split()).lower() for line in text.splitlines()
                  if line and not line.startswith(';') and ' TSIG ' not in ' '.join(line.split()))


def compiled(zone, text):
    """The same from the zone file, as BIND reads it."""
    folder = tempfile.mkdtemp(dir=directory())
    path = os.path.join(folder, 'zone')
    with open(path, 'w', encoding='ascii') as f:
        f.write(text)
    dump = output([need_program('named-compilezone'), '-i', 'none', '-k', 'ignore', '-m', 'ignore',
                   '-n', 'ignore', '-M', 'ignore', '-S', 'ignore', '-W', 'ignore', '-r', 'ignore',
                   '-q', '-F', 'text', '-s', 'full', '-o', '-', zone, path])
    return sorted(' '.join(line.split()).lower() for line in dump.splitlines() if line.strip()
                  and not line.startswith(';'))


def zones_by_dig():
    zones = {'example.org': (zone_text('example.org.zone'), 'allow-transfer = { "any" }'),
             'odd': (zone_text('odd.zone'), 'allow-transfer = { "key:%s" }' % KEY)}
    with dnsd(zones, workers=2) as ours:
        address = ours.address('tcp')
        for zone, options in (('example.org', ()), ('odd', CREDENTIALS)):
            got = dig_axfr(address, zone, *options)
            expected = compiled(zone, zones[zone][0])
            assert got == expected, '\n'.join(sorted(set(got or ()) ^ set(expected)))
        assert dig_axfr(address, 'odd') is None
        assert ours.metric('dnsd_denied_total', list='allow-transfer') == 1
        assert 'refused list=allow-transfer' in ours.log()
        assert ours.metric('dnsd_transfers_out_total', result='sent') == 2


def signed_zones():
    """NSEC and NSEC3: what arrives is what was signed, and it verifies."""
    folder = tempfile.mkdtemp(dir=directory())
    with open(os.path.join(folder, 'plain'), 'w', encoding='ascii') as f:
        f.write(zone_text('signed.zone'))
    for flags in ((), ('-f', 'KSK')):
        output([need_program('dnssec-keygen'), '-q', '-a', 'ECDSAP256SHA256', *flags, 'signed'],
               cwd=folder)
    for chain in ((), ('-3', 'abcd')):
        output([need_program('dnssec-signzone'), '-q', '-S', '-o', 'signed', *chain, '-f', 'signed',
                'plain'], cwd=folder)
        with open(os.path.join(folder, 'signed'), encoding='ascii') as f:
            text = f.read()
        with dnsd({'signed': (text, 'allow-transfer = { "any" }')}) as ours:
            got, expected = dig_axfr(ours.address('tcp'), 'signed'), compiled('signed', text)
            assert got == expected, '\n'.join(sorted(set(got or ()) ^ set(expected)))
            path = os.path.join(folder, 'arrived')
            with open(path, 'w', encoding='ascii') as f:
                f.write(output([need_program('dig'), '@127.0.0.1', '-p', ours.address('tcp')[1],
                                '+onesoa', '+nocmd', '+nostats', '+nocomments', 'signed', 'AXFR']))
            output([need_program('dnssec-verify'), '-q', '-o', 'signed', path])


def other_tools():
    """kdig and drill take our signed streams; ldns-read-zone what drill prints."""
    zones = {'big': (big_zone(20000), 'allow-transfer = { "127.0.0.0/8 key:%s" }' % KEY)}
    with dnsd(zones) as ours:
        host, port = ours.address('tcp')
        text = output([need_program('kdig'), '@' + host, '-p', port, '-y',
                       'hmac-sha256:%s:%s' % (KEY, SECRET), 'big', 'AXFR'])
        records = int(re.search(r'\((\d+) messages, (\d+) records\)', text).group(2))
        assert records == 20004, text[-500:]
        assert 'WARNING' not in text and text.count('ANY\tTSIG') > 10, text[-500:]
        text = output([need_program('kdig'), '@' + host, '-p', port, '-y',
                       'hmac-sha256:%s:%s' % (KEY, SECRET), 'big', 'IXFR=6'])
        assert '20004 records' in text, text[-500:]
        text = output([need_program('kdig'), '@' + host, '-p', port, '-y',
                       'hmac-sha256:%s:%s' % (KEY, SECRET), 'big', 'IXFR=7'])
        assert '1 records' in text, text[-500:]
        text = output([need_program('drill'), '-p', port, '-y', '%s:%s:hmac-sha256' % (KEY, SECRET),
                       'AXFR', 'big', '@' + host])
        with tempfile.NamedTemporaryFile('w', dir=directory()) as f:
            lines = [line for line in text.splitlines() if line and not line.startswith(';')]
            f.write('\n'.join(lines[:-1]) + '\n')  # the second SOA
            f.flush()
            read = output([need_program('ldns-read-zone'), '-c', f.name])
            assert len([line for line in read.splitlines() if line]) == 20003, len(lines)


def every_algorithm():
    zones = {'example.org': (zone_text('example.org.zone'), 'allow-transfer = { %s }' % ', '.join(
        '"key:%s.key."' % a for a in ALGORITHMS))}
    conf = ''.join(key_section(a + '.key.', a) for a in ALGORITHMS)
    with dnsd(zones, conf) as ours:
        host, port = ours.address('tcp')
        for algorithm in ALGORITHMS:
            credentials = '%s:%s.key.:%s' % (algorithm, algorithm, SECRET)
            for tool in ('dig', 'kdig'):
                for question in (('www.example.org', 'A'), ('example.org', 'AXFR')):
                    text = output([need_program(tool), '@' + host, '-p', port, '-y', credentials,
                                   *question])
                    assert 'web.example.org' in text, text
                    assert 'verif' not in text, text
        good = ours.metric('dnsd_tsig_total', result='NOERROR')
        assert good == 4 * len(ALGORITHMS), good
        for credentials, error in (('hmac-sha256:nobody.:' + SECRET, 'BADKEY'),
                                   ('hmac-sha256:hmac-sha512.key.:' + SECRET, 'BADKEY'),
                                   ('hmac-sha256:%s:AAAA' % KEY, 'BADSIG')):
            text = output([need_program('kdig'), '@' + host, '-p', port, '-y', credentials,
                           '+retry=0', 'www.example.org'], check=False)
            assert 'web.example.org' not in text and error in text, text
            assert ours.metric('dnsd_tsig_total', result=error) >= 1
        assert 'a signature was refused peer=127.0.0.1' in ours.log()


def cut_macs():
    conf = 'key "cut." { secret = "%s" mac-bits = 128 }\n' % SECRET
    with dnsd({'z': (SMALL, '')}, conf) as ours:
        host, port = ours.address('udp')
        for suffix, key, good in (('-128', 'cut.', True), ('-192', 'cut.', True), ('', 'cut.', True),
                                  ('-128', KEY, False)):
            text = output([need_program('dig'), '@' + host, '-p', port, '-y',
                           'hmac-sha256%s:%s:%s' % (suffix, key, SECRET), 'ns.z', '+tries=1'],
                          check=False)
            assert ('192.0.2.1' in text) == good, text
        assert ours.metric('dnsd_tsig_total', result='BADTRUNC') == 1


def lists():
    zones = {'open': (SMALL, ''), 'nobody': (SMALL, 'allow-query = { }'),
             'us': (SMALL, 'allow-query = { "127.0.0.0/8" }'),
             'them': (SMALL, 'allow-query = { "192.0.2.0/24", "::1", "key:%s" }' % KEY)}
    with dnsd(zones) as ours:
        address = ours.address('udp')
        for zone, rcode in (('open', 0), ('nobody', 5), ('us', 0), ('them', 5)):
            assert ask_udp(address, query('ns.' + zone, 1))[3] & 15 == rcode, zone
        assert ours.metric('dnsd_denied_total', list='allow-query') == 2
        text = output([need_program('dig'), '@' + address[0], '-p', str(address[1]), '-y',
                       'hmac-sha256:%s:%s' % (KEY, SECRET), 'ns.them'])
        assert '192.0.2.1' in text, text


# ---- the server under clients that behave oddly

def slow_reader():
    """Little waits in memory for one that does not read; it is given up, and others are served."""
    zones = {'big': (wide_zone(WIDE), 'allow-transfer = { "any" }')}
    with dnsd(zones, 'transfer-timeout = 1s\n', workers=1) as ours:
        def resident():  # of its own: the zone is mapped
            with open('/proc/%d/status' % ours.children()[0], encoding='ascii') as f:
                return int(re.search(r'RssAnon:\s+(\d+) kB', f.read()).group(1))
        before = resident()
        with tcp(ours.address('tcp')) as s, tcp(ours.address('tcp')) as quick:
            s.sendall(framed(query('big', AXFR)))
            until(lambda: ours.metric('dnsd_transfers_out_active') == 1, 'the transfer')
            assert resident() - before < 4096, (before, resident())
            quick.sendall(framed(query('ns.big', 1)))
            assert read_message(quick)[7] == 1
            until(lambda: ours.metric('dnsd_transfers_out_total', result='broken') == 1,
                  'an end of it')
        assert ours.metric('dnsd_transfers_out_active') == 0
        assert 'broken off zone=big.' in ours.log()


def limit():
    zones = {'big': (wide_zone(WIDE), 'allow-transfer = { "any" }')}
    with dnsd(zones, 'transfers-out = 2\n', workers=1) as ours:
        with tcp(ours.address('tcp')) as one, tcp(ours.address('tcp')) as two, \
                tcp(ours.address('tcp')) as three:
            for i, s in enumerate((one, two, three)):
                s.sendall(framed(query('big', AXFR)))
                if i < 2:
                    until(lambda n=i + 1: ours.metric('dnsd_transfers_out_active') == n, 'a start')
            assert read_message(three)[3] & 15 == 2
            count = 0
            while count < WIDE + 4:
                count += struct.unpack('>H', read_message(one)[6:8])[0]
            until(lambda: ours.metric('dnsd_transfers_out_active') == 1, 'the end of one')
            three.sendall(framed(query('ns.big', 1)) + framed(query('big', AXFR)))
            assert read_message(three)[7] == 1
            assert read_message(three)[3] & 15 == 0


def pipelined():
    """What comes behind a request for a zone is answered behind the zone, also when the client has
    shut down its side."""
    zones = {'big': (big_zone(30000), 'allow-transfer = { "any" }')}
    for shut in (False, True):
        with dnsd(zones, workers=1) as ours, tcp(ours.address('tcp')) as s:
            s.sendall(framed(query('ns.big', 1, 1)) + framed(query('big', AXFR, 2))
                      + framed(query('big', AXFR, 3)) + framed(query('ns.big', 1, 4)))
            if shut:
                s.shutdown(socket.SHUT_WR)
            assert read_message(s)[:2] == b'\0\1'
            for number in (2, 3):
                count = 0
                while count < 30004:
                    message = read_message(s)
                    assert struct.unpack('>H', message[:2])[0] == number
                    count += struct.unpack('>H', message[6:8])[0]
            assert read_message(s)[:2] == b'\0\4'
            if shut:
                assert s.recv(1) == b''


def reload_meanwhile():
    """A transfer that has begun goes on to its end with the zone that it began with."""
    zones = {'big': (wide_zone(WIDE), 'allow-transfer = { "any" }')}
    with dnsd(zones, workers=1) as ours, tcp(ours.address('tcp')) as s:
        s.sendall(framed(query('big', AXFR)))
        first = read_message(s)
        ours.write('big.zone', big_zone(10).replace(' 7 ', ' 8 '))
        ours.ctl('reload')
        assert serial_of(ours.address('udp'), 'big') == 8
        count = struct.unpack('>H', first[6:8])[0]
        while count < WIDE + 4:
            count += struct.unpack('>H', read_message(s)[6:8])[0]
        assert s.recv(1) == b''  # its worker leaves
        assert count == WIDE + 4


def incoming_notify():
    with dnsd({'z': (SMALL, '')}) as ours:
        for zone, rcode in (('z', 5), ('ns.z', 9), ('other', 9)):
            reply = ask_udp(ours.address('udp'), query(zone, SOA, flags=NOTIFY))
            assert reply[2] & 0xf8 == 0xa0 and reply[3] & 15 == rcode, (zone, reply)
        assert ask_udp(ours.address('udp'), query('z', SOA, flags=NOTIFY) + b'x')[3] & 15 == 1


# ---- NOTIFY out

class Hearer:
    """A socket that hears NOTIFY and answers as it is told."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(('127.0.0.1', 0))
        self.socket.settimeout(15)
        self.name = '127.0.0.1:%d' % self.socket.getsockname()[1]

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.socket.close()

    def hear(self, rcode=0):
        """The serial of the next one; answered unless rcode is None."""
        message, peer = self.socket.recvfrom(4096)
        assert message[2] & 0xfc == 0x24, message
        end = message.index(b'\0', 12) + 5
        assert message[4:12] == b'\0\1\0\1\0\0\0\0' and message[end - 4:end] == b'\0\6\0\1', message
        if rcode is not None:
            self.socket.sendto(message[:2] + bytes([message[2] | 0x80, rcode]) + message[4:6]
                               + bytes(6) + message[12:end], peer)
        return struct.unpack('>I', message[-20:-16])[0]

    def silent(self, seconds):
        self.socket.settimeout(seconds)
        try:
            raise AssertionError('not expected: %r' % self.socket.recvfrom(4096)[0])
        except socket.timeout:
            self.socket.settimeout(15)


def told_until_it_hears():
    with Hearer() as deaf, Hearer() as hearer:
        options = 'notify = { "%s", "%s" }' % (deaf.name, hearer.name)
        with dnsd({'z': (SMALL, options)}, workers=2) as ours:
            assert hearer.hear() == 7
            begin = time.monotonic()
            assert deaf.hear(None) == 7
            assert deaf.hear() == 7
            assert time.monotonic() - begin > 0.5
            until(lambda: ours.metric('dnsd_notify_total', result='acknowledged') == 2, 'both')
            # the same serial is no news, a new one is
            ours.ctl('reload')
            ours.write('z.zone', SMALL.replace(' 7 ', ' 8 '))
            ours.kill(signal.SIGHUP)
            assert hearer.hear() == 8
            assert deaf.hear(5) == 8
            until(lambda: ours.metric('dnsd_notify_total', result='rejected') == 1, 'a refusal')
            assert 'not accepted zone=z. serial=8 server=%s reason=REFUSED' % deaf.name \
                in ours.log()
            folder = ours.folder
            until(lambda: '%s 8' % hearer.name in open(os.path.join(folder, 'state', 'notified'),
                                                       encoding='ascii').read(), 'the file')
            ours.stop()
        # who has not acknowledged is told at the next start, and nobody else
        with dnsd({'z': (SMALL.replace(' 7 ', ' 8 '), options)}, folder=folder):
            assert deaf.hear() == 8
            hearer.silent(1.5)


# ---- configurations

def wrong_configurations():
    def said(text):
        good = SMALL.replace('2 3 4', '3600 600 86400')  # nothing to warn of
        return check_conf('dnsd', 'listen = { "127.0.0.1:0" }\n' + text, {'z': good})
    zone = 'zone "z" { file = "z"\n %s }\n'
    for text, expected in (
            ('key "k" { }\n', 'secret'),
            ('key "k" { secret = "!" }\n', ':2: key "k": secret: base64 of 1 to 512 bytes expected'),
            ('key "k" { secret = "" }\n', 'secret'),
            ('key "k..k" { secret = "AAAA" }\n', 'the title is not a domain name'),
            ('key "k" { secret = "AAAA"\nalgorithm = hmac-md5 }\n', 'algorithm'),
            ('key "k" { secret = "AAAA"\nmac-bits = 120 }\n',
             'mac-bits: a multiple of 8 from 128 to 256'),
            ('key "k" { secret = "AAAA"\nmac-bits = 129 }\n', 'mac-bits: a multiple'),
            ('key "k" { secret = "AAAA" }\nkey "K." { secret = "AAAA" }\n',
             'the key stands there twice'),
            (zone % 'allow-transfer = { "127.0.0.1",\n"key:k." }',
             ':4: zone "z": allow-transfer: there is no key "k."'),
            (zone % 'allow-query = { "localhost" }', ':3: zone "z": allow-query: '),
            (zone % 'notify = { "127.0.0.1 key:k." }', 'there is no key "k."'),
            (zone % 'notify = { "127.0.0.1 k." }', '"key:NAME." expected'),
            (zone % 'notify = { "127.0.0.1:0" }', 'nobody can be reached there'),
            (zone % 'notify = { "127.0.0.1", "127.0.0.1:53" }', 'it stands there twice'),
            (zone % 'notify = { "example.org" }', 'notify'),
            (zone % 'primary = { "127.0.0.1" }', ':2: zone "z": file: it has primaries'),
            (zone % 'allow-notify = { "any" }', 'allow-notify: there is no primary'),
            ('zone "z" { }', ':2: zone "z": it needs a file or a primary'),
            ('transfers-out = 0\n' + zone % '', 'transfers-out')):
        status, error = said(text)
        assert status == 2 and expected in error, (text, status, error)
    assert said('key "k" { secret = "AAAA" }\n' + zone % (
        'allow-query = { "any" }\nallow-transfer = { "::/0 key:k" }\n'
        'notify = { "127.0.0.1", "[::1]:54 key:k." }')) == (0, '')
    printed = output([program('dnsd'), '--listen', '127.0.0.1:0', '--zone', 'odd='
                      + os.path.join(DATA, 'odd.zone'), '--print-config'])
    assert 'allow-query = {"any"}' in printed.replace(' }', '}').replace('{ ', '{'), printed


# ---- who follows
def follows(kind):
    names = ('example.org', 'odd', 'big')
    server = kind(names)
    options = 'allow-transfer = { "key:%s" }\n notify = { "127.0.0.1:%d key:%s" }' \
        % (KEY, server.port, KEY)
    texts = {'example.org': zone_text('example.org.zone'), 'odd': zone_text('odd.zone'),
             'big': big_zone(20000)}
    try:
        with dnsd({z: (texts[z], options) for z in names}, workers=2) as ours:
            server.start(ours.address('tcp')[1])
            serials = {z['name'].rstrip('.'): z['serial'] for z in ours.ctl('zones')}
            follow(server.address, serials, server.text)
            for zone in names:
                same_zone(axfr(ours.address('tcp'), zone, *CREDENTIALS), axfr(server.address, zone))
            until(lambda: ours.metric('dnsd_notify_total', result='acknowledged') == 3,
                  'three acknowledged:\n' + ours.log() + server.text(), patience=30)
            for zone in ('odd', 'big'):
                old, new = ' %d ' % serials[zone], ' %d ' % (serials[zone] + 1)
                assert texts[zone].count(old) >= 1
                ours.write(zone + '.zone', texts[zone].replace(old, new, 1) + 'new A 192.0.2.99\n')
                serials[zone] += 1
            ours.kill(signal.SIGHUP)
            follow(server.address, serials, server.text)
            assert ask_udp(server.address, query('new.big', 1))[7] == 1
            assert ours.metric('dnsd_tsig_total', result='BADSIG') == 0
            tap.note('%d transfers' % ours.metric('dnsd_transfers_out_total', result='sent'))
    finally:
        server.stop()


run(('dig transfers what the zone file has', zones_by_dig),
    ('signed zones', signed_zones),
    ('kdig, drill and ldns-read-zone', other_tools),
    ('every TSIG algorithm, and wrong ones', every_algorithm),
    ('cut signatures', cut_macs),
    ('access lists', lists),
    ('a client that does not read its zone', slow_reader),
    ('no more transfers than allowed', limit),
    ('questions behind a transfer', pipelined),
    ('a reload during a transfer', reload_meanwhile),
    ('NOTIFY to a primary', incoming_notify),
    ('NOTIFY until it is heard', told_until_it_hears),
    ('wrong configurations', wrong_configurations),
    ('named follows', lambda: follows(NamedSecondary)),
    ('nsd follows', lambda: follows(NsdSecondary)),
    ('knotd follows', lambda: follows(KnotdSecondary)))
