"""dnsd as a secondary of itself and of a primary in our hands: expiry, several primaries, NOTIFY,
restarts, keepers that are killed, transfers that are none."""
import os
import re
import signal
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import dns_transfers
from dns import ask_udp, framed, free_port, query, read_message, wire
from keel import Daemon, Refused, directory, need_program, output, run, until
from dns_transfers import (A, AXFR, IXFR, SOA, axfr, hosts, primary, secondary, serial_of, zone_of)


def follow(ours, serials):
    dns_transfers.follow(ours.address('udp'), serials, ours.log)


def status(daemon, zone):
    return daemon.ctl('zone-status', zone)

def expires():
    """Refresh 1, retry 1, expire 3: SERVFAIL when the primary is gone, and back when it is."""
    port = free_port()
    text = {'z': zone_of(5, times=(1, 1, 3))}
    with secondary(['z'], ['127.0.0.1:%d' % port], workers=2) as ours:
        address = ours.address('udp')
        assert serial_of(address, 'z') == 'SERVFAIL'  # nothing was taken yet
        with primary(text, port):
            follow(ours, {'z': 5})
            until(lambda: ours.metric('dnsd_refresh_total', result='current') >= 2,
                  'two refreshes', patience=20)
            assert serial_of(address, 'z') == 5
            assert status(ours, 'z')['expired'] is False
        follow(ours, {'z': 'SERVFAIL'})
        assert 'a zone has expired' in ours.log()
        assert status(ours, 'z')['expired'] and status(ours, 'z')['trouble']
        text['z'] = zone_of(4, times=(1, 1, 3))  # an older one is no news, but it shows that all is well
        with primary(text, port):
            follow(ours, {'z': 5})
            until(lambda: 'a primary is behind us' in ours.log(), 'it to be told')
            text = ours.ctl('zone-retransfer', 'z')  # unless an operator wants it
            follow(ours, {'z': 4})


def several_primaries():
    """The first is away, the second refuses, the third has it; then a NOTIFY of the second."""
    ports = [free_port(), free_port(), free_port()]
    with secondary(['z'], ['127.0.0.1:%d' % p for p in ports]) as ours, \
            Daemon('dnsd', listen=('127.0.0.1:%d' % ports[1],), conf='zone "other" { file = "o" }',
                   files={'o': zone_of(1)}) as second:
        with primary({'z': zone_of(5)}, ports[2],
                     ['127.0.0.1:%d' % ours.address('udp')[1]]) as third:
            follow(ours, {'z': 5})
            log = ours.log()
            assert 'server=127.0.0.1:%d' % ports[0] in log and 'reason="cannot connect' in log, log
            assert 'server=127.0.0.1:%d' % ports[1] in log, log
            third.write('z.zone', zone_of(6))
            third.ctl('zone-reload', 'z')
            follow(ours, {'z': 6})
            row = status(ours, 'z')
            assert row['primary'] == row['refreshed-from'] == '127.0.0.1:%d' % ports[2], row
            assert row['expires'] - row['refreshed'] in (86399, 86400), row
            assert 3000 < row['next-check'] <= 3600, row
        del second


def notify_from_whom():
    port = free_port()
    told = b'\0\1' + struct.pack('>HHHHH', 0x2400, 1, 0, 0, 0) + wire('z') + b'\0\6\0\1'
    with primary({'z': zone_of(5)}, port) as upstream, \
            secondary(['z'], ['127.0.0.1:%d' % port], options='allow-notify = { "127.0.0.3" }') as ours:
        follow(ours, {'z': 5})

        def tell(source):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.bind((source, 0))
                s.settimeout(5)
                s.sendto(told, ours.address('udp'))
                return s.recv(512)[2:4]
        assert tell('127.0.0.1')[0] & 0xFC == 0xA4 and tell('127.0.0.1')[1] == 0
        assert tell('127.0.0.2')[1] == 5  # REFUSED
        assert ours.metric('dnsd_denied_total', list='allow-notify') == 1
        upstream.write('z.zone', zone_of(6))
        upstream.ctl('zone-reload', 'z')
        assert tell('127.0.0.3')[1] == 0
        follow(ours, {'z': 6})


