"""Reload: nothing lost under load, nothing changed by a broken file, addresses come and go, and a
generation that does not get ready is undone."""
import contextlib
import os
import re
import signal
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from core import echod, nothing_lost, whole, worker_pids
from keel import Load, Refused, run, tap, until

RELOADS = 20


def echoes(address):
    with socket.create_connection(address, timeout=10) as s:
        s.sendall(b'hello\n')
        return s.recv(100) == b'hello\n'


def under_load():
    with echod(workers=2) as daemon:
        load = Load(daemon.address('tcp'), 'echo', 16)
        took = []
        for _ in range(RELOADS):
            before = set(worker_pids(daemon))
            begin = time.monotonic()
            daemon.ctl('reload')
            took.append(time.monotonic() - begin)
            until(lambda: not before & set(worker_pids(daemon)), 'new workers')
        counts = load.finish()
        whole(daemon, 2)
    nothing_lost(counts)
    tap.note('%d reloads, median %.0f ms' % (RELOADS, sorted(took)[RELOADS // 2] * 1000))


def by_signal():
    with echod(workers=1) as daemon:
        before = worker_pids(daemon)
        daemon.kill(signal.SIGHUP)
        until(lambda: worker_pids(daemon) and worker_pids(daemon) != before, 'a new worker')
        assert echoes(daemon.address('tcp'))


def broken_file():
    with echod(workers=1) as daemon:
        before, address = worker_pids(daemon), daemon.address('tcp')
        with open(daemon.conf_path, encoding='utf-8') as f:
            good = f.read()
        daemon.write(daemon.conf_path, good + '\nno-such-key = 1\n')
        line = '%s:%d:' % (daemon.conf_path, good.count('\n') + 2)
        try:
            daemon.ctl('reload')
        except Refused as error:
            assert line in str(error) and 'no-such-key' in str(error), error
        else:
            raise AssertionError('a broken file was taken')
        daemon.kill(signal.SIGHUP)
        until(lambda: line in daemon.log(), 'file and line in the log')
        assert worker_pids(daemon) == before and echoes(address)
        daemon.write(daemon.conf_path, good)
        daemon.ctl('reload')
        until(lambda: worker_pids(daemon) != before, 'new workers')


def addresses_come_and_go():
    one = 'listen = { "127.0.0.1:0" }\n'
    two = 'listen = { "127.0.0.1:0", "127.0.0.2:0" }\n'
    with echod(one, workers=2) as daemon:
        first = daemon.address('tcp')
        daemon.write(daemon.conf_path, two)
        daemon.ctl('reload')
        found = daemon.addresses('tcp')
        assert first in found and len(found) == 2, found
        second = [a for a in found if a != first][0]
        assert echoes(first) and echoes(second)
        daemon.write(daemon.conf_path, one)
        daemon.ctl('reload')
        assert daemon.addresses('tcp') == [first], daemon.addresses('tcp')
        assert echoes(first)

        def refused():
            try:
                socket.create_connection(second, timeout=10).close()
            except ConnectionRefusedError:
                return True
            return False
        until(refused, 'the removed address refuses')


def many_at_once():
    """Who asks while a reload is under way gets the answer of one that began after he asked."""
    with echod('prefix = "a"\n', workers=2) as daemon:
        for prefix in 'bcd':
            with open(daemon.conf_path, encoding='utf-8') as f:
                text = f.read()
            changed = re.sub('prefix = ".*"', 'prefix = "%s"' % prefix, text)
            seen = []

            def ask():
                daemon.ctl('reload', patience=60)
                seen.append(daemon.ctl('prefix'))
            threads = [threading.Thread(target=ask) for _ in range(8)]
            threads[0].start()
            daemon.write('new', changed)
            os.rename(os.path.join(daemon.folder, 'new'), daemon.conf_path)
            for thread in threads[1:]:
                thread.start()
            for thread in threads:
                thread.join()
            # the first may have been quicker than the change
            assert len(seen) == 8 and seen.count(prefix) >= 7, (prefix, seen)
        whole(daemon, 2)


def stop_a_new_child(daemon, before):
    """Stops a process of the master's that was not there before, as soon as it is."""
    path = '/proc/%d/task/%d/children' % (daemon.pid, daemon.pid)

    def stopped():
        with open(path, encoding='ascii') as f:
            new = set(map(int, f.read().split())) - before
        for pid in new:
            os.kill(pid, signal.SIGSTOP)
        return new
    return until(stopped, 'a new worker', pause=0)


def undone():
    """A new worker is stopped in its tracks before it can say that it is ready. On a busy machine it
    may be quicker than us; then it is tried again."""
    with echod('start-timeout = 1s\n', workers=1) as daemon:
        load = Load(daemon.address('tcp'), 'echo', 4)
        answer = None
        for _ in range(20):
            before = worker_pids(daemon)
            result = daemon.ask('reload', patience=60)
            stopped = stop_a_new_child(daemon, set(before))
            try:
                result()
            except Refused as error:
                answer = str(error)
                break
            for pid in stopped:  # it was ready already; it goes on, or is gone
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
            whole(daemon, 1)
        counts = load.finish()
        assert answer, 'no worker was stopped in time'
        tap.note(answer)
        assert worker_pids(daemon) == before, (before, worker_pids(daemon))
        until(lambda: daemon.children() == before, 'the generation that failed is gone')
        nothing_lost(counts)


run(('%d reloads under load lose nothing' % RELOADS, under_load),
    ('SIGHUP reloads', by_signal),
    ('reloads that are asked for at once', many_at_once),
    ('a broken file changes nothing and is named with its line', broken_file),
    ('addresses are added and removed', addresses_come_and_go),
    ('a generation that does not get ready is undone', undone))
