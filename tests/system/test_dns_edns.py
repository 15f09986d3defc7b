"""dnsd's options of EDNS with clients and servers that nobody here wrote: NSID, cookies that named
agrees on, padding and keepalive, extended errors; the CHAOS class; DNS over TLS."""
import os
import re
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from dns import framed, query, read_message, zone_text
from dns_peers import Oracle
from keel import Daemon, certificate, need_program, output, run, until

SECRET = 'e5e973e5a6b2a43f48e7dc849e37bfcf'
ZONE = zone_text('example.org.zone')


def dnsd(conf='', zone_conf='', **more):
    return Daemon('dnsd', conf='%s\nzone "example.org" { file = "the.zone"\n%s }\n' % (
        conf, zone_conf), files={'the.zone': ZONE}, **more)


def dig(address, *question):
    return output([need_program('dig'), '@' + address[0], '-p', str(address[1]), '+norecurse',
                   '+tries=2', '+time=5', *question])


def nsid_and_chaos():
    with dnsd('identity = "one"\nversion = "keel, of course"\n') as ours:
        address = ours.address('udp')
        assert re.search(r'NSID: .*\("one"\)', dig(address, 'example.org', 'SOA', '+nsid'))
        for name, text in (('version.bind', 'keel, of course'), ('VERSION.SERVER', 'keel, of course'),
                           ('id.server', 'one'), ('hostname.bind', 'one')):
            said = dig(address, name, 'TXT', 'CH', '+short')
            assert said.strip() == '"%s"' % text, (name, said)
    with dnsd() as ours:
        address = ours.address('udp')
        assert 'NSID' not in dig(address, 'example.org', 'SOA', '+nsid')
        assert 'REFUSED' in dig(address, 'version.bind', 'TXT', 'CH')


def errors():
    with dnsd(zone_conf='allow-query = { "192.0.2.1" }') as ours:
        address = ours.address('udp')
        assert 'EDE: 18 (Prohibited)' in dig(address, 'example.org', 'SOA')
        assert 'EDE: 20 (Not Authoritative)' in dig(address, 'example.com', 'SOA')
        assert 'EDE: 21 (Not Supported)' in dig(address, 'example.org', 'MAILA')


def cookie_of(said):
    return re.search(r'COOKIE: (\w+)', said).group(1)


def cookies():
    """All workers take each other's, and those from before a restart."""
    with dnsd(workers=2) as ours:
        address = ours.address('udp')
        said = dig(address, 'example.org', 'SOA', '+cookie=0102030405060708')
        assert '(good)' in said, said
        cookie = cookie_of(said)
        assert len(cookie) == 48 and cookie.startswith('0102030405060708')
        for _ in range(8):
            assert '(good)' in dig(address, 'example.org', 'SOA', '+cookie=' + cookie)
        assert '(good)' in dig(address, 'example.org', 'SOA', '+cookie=' + cookie[:-2] + '00')
        until(lambda: ours.metric('dnsd_cookies_total', state='good') == 8, 'the good ones')
        assert ours.metric('dnsd_cookies_total', state='new') == 1
        assert ours.metric('dnsd_cookies_total', state='bad') == 1
        ours.ctl('reload')
        dig(address, 'example.org', 'SOA', '+cookie=' + cookie)
        until(lambda: ours.metric('dnsd_cookies_total', state='good') == 9, 'one after a reload')
    with dnsd('cookies = no\n') as ours:
        assert 'COOKIE' not in dig(ours.address('udp'), 'example.org', 'SOA').split('QUESTION')[0]


def cookies_of_named():
    """With the same secret named takes ours and we take named's (RFC 9018)."""
    with Oracle('example.org', ZONE, 'cookie-algorithm siphash24; cookie-secret "%s";'
               'require-server-cookie yes;' % SECRET) as named, \
            dnsd('cookie-secret = { "%s" }\n' % SECRET) as ours:
        theirs = cookie_of(dig(named.address, 'example.org', 'SOA', '+cookie'))
        dig(ours.address('udp'), 'example.org', 'SOA', '+cookie=' + theirs)
        until(lambda: ours.metric('dnsd_cookies_total', state='good') == 1, "named's cookie")
        mine = cookie_of(dig(ours.address('udp'), 'example.org', 'SOA', '+cookie'))
        said = dig(named.address, 'example.org', 'SOA', '+cookie=' + mine, '+nobadcookie')
        assert 'NOERROR' in said, said


def over_tls():
    names = certificate('dns.example')
    conf = 'certificate = "%s"\nkey-file = "%s"\n' % tuple(names)
    # another address: the kernel may choose one port for both (SO_REUSEPORT)
    with dnsd(conf, listen=['127.0.0.1:0', '127.0.0.2:0 tls'], workers=2) as ours:
        host, port = ours.address('tcp', tls=True)
        kdig = [need_program('kdig'), '@' + host, '-p', str(port), '+tls-ca=' + names[0],
                '+tls-hostname=dns.example', '+padding', '+keepopen']
        said = output([*kdig, 'web.example.org', 'A', 'big.example.org', 'TXT'])
        assert said.count('status: NOERROR') == 2 and '192.0.2.80' in said, said
        sizes = [int(n) for n in re.findall(r'Received (\d+) B', said)]
        assert len(sizes) == 2 and all(n % 468 == 0 for n in sizes), said
        until(lambda: ours.metric('dnsd_queries_total', transport='tls') == 2, 'the queries')
        assert ours.metric('dnsd_queries_total', transport='tcp') == 0


