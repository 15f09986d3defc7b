"""dnsd over real sockets: dig's answers beside those of named for every name and type of a zone,
TCP as clients send it, reload, and what a wrong configuration says."""
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from dns import (DATA, ask_udp, dig, framed, query, read_message, tcp, zone_text)
from dns_peers import Oracle
from keel import Daemon, Refused, check_conf, directory, program, run, tap, until

TYPES = ('A', 'AAAA', 'NS', 'CNAME', 'SOA', 'MX', 'TXT', 'SRV', 'CAA', 'DNAME', 'HTTPS', 'SSHFP',
         'DS', 'TYPE65400', 'PTR')


def dnsd(zone='example.org', text=None, conf='', **more):
    """dnsd with one zone in a file beside its configuration."""
    return Daemon('dnsd', conf='%s\nzone "%s" { file = "the.zone" }\n' % (conf, zone),
                  files={'the.zone': text or zone_text(zone + '.zone')}, **more)


# ---- cases

def owners(zone, text):
    """Names of the zone file, relative ones completed, and their neighbours that do not exist."""
    names = {zone}
    for line in text.splitlines():
        word = line.split(' ')[0].split('\t')[0]
        if not word or word[0] in '$;@':
            continue
        name = word if word.endswith('.') else word + '.' + zone
        names |= {name, 'no.' + name, 'x.no.' + name, name.split('.', 1)[1]}
    names |= {'gen%d.%s' % (i, zone) for i in (0, 1, 10, 11)}
    return sorted(n for n in names if n.endswith(zone))


def beside_named(zone, options=()):
    text = zone_text(zone + '.zone')
    questions = ['%s %s' % (n, t) for n in owners(zone, text) for t in TYPES]
    with Oracle(zone, text) as named, dnsd(zone) as ours:
        mine = dig(ours.address('udp'), questions, *options)
        theirs = dig(named.address, questions, *options)
    wrong = []
    for question, (status, flags, sections), (status2, flags2, sections2) in zip(
            questions, mine, theirs):
        if status2 == 'SERVFAIL' and 'ANSWER' in sections2:
            status2 = 'NOERROR'  # what named says of a CNAME loop that the zone itself holds
        same = status == status2 and all((f in flags) == (f in flags2) for f in ('aa', 'tc')) \
            and ('tc' in flags  # what a cut answer still holds is anybody's choice
                 or all(sections.get(s) == sections2.get(s) for s in ('ANSWER', 'AUTHORITY')))
        if not same:
            wrong.append('%s:\n  %s %s %s\n  %s %s %s' % (
                question, status, flags, sections, status2, flags2, sections2))
    assert not wrong, '%d of %d differ:\n%s' % (len(wrong), len(questions), '\n'.join(wrong[:20]))
    tap.note('%d questions, the same answers' % len(questions))


def plain_answers():
    with dnsd(workers=2) as ours:
        for options in ((), ('+tcp', '+keepopen'), ('+noedns',)):
            (www, missing, empty, big, refused) = dig(
                ours.address('udp'), ['www.example.org A', 'nothing.example.org A',
                                      'web.example.org AAAA', 'big.example.org TXT',
                                      'www.example.net A'], *options)
            assert www[0] == 'NOERROR' and 'aa' in www[1]
            assert www[2]['ANSWER'] == ['web.example.org. 3600 in a 192.0.2.80',
                                        'web.example.org. 3600 in a 192.0.2.81',
                                        'www.example.org. 3600 in cname web.example.org.'], www
            assert missing[0] == 'NXDOMAIN' and 'soa' in missing[2]['AUTHORITY'][0], missing
            assert missing[2]['AUTHORITY'][0].split()[1] == '300', missing
            assert empty[0] == 'NOERROR' and 'ANSWER' not in empty[2], empty
            # dig asks again over TCP when the answer was cut
            assert len(big[2]['ANSWER']) == 10, big
            assert refused[0] == 'REFUSED' and 'aa' not in refused[1], refused


def whole_wildcard_address():
    """Bound to every address, an answer leaves from the one that was asked."""
    with dnsd(listen=['0.0.0.0:0']) as ours:
        port = ours.address('udp')[1]
        for host in ('127.0.0.1', '127.0.0.2', '127.1.2.3'):
            reply = ask_udp((host, port), query('example.org', 6))
            assert struct.unpack('>H', reply[6:8])[0] == 1


