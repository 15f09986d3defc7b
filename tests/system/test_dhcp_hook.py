"""Hooks of dhcpd: lease events to commands and to a module, in order, bounded, and never in the way of
the clients."""
import glob
import os
import shutil
import signal
import socket
import stat
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from keel import BUILDDIR, SRCDIR, Daemon, Refused, Skip, check_conf, directory, run, until
sys.path.insert(0, os.path.join(SRCDIR, 'tests', 'support'))
from dhcp_client import ACK, DISCOVER, REQUEST, Client, option  # noqa: E402

CONF = '''
lease-time = %s
lease-time-min = 1s
subnet "127.0.0.0/8" { pool "127.64.0.1-127.64.3.254" { } }
%s
'''


def dhcpd(hooks, lease='1h', **options):
    options.setdefault('workers', 2)
    return Daemon('dhcpd', conf=CONF % (lease, hooks), **options)


def client(daemon, number):
    return Client(daemon.address('udp'), '02:00:00:00:%02x:%02x' % (number >> 8, number & 255))


def lease(c, name=b'box'):
    said = option(12, name)
    offered, offer = c.ask(DISCOVER, said)
    got, options = c.ask(REQUEST, said + option(50, socket.inet_aton(offered))
                         + option(54, offer[54]))
    assert options[53] == bytes([ACK]), options
    return got, options


class Script:
    """A command that notes its environment; `more` is run before."""

    def __init__(self, more=''):
        self.folder = directory()
        self.path = os.path.join(self.folder, 'command')
        self.notes = os.path.join(self.folder, 'notes')
        open(self.notes, 'w').close()
        with open(self.path, 'w') as f:
            f.write('#!/bin/sh\n%s\necho "$KEEL_EVENT $KEEL_ADDRESS $KEEL_HARDWARE $KEEL_HOSTNAME $1"'
                    ' >>%s\n' % (more, self.notes))
        os.chmod(self.path, os.stat(self.path).st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)

    def hook(self, events, more=''):
        return ('hook { command = { "%s", "it;s" } events = { %s } write = { "%s" } %s }\n'
                % (self.path, ', '.join('"%s"' % e for e in events), self.folder, more))

    def lines(self):
        with open(self.notes) as f:
            return f.read().splitlines()


EVENTS = ('granted', 'renewed', 'released', 'expired')


def commands():
    script, other = Script(), Script()
    with dhcpd(script.hook(EVENTS) + other.hook(('released',)), lease='2s') as daemon:
        box = client(daemon, 1)
        address, options = lease(box, b'my box')
        assert lease(box, b'my box')[0] == address
        box.release(address, options[54])
        short, _ = lease(client(daemon, 2))
        tail = '%s 02:00:00:00:00:01 my?box it;s' % address
        until(lambda: len(script.lines()) == 5, 'five events')
        lines = script.lines()
        mine = [line for line in lines if address in line]
        assert mine == [event + ' ' + tail for event in ('granted', 'renewed', 'released')], lines
        assert [line.split()[0] for line in lines if short in line] == ['granted', 'expired'], lines
        assert other.lines() == ['released ' + tail], other.lines()
        rows = until(lambda: (lambda r: r if sum(x['done'] for x in r) == 6 else None)(
            daemon.ctl('hooks')), 'all are done')
        assert all(r['waiting'] == r['running'] == r['failed'] == r['dropped'] == 0 for r in rows)
        assert daemon.metric('dhcpd_hook_events_total', result='sent') == 5
        assert daemon.metric('dhcpd_hook_commands_total', result='done') == 6


def deleted():
    """An operator takes a lease away."""
    script = Script()
    with dhcpd(script.hook(('deleted',))) as daemon:
        address, _ = lease(client(daemon, 1))
        daemon.ctl('lease-delete', address)
        until(lambda: script.lines() == ['deleted %s 02:00:00:00:00:01 box it;s' % address],
              'it is told')


def slow_commands():
    """A command that hangs: clients do not notice, the queue is bounded, a deadline ends it."""
    script = Script('exec sleep 60')
    conf = script.hook(('granted',), 'timeout = 1s concurrency = 2 queue = 3')
    with dhcpd(conf) as daemon:
        for n in range(1, 11):
            lease(client(daemon, n))
        row = until(lambda: (lambda r: r if r['dropped'] else None)(daemon.ctl('hooks')[0]),
                    'some are dropped')
        assert row['running'] == 2 and row['waiting'] == 3, row
        until(lambda: daemon.ctl('hooks')[0]['failed'] >= 2, 'the deadline ends them')
        assert daemon.ctl('hooks')[0]['dropped'] == 5
        # the helper hangs, and dies: the service goes on
        helper = next(w['pid'] for w in daemon.ctl('workers') if w['role'] == 'hooks')
        os.kill(helper, signal.SIGSTOP)
        lease(client(daemon, 20))
        os.kill(helper, signal.SIGKILL)
        lease(client(daemon, 21))
        until(lambda: any(w['role'] == 'hooks' and w['pid'] != helper and w['state'] == 'active'
                          for w in daemon.ctl('workers')), 'another helper')
        lease(client(daemon, 22))
        until(lambda: (lambda r: r['running'] + r['failed'])(daemon.ctl('hooks')[0]), 'it is told')


