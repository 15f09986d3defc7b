"""dnsd as a secondary: zones from named, knotd and nsd, by AXFR and IXFR, signed, over TLS; NOTIFY,
expiry, restarts, primaries that are away."""
import base64
import hashlib
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from dns import ask_udp, free_port, query, zone_text
from dns_transfers import (A, CREDENTIALS, KEY, KEYS, KnotdPrimary, NamedPrimary, NsdPrimary, axfr,
                           follow, hosts, primary, same_zone, secondary, serial_of, zone_of)
from keel import Daemon, certificate, check_conf, need_program, output, run, tap, until

NAMES = ('signed', 'odd', 'big')


def follows(kind):
    texts = {'signed': zone_text('signed.zone'), 'odd': zone_text('odd.zone'),
             'big': zone_of(7, hosts(20000))}
    port = free_port()
    server = kind(texts, port)
    try:
        server.start()
        serials = {z: serial_of(server.address, z) for z in texts}
        with secondary(NAMES, ['127.0.0.1:%d key:%s' % (server.port, KEY)], port,
                       workers=2) as ours:
            follow(ours.address('udp'), serials, ours.log, server.text)
            for zone in NAMES:
                same_zone(axfr(ours.address('tcp'), zone), axfr(server.address, zone, *CREDENTIALS))
            for zone in ('odd', 'big'):
                old, new = ' %d ' % serials[zone], ' %d ' % (serials[zone] + 1)
                assert texts[zone].count(old) >= 1
                texts[zone] = texts[zone].replace(old, new, 1) + 'new A 192.0.2.99\n'
                serials[zone] += 1
            server.change(texts)
            follow(ours.address('udp'), serials, ours.log, server.text)
            assert ask_udp(ours.address('udp'), query('new.big', A))[7] == 1
            same_zone(axfr(ours.address('tcp'), 'big'), axfr(server.address, 'big', *CREDENTIALS))
            assert re.search(r'zone taken.*zone=big\. serial=8 .*type=IXFR', ours.log()), \
                ours.log()[-3000:]
            assert ours.metric('dnsd_notify_heard_total') >= 2
            tap.note('%d zones taken' % ours.metric('dnsd_transfers_in_total'))
    finally:
        server.stop()


# ---- over TLS

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
        follow(ours.address('udp'), {'opportunistic': 5, 'named': 5, 'pinned': 5}, ours.log)
        for zone in ('other-name', 'other-ca', 'other-pin'):
            until(lambda z=zone: re.search(r'zone=%s\. .*TLS failed' % z, ours.log()),
                  zone + ' to be refused:\n' + ours.log(), patience=20)
            assert serial_of(ours.address('udp'), zone) == 'SERVFAIL'
        assert len(re.findall(r'zone taken.* tls=yes', ours.log())) == 3, ours.log()
    return zones


TLS_ZONES = ('opportunistic', 'named', 'pinned', 'other-name', 'other-ca', 'other-pin')


def tls_from_named():
    good, wrong = certificate('dns.example'), certificate('dns.example')

    class Tls(NamedPrimary):
        def conf(self):
            text = super().conf().replace('listen-on-v6', 'listen-on port %d tls ours { 127.0.0.1; '
                                          '}; listen-on-v6' % self.tls_port, 1)
            return 'tls ours { cert-file "%s"; key-file "%s"; protocols { TLSv1.3; }; };\n' \
                % tuple(good) + text
    server = Tls({zone: zone_of(5) for zone in TLS_ZONES}, free_port())
    server.tls_port = free_port()
    try:
        server.start()
        by_tls(server.tls_port, good, wrong)
    finally:
        server.stop()


def tls_from_nsd():
    good, wrong = certificate('dns.example'), certificate('dns.example')

    class Tls(NsdPrimary):
        def conf(self):
            return super().conf('ip-address: 127.0.0.1@%d' % self.tls_port,
                                'tls-port: %d' % self.tls_port, 'tls-service-pem: "%s"' % good[0],
                                'tls-service-key: "%s"' % good[1])
    server = Tls({zone: zone_of(5) for zone in TLS_ZONES}, free_port())
    server.tls_port = free_port()
    try:
        server.start()
        by_tls(server.tls_port, good, wrong)
    finally:
        server.stop()


def tls_to_ourselves_and_kdig():
    good, wrong = certificate('dns.example'), certificate('dns.example')
    port = free_port()
    conf = 'certificate = "%s"\nkey-file = "%s"\n' % tuple(good)
    with primary({zone: zone_of(5, hosts(3000)) for zone in TLS_ZONES}, conf=conf,
                 listen=('127.0.0.1:0', '127.0.0.1:%d tls' % port)) as server:
        by_tls(port, good, wrong)
        said = output([need_program('kdig'), '@127.0.0.1', '-p', str(port), '+tls-ca=' + good[0],
                       '+tls-hostname=dns.example', 'named', 'AXFR'])
        assert 'host2999.named.' in said, said[-1000:]
        until(lambda: server.metric('dnsd_transfers_out_total', result='sent') == 4, 'four')


def wrong_configurations():
    def said(text):
        return check_conf('dnsd', 'listen = { "127.0.0.1:0" }\n' + KEYS + text)
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


run(('wrong configurations', wrong_configurations),
    ('a secondary of named', lambda: follows(NamedPrimary)),
    ('a secondary of knotd', lambda: follows(KnotdPrimary)),
    ('a secondary of nsd', lambda: follows(NsdPrimary)),
    ('over TLS from named', tls_from_named),
    ('over TLS from nsd', tls_from_nsd),
    ('over TLS from ourselves', tls_to_ourselves_and_kdig))