def malformed():
    with dnsd() as ours:
        address = ours.address('udp')
        good = query('example.org', 6)
        for bad, rcode in ((good + b'x', 1), (good[:-1], 1), (query('example.org', 41), 1),
                           (query('example.org', 6, flags=5 << 11), 5),
                           (query('example.org', 6, flags=6 << 11), 4),
                           (query('example.org', 252), 5), (query('example.org', 250), 4)):
            reply = ask_udp(address, bad)
            assert reply[3] & 15 == rcode and reply[:2] == bad[:2], (bad, reply)
        for silent in (b'', good[:11], query('example.org', 6, flags=0x8000), bytes(60000)):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.connect(address)
                s.send(silent)
                s.send(good)
                s.settimeout(5)
                assert s.recv(4096)[:2] == good[:2]
        badvers = ask_udp(address, query('example.org', 6, additional=1,
                                         extra=b'\0\0\x29\4\xd0\0\1\0\0\0\0'))
        assert badvers[-11:] == b'\0\0\x29\4\xd0\1\0\0\0\0\0', badvers
        assert ours.metric('dnsd_ignored_total') == 4
        assert ours.metric('dnsd_answers_total', rcode='FORMERR') == 3
        assert ours.metric('dnsd_answers_total', rcode='BADVERS') == 1


def pipelined():
    """Many messages in one write, and the same a byte at a time; answers come in order."""
    with dnsd() as ours:
        names = ['www.example.org', 'nothing.example.org', 'big.example.org'] * 40
        messages = [query(n, 16, i) for i, n in enumerate(names)]
        with tcp(ours.address('tcp')) as s:
            s.sendall(framed(*messages))
            replies = [read_message(s) for _ in messages]
            assert [struct.unpack('>H', r[:2])[0] for r in replies] == list(range(len(names)))
            for byte in framed(*messages[:3]):
                s.sendall(bytes([byte]))
            assert [read_message(s) for _ in range(3)] == replies[:3]
            s.shutdown(socket.SHUT_WR)  # a half-closed client still gets what it asked for
            assert s.recv(1) == b''


def impolite_tcp():
    conf = 'tcp-idle-timeout = 1s\ntcp-queries = 3\n'
    with dnsd(conf=conf) as ours:
        address, good = ours.address('tcp'), query('example.org', 6)
        with tcp(address) as silent, tcp(address) as slow, tcp(address) as greedy:
            begin = time.monotonic()
            greedy.sendall(framed(*[good] * 5))
            for _ in range(3):
                read_message(greedy)
            assert greedy.recv(1) == b''
            slow.sendall(framed(good)[:5])
            for s in (silent, slow):
                assert s.recv(1) == b''
            assert 0.9 < time.monotonic() - begin < 5
        for junk in (b'\0\0', b'\0\5hello', framed(query('example.org', 6, flags=0x8000))):
            with tcp(address) as s:
                s.sendall(junk)
                assert s.recv(1) == b'', junk