def on_demand():
    port = free_port()
    with primary({'z': zone_of(5)}, port) as upstream, \
            secondary(['z'], ['127.0.0.1:%d' % port]) as ours:
        follow(ours, {'z': 5})
        upstream.write('z.zone', zone_of(6))
        upstream.ctl('zone-reload', 'z')
        ours.ctl('zone-refresh', 'z')
        follow(ours, {'z': 6})
        ours.ctl('zone-add', 'y', 'primary = { "127.0.0.1:%d" }' % port)
        assert serial_of(ours.address('udp'), 'y') == 'SERVFAIL'
        upstream.write('y.zone', zone_of(1))
        upstream.ctl('zone-add', 'y',
                    'file = "%s/y.zone" allow-transfer = { "any" }' % upstream.folder)
        ours.ctl('zone-refresh', 'y')
        follow(ours, {'y': 1})
        ours.ctl('zone-remove', 'y')
        until(lambda: serial_of(ours.address('udp'), 'y') is None, 'y to be gone')


class Rogue:
    """A primary in our hands: what it says to an IXFR and to an AXFR is a list of messages."""

    def __init__(self, serial):
        self.serial, self.answers, self.asked = serial, {}, []
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.tcp = socket.socket()
        self.port = free_port()
        self.udp.bind(('127.0.0.1', self.port))
        self.tcp.bind(('127.0.0.1', self.port))
        self.tcp.listen(8)
        self.threads = [threading.Thread(target=f, daemon=True) for f in (self.by_udp, self.by_tcp)]
        for thread in self.threads:
            thread.start()

    def close(self):
        for s in (self.udp, self.tcp):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            s.close()

    def message(self, request, records, rcode=0):
        end = 12 + len(wire('z')) + 4
        return request[:2] + struct.pack('>5H', 0x8400 | rcode, 1, len(records), 0, 0) \
            + request[12:end] + b''.join(records)

    def by_udp(self):
        while True:
            try:
                request, peer = self.udp.recvfrom(4096)
                self.udp.sendto(self.message(request, [soa_record(self.serial)]), peer)
            except (OSError, TypeError):  # closed
                return

    def by_tcp(self):
        while True:
            try:
                s = self.tcp.accept()[0]
            except OSError:
                return
            with s:
                s.settimeout(10)
                try:
                    while True:
                        request = read_message(s)
                        kind = struct.unpack('>H', request[12 + len(wire('z')):][:2])[0]
                        self.asked.append(kind)
                        answer = self.answers[kind]
                        for records in answer:
                            if records == 'garbage':
                                s.sendall(b'\x01\x00' + b'\xff' * 256)
                            elif records == 'end':
                                raise OSError
                            elif isinstance(records, int):
                                s.sendall(framed(self.message(request, [], records)))
                            else:
                                s.sendall(framed(self.message(request, records)))
                except (OSError, AssertionError, KeyError):
                    pass


def record(owner, kind, data, ttl=60):
    return owner + struct.pack('>HHIH', kind, 1, ttl, len(data)) + data


def soa_record(serial):
    return record(b'\xc0\x0c', SOA, b'\2ns\xc0\x0c\0' + struct.pack('>5I', serial, 3600, 900, 86400, 5))


NS_RECORD = record(b'\xc0\x0c', 2, b'\2ns\xc0\x0c')


def a_record(label, last):
    return record(bytes([len(label)]) + label + b'\xc0\x0c', A, bytes([192, 0, 2, last]))