def rate_limit():
    """A flood gets a few answers and every other one cut; dig then comes over TCP, and who has a
    cookie is not limited."""
    conf = 'rate-limit { responses-per-second = 10\n window = 60s }\n'
    with dnsd(conf) as ours:
        address = ours.address('udp')
        replies = []
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.connect(address)
            for i in range(400):
                s.send(query('www.example.org', 1, i))
                s.settimeout(0.2 if i == 399 else 0)
                try:
                    while True:
                        replies.append(s.recv(4096))
                except (BlockingIOError, socket.timeout):
                    pass
        until(lambda: ours.metric('dnsd_queries_total', transport='udp') == 400, 'the flood')
        cut = ours.metric('dnsd_rate_limited_total', action='cut')
        dropped = ours.metric('dnsd_rate_limited_total', action='dropped')
        whole = 400 - cut - dropped
        assert 10 <= whole < 100 and abs(cut - dropped) <= 1, (whole, cut, dropped)
        assert len(replies) <= whole + cut
        assert any(r[2] & 2 and len(r) == len(query('www.example.org', 1)) for r in replies)
        said = dig(address, 'www.example.org', 'A', '+nocookie', '+tries=3', '+time=2')
        assert '192.0.2.80' in said and '(TCP)' in said, said
        cookie = cookie_of(dig(address, 'www.example.com', 'A', '+cookie'))
        said = dig(address, 'www.example.org', 'A', '+cookie=' + cookie, '+ignore')
        assert '192.0.2.80' in said and '(UDP)' in said, said


def flood(address, count, source='127.0.0.1'):
    """So many questions from one address; how many answers came."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind((source, 0))
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        s.settimeout(1)
        answers = 0
        for i in range(count):
            s.sendto(query('www.example.org', 1, i), address)
            if i % 50 == 49:
                time.sleep(0.005)
        try:
            while True:
                s.recv(4096)
                answers += 1
        except socket.timeout:
            return answers


def under_load():
    """Above a load a cookie is needed; dig and named's resolver side know what to do."""
    with dnsd('cookies-required-above = 100\n') as ours:
        address, stop = ours.address('udp'), threading.Event()

        def keep_busy():
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                while not stop.wait(0.01):
                    for i in range(10):
                        s.sendto(query('www.example.org', 1, i), address)
        thread = threading.Thread(target=keep_busy)
        thread.start()
        try:
            until(lambda: 'BADCOOKIE, retrying' in dig(address, 'www.example.org', 'A', '+cookie'),
                  'a cookie is asked for')
            said = dig(address, 'www.example.org', 'A', '+cookie')
            assert '192.0.2.80' in said and '(UDP)' in said, said
            until(lambda: '(TCP)' in dig(address, 'www.example.org', 'A', '+nocookie'),
                  'a client without a cookie is sent to TCP')
        finally:
            stop.set()
            thread.join()
        assert ours.metric('dnsd_answers_total', rcode='BADCOOKIE') > 0
        assert ours.metric('dnsd_unproved_total') > 0
        assert ours.metric('dnsd_questions_total', type='A') > 0
        until(lambda: '(UDP)' in dig(address, 'www.example.org', 'A', '+nocookie'), 'calm again')


def quotas():
    with dnsd('client-queries = 50\nclient-connections = 3\n') as ours:
        address = ours.address('udp')
        answers = flood(address, 400)
        assert 40 <= answers < 300, answers
        assert ours.metric('dnsd_quota_total', what='query') >= 100
        # others, and who has a cookie, are answered
        assert flood(address, 10, '127.0.0.2') == 10
        open_ones = [socket.create_connection(ours.address('tcp'), 20) for _ in range(3)]
        try:
            with socket.create_connection(ours.address('tcp'), 20) as one_more:
                assert one_more.recv(1) == b''
            with socket.create_connection(ours.address('tcp'), 20, ('127.0.0.2', 0)) as other:
                other.sendall(framed(query('www.example.org', 1)))
                assert read_message(other)
        finally:
            for s in open_ones:
                s.close()

        def again():
            with socket.create_connection(ours.address('tcp'), 20) as s:
                s.sendall(framed(query('www.example.org', 1)))
                return s.recv(2)
        until(again, 'a place is free again')


run(('NSID and CHAOS', nsid_and_chaos),
    ('extended errors', errors),
    ('cookies, of all workers', cookies),
    ("cookies, named's and ours", cookies_of_named),
    ('DNS over TLS', over_tls),
    ('rate limit', rate_limit),
    ('cookies under load', under_load),
    ('quotas of a client', quotas))