def failing_commands():
    with dhcpd('hook { command = { "/nonexistent" } events = { "granted" } }\n'
               'hook { command = { "/bin/false" } events = { "granted" } }\n') as daemon:
        lease(client(daemon, 1))
        until(lambda: [r['failed'] for r in daemon.ctl('hooks')] == [1, 1], 'both failed')
        assert 'exit status 1' in daemon.log() and '/nonexistent' in daemon.log()


def come_and_go():
    """Without hooks there is no process for them."""
    script = Script()

    def helpers():
        return [w for w in daemon.ctl('workers') if w['role'] == 'hooks']
    with dhcpd('') as daemon:
        assert not helpers()
        lease(client(daemon, 1))
        try:
            daemon.ctl('hooks')
            raise AssertionError('there are no hooks')
        except Refused:
            pass
        for round_ in range(2):
            daemon.write('dhcpd.conf', CONF % ('1h', script.hook(('granted',))))
            daemon.ctl('reload')
            until(lambda: [w['state'] for w in helpers()] == ['active'], 'the helper is there')
            lease(client(daemon, 10 + round_))
            until(lambda: len(script.lines()) == 1 + round_, 'it was told')
            daemon.write('dhcpd.conf', CONF % ('1h', ''))
            daemon.ctl('reload')
            until(lambda: not helpers(), 'the helper is gone')
            lease(client(daemon, 20 + round_))


def restricted():
    """What is not given in `write` cannot be written."""
    script = Script()
    conf = script.hook(('granted',)).replace(script.folder + '" }', directory() + '/other" }')
    with dhcpd(conf) as daemon:
        lease(client(daemon, 1))
        until(lambda: daemon.ctl('hooks')[0]['done'] + daemon.ctl('hooks')[0]['failed'] == 1, 'ran')
        if 'landlock=abi' in daemon.log():
            assert daemon.ctl('hooks')[0]['failed'] == 1 and not script.lines()


def built(name):
    found = glob.glob(os.path.join(BUILDDIR, 'doc', 'examples', '.libs', name + '.so'))
    if not found:
        raise Skip('%s.so is not built' % name)
    folder = directory()
    path = os.path.join(folder, name + '.so')
    shutil.copyfile(found[0], path)
    os.chmod(path, 0o644)
    return path


def module():
    folder = directory()
    path = os.path.join(folder, 'lines')
    conf = ('hook { module = "%s" argument = "%s" events = { "granted", "released" } write = { "%s" } }'
            % (built('lease_module'), path, folder))
    with dhcpd(conf) as daemon:
        box = client(daemon, 1)
        address, options = lease(box)
        box.release(address, options[54])
        until(lambda: daemon.ctl('hooks')[0]['done'] == 2, 'both were told')
        with open(path) as f:
            lines = f.read().splitlines()
        assert [line.split()[:2] for line in lines] == [['granted', address], ['released', address]]
        assert lines[0].endswith(' 02:00:00:00:00:01 box'), lines
        # a wrong one: the reload is refused, what serves goes on
        daemon.write('dhcpd.conf', CONF % ('1h', conf.replace('argument = "', 'argument = "/no')))
        try:
            daemon.ctl('reload')
            raise AssertionError('it was taken')
        except Exception as reason:  # pylint: disable=broad-except
            assert 'it was taken' not in str(reason), reason
        assert lease(box)[0] == address


WRONG = (
    ('events = { "granted" }', 'either a command or a module'),
    ('command = { "/bin/true" } module = "x.so" events = { "granted" }', 'either'),
    ('command = { "true" } events = { "granted" }', 'whole path'),
    ('command = { "/bin/true" }', 'events'),
    ('command = { "/bin/true" } events = { "granted", "gone" }', '"gone" is none of'),
)


def wrong_configuration():
    for text, words in WRONG:
        said = check_conf('dhcpd', 'listen = { "127.0.0.1:0" }\nsubnet "192.0.2.0/24" { }\n'
                          'hook { %s }\n' % text)
        assert said[0] == 2 and words in said[1], (text, said)


run(('commands are told, in order', commands),
    ('a lease that an operator deletes', deleted),
    ('a command that hangs is in nobody\'s way', slow_commands),
    ('a command that fails is counted', failing_commands),
    ('hooks come and go with a reload', come_and_go),
    ('a command writes only where it may', restricted),
    ('a module', module),
    ('wrong configurations', wrong_configuration))