def never_reading():
    """A client that asks and never reads is held back; others are served, and it gets all when it
    reads at last."""
    with dnsd(workers=1) as ours, tcp(ours.address('tcp')) as s:
        s.settimeout(0.5)
        message, sent = framed(query('big.example.org', 16)), 0
        whole = message * 1000000
        try:
            while sent < len(whole):
                sent += s.send(whole[sent:sent + 65536])
        except socket.timeout:
            pass
        assert sent < len(whole), 'it was never held back'
        assert ask_udp(ours.address('udp'), query('example.org', 6))
        with open('/proc/%d/status' % ours.children()[0]) as f:
            resident = int(re.search(r'VmRSS:\s+(\d+) kB', f.read()).group(1))
        assert resident < 100 * 1024, resident
        s.settimeout(20)
        one = len(framed(read_message(s)))
        left = one * (sent // len(message) - 1)
        while left > 0:
            part = s.recv(min(left, 1 << 20))
            assert part, 'closed with %d bytes of answers to come' % left
            left -= len(part)
        tap.note('held back after %d KiB of queries, %d KiB resident' % (sent >> 10, resident))


def reload_zone():
    text = zone_text('example.org.zone')
    with dnsd(workers=2) as ours:
        def serial():
            return struct.unpack('>H', ask_udp(ours.address('udp'), query('new.example.org', 1))
                                 [6:8])[0]
        assert serial() == 0
        ours.write('the.zone', text + 'new A 192.0.2.200\n')
        ours.kill(signal.SIGHUP)
        until(lambda: serial() == 1, 'the new name')
        ours.settled()
        ours.write('the.zone', text + 'new A nonsense\n')
        try:
            ours.ctl('reload')
            raise AssertionError('a broken zone was taken')
        except Refused as refused:
            line = text.count('\n') + 1
            assert 'the.zone:%d: A: "nonsense" is not an IPv4 address' % line in str(refused), \
                refused
        assert serial() == 1


def reload_with_connections():
    """An idle connection is closed when its worker leaves; one in the middle of a query gets its
    answer first."""
    good = framed(query('example.org', 6))
    with dnsd() as ours, tcp(ours.address('tcp')) as idle, tcp(ours.address('tcp')) as busy:
        for s in (idle, busy):
            s.sendall(good)
            read_message(s)
        busy.sendall(good[:9])
        begin = time.monotonic()
        ours.ctl('reload')
        assert idle.recv(1) == b''
        assert time.monotonic() - begin < 5
        busy.sendall(good[9:])
        assert read_message(busy)
        assert busy.recv(1) == b''


def control_and_metrics():
    with dnsd(workers=2) as ours:
        for _ in range(5):
            ask_udp(ours.address('udp'), query('www.example.org', 1))
        with tcp(ours.address('tcp')) as s:
            s.sendall(framed(query('no.example.org', 1)))
            read_message(s)
        zones = ours.ctl('zones')
        assert [(z['name'], z['serial'], z['records']) for z in zones] \
            == [('example.org.', 2026112001, 49)], zones
        until(lambda: ours.metric('dnsd_queries_total', transport='udp') == 5
              and ours.metric('dnsd_queries_total', transport='tcp') == 1
              and ours.metric('dnsd_answers_total', rcode='NXDOMAIN') == 1, 'the counters')


def wrong_configurations():
    listen = 'listen = { "127.0.0.1:0" }\n'
    zone = '$TTL 1\n@ SOA a b 1 2 3 9 5\n@ NS ns.other.\n'
    for conf, files, said in (
            (listen, {}, 'no zone'),
            ('zone "z" { file = "z" }\n', {'z': zone}, 'no address'),
            (listen + 'zone "z" { file = "missing" }\n', {},
             'dnsd.conf:2: zone "z": file: cannot open "missing": No such file or directory'),
            (listen + 'zone "z" { }\n', {}, 'file'),
            (listen + 'zone "a..b" { file = "z" }\n', {'z': zone},
             'dnsd.conf:2: zone "a..b": the title is not a domain name'),
            (listen + 'zone "z" { file = "z" }\nzone "Z." { file = "z" }\n', {'z': zone},
             'dnsd.conf:3: zone "Z.": the zone stands there twice'),
            (listen + 'zone "z" { file = "z" }\n', {'z': zone + '$INCLUDE more\n', 'more': 'x A y\n'},
             'more:1: A: "y" is not an IPv4 address'),
            (listen + 'zone "z" { file = "z" }\n', {'z': '$TTL 1\n@ NS ns\n'},
             'there is no SOA record for z.'),
            (listen + 'zone "z" {\n  file = "z"\n  allow-update = { "key:no." }\n}\n', {'z': zone},
             'dnsd.conf:4: zone "z": allow-update: '),
            (listen + 'udp-size = 100\n', {}, 'udp-size'),
            ('listen = { "127.0.0.1:0 tls" }\nzone "z" { file = "z" }\n', {'z': zone}, 'tls')):
        status, text = check_conf('dnsd', conf, files)
        assert status == 2 and said in text, (conf, status, text)
    assert check_conf('dnsd', listen + 'zone "z" { file = "z" }\n', {'z': zone}) == (0, '')


def broken_at_start():
    """What only the keeper finds out ends the start as a wrong configuration does."""
    folder = tempfile.mkdtemp(dir=directory())
    with open(os.path.join(folder, 'z'), 'w') as f:
        f.write('$TTL 1\n@ SOA a b 1 2 3 4 5\n@ NS ns\nns A nonsense\n')
    said = subprocess.run(
        [program('dnsd'), '--listen', '127.0.0.1:0', '--state-dir', os.path.join(folder, 'state'),
         '--control', os.path.join(folder, 'control'), '--zone', 'z=' + os.path.join(folder, 'z')],
        capture_output=True, text=True, timeout=20, check=False)
    assert said.returncode == 2, said
    assert 'dnsd: zone "z.": %s/z:4: A: "nonsense" is not an IPv4 address\n' % folder \
        in said.stderr, said.stderr


def one_liner():
    with Daemon('dnsd', ['--zone', 'example.org=' + os.path.join(DATA, 'example.org.zone'),
                         '--zone', 'odd=' + os.path.join(DATA, 'odd.zone')]) as ours:
        assert [z['name'] for z in ours.ctl('zones')] == ['example.org.', 'odd.']
        assert ask_udp(ours.address('udp'), query('anything.odd', 16))[7] == 1


run(('dig gets right answers over UDP and TCP', plain_answers),
    ('every name and type beside named: example.org', lambda: beside_named('example.org')),
    ('the same over TCP', lambda: beside_named('example.org', ('+tcp', '+keepopen'))),
    ('the same without EDNS', lambda: beside_named('example.org', ('+noedns', '+ignore'))),
    ('every name and type beside named: odd', lambda: beside_named('odd')),
    ('an answer leaves from the address asked', whole_wildcard_address),
    ('malformed messages', malformed),
    ('pipelined messages, a byte at a time', pipelined),
    ('silent, slow and greedy TCP clients', impolite_tcp),
    ('a client that never reads', never_reading),
    ('reload of a zone, and of a broken one', reload_zone),
    ('reload with open connections', reload_with_connections),
    ('control and metrics', control_and_metrics),
    ('wrong configurations', wrong_configurations),
    ('a broken zone at the start', broken_at_start),
    ('the one-liner', one_liner))
