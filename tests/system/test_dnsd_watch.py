"""What an operator sees of single questions: `keelctl dnsd trace` and `top`, while dig asks."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from dns import add_address, ask_udp, dig, zone_text
from keel import Daemon, Follow, Refused, run, until


def dnsd(**more):
    return Daemon('dnsd', conf='zone "example.org" { file = "the.zone" }\n',
                  files={'the.zone': zone_text('example.org.zone')}, **more)


def traced():
    with dnsd(workers=2) as daemon:
        address = daemon.address('udp')
        follow = Follow(daemon, 'name=ns1.example.org', 'client=127.0.0.0/8')
        other = Follow(daemon, 'rcode=NXDOMAIN', 'type=AAAA', options=('--json',))
        # until both are heard of: a line each
        until(lambda: dig(address, ['ns1.example.org A', 'no.example.org AAAA']) and
              follow.process.poll() is None and len(seen(daemon)) == 0 and
              (follow.lines and other.lines), 'lines of both')
        dig(address, ['example.org A', 'ns2.example.org A', 'no.example.org A'])
        count = len(follow.lines)
        dig(address, ['ns1.example.org AAAA'], '+tcp', '+dnssec')
        until(lambda: len(follow.lines) > count, 'the line of TCP')
        lines, others = follow.end(), other.end()
        assert all('ns1.example.org.' in line and '127.0.0.1' in line for line in lines), lines
        assert any(' udp ' in line and '-> NOERROR aa' in line for line in lines), lines
        assert ' tcp ' in lines[-1] and '+do' in lines[-1], lines
        assert lines == sorted(lines)
        assert all('NXDOMAIN' in line and '"worker"' in line for line in others), others
        for wrong in ('nix=1', 'client=x', 'type=NOPE9', 'rcode=NOPE', 'name=a..b', 'naked'):
            try:
                raise AssertionError(daemon.ctl('trace', wrong))
            except Refused:
                pass


def updates_too():
    """What the keeper carries out is shown when it is answered."""
    conf = 'zone "open.example" { file = "z" allow-update = { "127.0.0.0/8" } }\n'
    text = '$TTL 60\n@ SOA ns h 7 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n'
    with Daemon('dnsd', conf=conf, files={'z': text}) as daemon:
        follow = Follow(daemon, 'name=open.example')
        until(lambda: ask_udp(daemon.address('udp'), add_address('open.example', 'a'))[3] & 15 == 0 and
              follow.lines, 'a line')
        lines = follow.end()
        assert all(' udp ' in line and '-> NOERROR' in line for line in lines), lines


def seen(daemon):
    """Nothing of it stands in the log."""
    return [line for line in daemon.log().splitlines() if 'ns1.example.org' in line]


def forgotten():
    """A session that nobody asks for ends by itself, so that others find room."""
    with dnsd(workers=1) as daemon:
        for i in range(8):
            daemon.ctl('trace', 'session=%d' % i)
        try:
            raise AssertionError(daemon.ctl('trace', 'session=8'))
        except Refused:
            pass

        def free():
            try:
                return daemon.ctl('trace', 'session=9') is not None
            except Refused:
                return False
        until(free, 'a session ends', patience=60)


def topped():
    with dnsd(workers=1) as daemon:
        address = daemon.address('udp')
        for subject, key in (('name', 'ns1.example.org.'), ('type', 'A'), ('zone', 'example.org.'),
                             ('client', '127.0.0.1')):
            owed = daemon.ask('top', subject, '2', '1')
            for _ in range(5):
                dig(address, ['ns1.example.org A'] * 3 + ['ns2.example.org AAAA'])
            [answer] = owed()
            rows = answer['result']
            assert len(rows) == 1 and rows[0]['key'] == key, (subject, answer)
            assert rows[0]['questions'] >= 3 and rows[0]['too_high_by'] == 0, answer
        for wrong in ((), ('nix',), ('name', '0'), ('name', '9999'), ('name', '1', '1', '1')):
            try:
                raise AssertionError(daemon.ctl('top', *wrong))
            except Refused:
                pass
        owed = daemon.ask('top', 'name', '300')
        assert 'counts already' in refusal(daemon, 'top', 'name')
        # stopping the daemon does not wait for it


def refusal(daemon, *words):
    try:
        return 'not refused: %s' % daemon.ctl(*words)
    except Refused as error:
        return str(error)


def counted():
    with dnsd(workers=1) as daemon:
        dig(daemon.address('udp'), ['ns1.example.org A'] * 3 + ['no.example.org A', 'other A'])
        [row] = daemon.ctl('zone-counters')
        assert row['result'] == [{'name': 'example.org.', 'queries': 4, 'nxdomain': 1, 'errors': 0,
                                  'truncated': 0, 'tcp': 0}], row
        [row] = daemon.ctl('zone-counters', 'Example.ORG')
        assert row['result']['queries'] == 4, row
        assert 'no zone' in refusal(daemon, 'zone-counters', 'other')


run(('questions of a name, live', traced),
    ('updates, live', updates_too),
    ('a session nobody asks for', forgotten),
    ('what is asked most', topped),
    ('what each zone is asked', counted))
