"""The harness itself: it must notice what a daemon does wrong, and leave nothing behind."""
import os
import socket
import stat
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from keel import (Daemon, Load, NetNs, Refused, SRCDIR, directory, output, processes, run, until,
                  variation)


def fake(behaviour='', **options):
    """The fake daemon as an executable, since Daemon runs one program."""
    path = os.path.join(directory(), 'fake')
    with open(path, 'w') as f:
        f.write('#!/bin/sh\nexec %s %s/tests/system/fake_daemon.py "$@"\n'
                % (sys.executable, SRCDIR))
    os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR)
    return Daemon(path, env={'FAKE': behaviour}, **options)


def fails(function):
    try:
        function()
    except AssertionError as error:
        return str(error)
    raise AssertionError('it was not noticed')


def control():
    with fake() as daemon:
        assert daemon.address('tcp')[0] == '127.0.0.1'
        assert len(daemon.processes()) == 2 and len(daemon.children()) == 1
        assert daemon.metric('a_total') == 12 and daemon.metric('a_total', y=2) == 5
        try:
            daemon.ctl('dance')
        except Refused as error:
            assert str(error) == 'no such command'
        else:
            raise AssertionError('a refusal was taken for a result')


def never_ready():
    text = fails(lambda: fake('broken'))
    assert 'status 2' in text and 'fake.conf:3: nonsense' in text, text


def wrong_status():
    assert 'status 1' in fails(fake('status').stop)


def left_behind():
    daemon = fake('orphan')
    child = daemon.children()[0]
    assert 'no process of fake left' in fails(daemon.stop)
    os.kill(child, 9)
    until(lambda: processes().get(child, (0, 0, 'Z'))[2] == 'Z', 'the orphan is gone')


def namespaces():
    with NetNs() as one, NetNs() as two:
        one.add_veth('left', two, 'right', '192.0.2.1/24', '192.0.2.2/24', '02:00:00:00:00:07')
        assert '192.0.2.2/24' in two.ip('-4', 'addr', 'show', 'right')
        assert '02:00:00:00:00:07' in two.ip('link', 'show', 'right')
        server = os.path.join(directory(), 'never')
        assert not os.path.exists(server)
        assert 'left' not in output(['ip', 'link'])


def load_counts():
    with socket.create_server(('127.0.0.1', 0), backlog=64) as server:
        def serve():
            for i in range(100):
                client = server.accept()[0]
                with client:
                    data = client.recv(1000)
                    if i % 10 == 3:
                        continue            # closed without an answer
                    client.sendall(b'x' * len(data) if i % 10 == 4 else data)
        thread = threading.Thread(target=serve)
        thread.start()
        counts = Load(server.getsockname(), 'echo', 2, connections=100).finish(stop=False)
        thread.join()
    assert counts['ok'] == 80 and counts['reset_in_flight'] == 10 and counts['wrong'] == 10, counts
    counts = Load(('127.0.0.1', 1), 'echo', 1, connections=3).finish(stop=False)
    assert counts['refused'] == 3 and counts['lost'] == 3, counts


run(('a control socket is spoken to', control),
    ('a daemon that does not start is reported with its log', never_ready),
    ('a wrong exit status is noticed', wrong_status),
    ('a process left behind is noticed', left_behind),
    ('namespaces with a cable between them', namespaces),
    ('the load generator counts failures by kind', load_counts),
    ('evenness', lambda: variation([5, 5, 5, 5]) == 0 and None))