def a_primary_that_misbehaves():
    """Nothing of what is not whole or does not fit is ever served, and the next attempt is good."""
    rogue = Rogue(5)
    body = [NS_RECORD, a_record(b'ns', 1)]
    rogue.answers = {AXFR: [[soa_record(5)] + body + [soa_record(5)]], IXFR: [4]}
    try:
        with secondary(['z'], ['127.0.0.1:%d' % rogue.port]) as ours:
            follow(ours, {'z': 5})
            address = ours.address('udp')
            bad = {  # IXFR first, then AXFR
                'the connection was closed too early': ([[soa_record(6)], 'end'],
                                                        [[soa_record(6)] + body, 'end']),
                'what came is no answer': (['garbage'], ['garbage']),
                'the first record is no SOA': ([body], [body]),
                'is not there': ([[soa_record(6), soa_record(5), a_record(b'none', 1),
                                   soa_record(6), soa_record(6)]], [[soa_record(6)] + body, 'end']),
                'ends with another SOA': ([2], [[soa_record(6)] + body + [soa_record(7)]]),
                'there is no NS record': ([2], [[soa_record(6), a_record(b'ns', 1), soa_record(6)]]),
                'the server said REFUSED': ([5], [5])}
            rogue.serial, seen = 6, 0
            for reason, (ixfr, whole) in bad.items():
                rogue.answers = {IXFR: ixfr, AXFR: whole}
                rogue.asked.clear()
                ours.ctl('zone-refresh', 'z')
                until(lambda n=seen: 'next=later' in ours.log()[n:], reason)
                said = ours.log()[seen:]
                seen += len(said)
                assert reason in said, (reason, said)
                assert serial_of(address, 'z') == 5, reason
                # who hangs up is not asked for more at once
                assert (AXFR in rogue.asked) == ('end' not in ixfr), (reason, rogue.asked)
            # an IXFR that deletes what is not there, and an AXFR that is good
            rogue.answers = {IXFR: bad['is not there'][0],
                             AXFR: [[soa_record(6)] + body, [a_record(b'x', 9), soa_record(6)]]}
            ours.ctl('zone-refresh', 'z')
            follow(ours, {'z': 6})
            assert ask_udp(address, query('x.z', A))[7] == 1
            # and one that is good, in pieces
            rogue.serial = 7
            rogue.answers = {IXFR: [[soa_record(7)], [soa_record(6)], [a_record(b'x', 9)],
                                    [soa_record(7), a_record(b'y', 8)], [soa_record(7)]], AXFR: []}
            ours.ctl('zone-refresh', 'z')
            follow(ours, {'z': 7})
            assert ask_udp(address, query('x.z', A))[3] & 15 == 3
            assert ask_udp(address, query('y.z', A))[7] == 1
    finally:
        rogue.close()


# ---- what survives

def restarts_from_its_state():
    port, folder = free_port(), directory()
    texts = {'z': zone_of(5, hosts(3000)), 'y': zone_of(1, times=(1, 1, 4))}
    words = ['127.0.0.1:%d' % port]
    with primary(texts, port), secondary(texts, words, folder=folder) as ours:
        follow(ours, {'z': 5, 'y': 1})
        mine = axfr(ours.address('tcp'), 'z')
        before = status(ours, 'z')
    # nobody is there any more
    with secondary(texts, words, folder=folder, workers=2) as ours:
        assert serial_of(ours.address('udp'), 'z') == 5, ours.log()
        assert axfr(ours.address('tcp'), 'z') == mine
        row = status(ours, 'z')
        assert row['refreshed'] == before['refreshed'] and row['expires'] == before['expires'], row
        follow(ours, {'y': 'SERVFAIL'})  # its time went on meanwhile
    with secondary(texts, words, folder=folder) as ours:
        assert serial_of(ours.address('udp'), 'z') == 5
        follow(ours, {'y': 'SERVFAIL'})
        texts['z'] = zone_of(6)
        with primary(texts, port):
            ours.ctl('zone-refresh', 'z')
            follow(ours, {'z': 6, 'y': 1})


def able(ours, *command):
    """False: the keeper is still on its way."""
    try:
        ours.ctl(*command)
        return True
    except Refused:
        return False


def reloads_and_dies():
    """A reload, and a keeper that is killed: the zone is there all the time, and is followed."""
    port = free_port()
    with primary({'z': zone_of(5, hosts(100))}, port) as upstream, \
            secondary(['z'], ['127.0.0.1:%d' % port], workers=2) as ours:
        follow(ours, {'z': 5})
        for serial in range(6, 10):
            if serial % 2:
                ours.kill(signal.SIGHUP)
            else:
                keeper = [row['pid'] for row in ours.ctl('workers') if row['role'] == 'keeper']
                assert keeper, ours.ctl('workers')
                os.kill(keeper[-1], signal.SIGKILL)
            assert serial_of(ours.address('udp'), 'z') == serial - 1
            upstream.write('z.zone', zone_of(serial, hosts(100 + serial)))
            upstream.ctl('zone-reload', 'z')
            ours.settled()

            def refreshed():
                able(ours, 'zone-refresh', 'z')
                return serial_of(ours.address('udp'), 'z') == serial
            until(refreshed, 'serial %d' % serial, patience=30, pause=0.2)
        assert serial_of(ours.address('udp'), 'z') == 9


