"""IXFR out: dig, and named, knotd and nsd as secondaries that take differences; transfers over TLS to
named and nsd."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from dns import free_port, zone_text
from dns_transfers import (CREDENTIALS, KEY, KnotdSecondary, NamedSecondary, NsdSecondary, axfr,
                           follow, hosts, primary, same_zone, transfer, zone_of)
from keel import certificate, directory, run, tap

def short(records):
    """SOA records as S and their serial, others as their owner's first label."""
    return ['s%s' % r.split()[6] if r.split()[3] == 'soa' else r.split('.')[0] for r in records]


def change(ours, zone, text, serial):
    ours.write(zone + '.zone', text)
    ours.ctl('zone-reload', zone)
    follow(ours.address('udp'), {zone: serial}, ours.log)


# ---- what is sent

def steps_by_dig():
    with primary({'z': zone_of(1, 'a A 192.0.2.1\nb A 192.0.2.2\n')}, workers=2) as ours:
        tcp = ours.address('tcp')
        change(ours, 'z', zone_of(2, 'b A 192.0.2.2\nc TXT "new"\n'), 2)
        change(ours, 'z', zone_of(3, 'b A 192.0.2.3\nc TXT "new"\n'), 3)
        assert short(transfer(tcp, 'z', 'IXFR=1')) == ['s3', 's1', 'a', 's2', 'c', 's2', 'b', 's3', 'b',
                                                 's3'], transfer(tcp, 'z', 'IXFR=1')
        assert short(transfer(tcp, 'z', 'IXFR=2', *CREDENTIALS)) == ['s3', 's2', 'b', 's3', 'b', 's3']
        assert short(transfer(tcp, 'z', 'IXFR=3')) == ['s3']
        assert short(transfer(tcp, 'z', 'IXFR=4')) == ['s3']
        whole = transfer(tcp, 'z', 'IXFR=77777')  # nobody's serial, and not newer than ours
        assert short(whole) == ['s3'] or sorted(whole) == sorted(transfer(tcp, 'z', 'AXFR')), whole
        assert ours.metric('dnsd_transfers_out_total', result='differences') == 2


def after_a_restart():
    folder = directory()
    with primary({'z': zone_of(1, hosts(50))}, folder=folder) as ours:
        change(ours, 'z', zone_of(2, hosts(50) + 'c TXT "new"\n'), 2)
        assert short(transfer(ours.address('tcp'), 'z', 'IXFR=1')) == ['s2', 's1', 's2', 'c', 's2']
    with primary({'z': zone_of(2, hosts(50) + 'c TXT "new"\n')}, folder=folder) as ours:
        assert short(transfer(ours.address('tcp'), 'z', 'IXFR=1')) == ['s2', 's1', 's2', 'c', 's2']
        change(ours, 'z', zone_of(3, hosts(50)), 3)
        assert short(transfer(ours.address('tcp'), 'z', 'IXFR=1')) \
            == ['s3', 's1', 's2', 'c', 's2', 'c', 's3', 's3']


def a_large_step():
    with primary({'z': zone_of(1, hosts(30000))}) as ours:
        change(ours, 'z', zone_of(2, hosts(20000) + 'c TXT "new"\n'), 2)
        records = short(transfer(ours.address('tcp'), 'z', 'IXFR=1', *CREDENTIALS))
        assert records[:2] == ['s2', 's1'] and records[-3:] == ['s2', 'c', 's2'], records[:5]
        assert len(records) == 10000 + 5, len(records)


def journal_size():
    """The oldest differences go; who has a version that nobody remembers gets the zone."""
    for size, whole, steps in ((0, (1, 2, 3), ()), ('10k', (1, 2), (3,)), ('1m', (), (1, 2, 3))):
        with primary({'z': zone_of(1)}, options='journal-size = %s' % size) as ours:
            for serial in (2, 3, 4):
                change(ours, 'z', zone_of(serial, hosts(300 * serial)), serial)
            tcp = ours.address('tcp')
            for serial in whole:
                assert sorted(transfer(tcp, 'z', 'IXFR=%d' % serial)) \
                    == sorted(transfer(tcp, 'z', 'AXFR')), (size, serial)
            for serial in steps:
                assert short(transfer(tcp, 'z', 'IXFR=%d' % serial))[:2] == ['s4', 's%d' % serial]


# ---- who takes it

def takes_differences(kind):
    server = kind(('big', 'signed'))
    signed = zone_text('signed.zone')
    texts = {'big': zone_of(1, hosts(5000)), 'signed': signed}
    try:
        with primary(texts, notify=['127.0.0.1:%d key:%s' % (server.port, KEY)],
                     workers=2) as ours:
            server.start(ours.address('tcp')[1])
            follow(server.address, {'big': 1}, ours.log, server.text)
            for serial in (2, 3, 4):
                change(ours, 'big', zone_of(serial, hosts(5000 - 10 * serial)
                                            + 'x%d MX 10 mail.example.net.\n' % serial), serial)
                follow(server.address, {'big': serial}, ours.log, server.text)
            same_zone(axfr(ours.address('tcp'), 'big'), axfr(server.address, 'big'))
            assert ours.metric('dnsd_transfers_out_total', result='differences') == 3, ours.log()
            # away meanwhile: one IXFR over three steps
            server.stop()
            for serial in (5, 6, 7):
                change(ours, 'big', zone_of(serial, hosts(4960 + serial)), serial)
            server.start(ours.address('tcp')[1])
            follow(server.address, {'big': 7}, ours.log, server.text)
            same_zone(axfr(ours.address('tcp'), 'big'), axfr(server.address, 'big'))
            tap.note('%d differences, %d zones' % tuple(
                ours.metric('dnsd_transfers_out_total', result=r) for r in ('differences', 'sent')))
    finally:
        server.stop()


def over_tls(kind):
    names = certificate('dns.example')
    server = kind(('big',))
    server.tls = names[0]
    conf = 'certificate = "%s"\nkey-file = "%s"\n' % tuple(names)
    port = free_port()
    try:
        with primary({'big': zone_of(1, hosts(5000))}, conf=conf,
                     listen=('127.0.0.1:0', '127.0.0.1:%d tls' % port)) as ours:
            server.start(port)
            follow(server.address, {'big': 1}, ours.log, server.text)
            same_zone(axfr(ours.address('tcp'), 'big'), axfr(server.address, 'big'))
            assert ours.metric('dnsd_queries_total', transport='tls') >= 1
    finally:
        server.stop()


run(('steps, as dig sees them', steps_by_dig),
    ('after a restart', after_a_restart),
    ('a large step', a_large_step),
    ('no more than the journal may have', journal_size),
    ('named takes differences', lambda: takes_differences(NamedSecondary)),
    ('knotd takes differences', lambda: takes_differences(KnotdSecondary)),
    ('nsd takes differences', lambda: takes_differences(NsdSecondary)),
    ('named over TLS', lambda: over_tls(NamedSecondary)),
    ('nsd over TLS', lambda: over_tls(NsdSecondary)))