def killed_in_the_middle():
    """The keeper is killed somewhere in a transfer: what was served is not lost, what came is whole."""
    port, folder = free_port(), directory()
    with primary({'z': zone_of(5, hosts(30000))}, port) as upstream:
        with secondary(['z'], ['127.0.0.1:%d' % port], workers=2, folder=folder) as ours:
            follow(ours, {'z': 5})
            address, newest = ours.address('udp'), 5
            # few differences, many, few, many; the master gives up at the fifth death
            for serial, count, pause in ((6, 29990, 0), (7, 100, 0.02), (8, 99, 0.005),
                                         (9, 30000, 0.15)):
                upstream.write('z.zone', zone_of(serial, hosts(count)))
                upstream.ctl('zone-reload', 'z')
                until(lambda: able(ours, 'zone-refresh', 'z'), 'a keeper')
                time.sleep(pause)
                os.kill([r for r in ours.ctl('workers') if r['role'] == 'keeper'][-1]['pid'],
                        signal.SIGKILL)
                said = serial_of(address, 'z')
                assert said in (newest, serial), (said, newest, serial)

                def news(serial=serial, least=said):
                    said = serial_of(address, 'z')
                    assert said is None or said >= least, (said, least)
                    return said == serial
                until(news, 'serial %d' % serial, patience=30, pause=0.05)
                newest = serial
            assert axfr(ours.address('tcp'), 'z') == axfr(upstream.address('tcp'), 'z')
    with secondary(['z'], ['127.0.0.1:%d' % port], folder=folder) as ours:
        assert serial_of(ours.address('udp'), 'z') == 9
        assert len(axfr(ours.address('tcp'), 'z')) == 30003


def from_one_to_the_next():
    """A secondary is a primary: what came as differences goes on as differences, and the time that a
    zone has left does not begin anew."""
    ports = [free_port(), free_port(), free_port()]
    with primary({'z': zone_of(5, hosts(500))}, ports[0], ['127.0.0.1:%d' % ports[1]]) as first, \
            secondary(['z'], ['127.0.0.1:%d' % ports[0]], ports[1],
                      options='notify = { "127.0.0.1:%d" }' % ports[2]) as second, \
            secondary(['z'], ['127.0.0.1:%d' % ports[1]], ports[2]) as third:
        follow(second, {'z': 5})
        follow(third, {'z': 5})
        for serial, count in ((6, 499), (7, 25000), (8, 498)):  # few differences, and many
            first.write('z.zone', zone_of(serial, hosts(count)))
            first.ctl('zone-reload', 'z')
            follow(second, {'z': serial})
            follow(third, {'z': serial})
        for server in (second, third):
            assert len(re.findall(r'zone taken.*type=IXFR', server.log())) == 2, server.log()
            assert axfr(server.address('tcp'), 'z') == axfr(first.address('tcp'), 'z')

        def left(server):
            said = output([need_program('dig'), '@127.0.0.1', '-p', str(server.address('udp')[1]),
                           '+expire', '+norecurse', 'z', 'SOA'])
            return int(re.search(r'EXPIRE: (\d+)', said).group(1))
        assert left(first) == 86400
        until(lambda: left(second) < 86400, 'time to pass')
        assert 86000 < left(second) < 86400 and left(third) <= left(second) + 1, left(third)


run(('a zone expires', expires),
    ('several primaries', several_primaries),
    ('NOTIFY, and from whom', notify_from_whom),
    ('on demand, and added at run time', on_demand),
    ('a primary that misbehaves', a_primary_that_misbehaves),
    ('a restart from the state', restarts_from_its_state),
    ('reloads, and a keeper that is killed', reloads_and_dies),
    ('a keeper that is killed in a transfer', killed_in_the_middle),
    ('from one to the next', from_one_to_the_next))
