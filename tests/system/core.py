"""What the system tests of the core share: a daemon to try it on, and churn: kills, reloads and
upgrades under load, with the promises that must hold meanwhile."""
import json
import os
import random
import re
import signal
import time

from keel import Daemon, Load, descriptors, program, shared_segments, tap, until

RESETS = ('reset_connect', 'reset_in_flight')


def echod(text='', workers=4, **options):
    """doc/examples/echod.c with a configuration file, so that it can be reloaded."""
    listen = '' if 'listen =' in text else 'listen = { "127.0.0.1:0" }\n'
    return Daemon(program('echod'), conf=listen + text, listen=None, workers=workers, **options)


def workers(daemon):
    """Rows of the `workers` command that serve now: {"worker": i, "pid": p, ...}."""
    return [row for row in daemon.ctl('workers') if row['state'] in ('serving', 'active')]


def worker_pids(daemon):
    return [row['pid'] for row in workers(daemon)]


def whole(daemon, count):
    """Waits until this many workers serve and nobody else is left over from before."""
    until(lambda: len(workers(daemon)) == count and len(daemon.children()) == count,
          '%d workers and nothing else' % count, patience=60, pause=0.05)


def holdings(daemon):
    """What a leak would show in: the master's descriptors and mappings, the number of processes."""
    return {'descriptors': descriptors(daemon.pid), 'segments': len(shared_segments(daemon.pid)),
            'processes': len(daemon.processes()), 'shm': len(os.listdir('/dev/shm'))}


def settled(daemon):
    """Holdings once they stand still: the master may not have closed our last question yet."""
    seen = [holdings(daemon)]

    def still():
        time.sleep(0.1)
        seen.append(holdings(daemon))
        return seen[-1] if seen[-3:] == [seen[-1]] * 3 else None
    return until(still, 'holdings that stand still', patience=20)


def only_in_flight(counts, kills, concurrent):
    """A killed worker takes its own requests with it, and nothing else is ever lost."""
    forgiven = sum(counts[kind] for kind in RESETS)
    assert counts['lost'] == forgiven, counts
    assert forgiven <= kills * concurrent, counts
    tap.note('%d connections, %d lost in flight to %d kills, slowest %g ms'
             % (counts['started'], forgiven, kills, counts['worst_ms']))


def nothing_lost(counts):
    assert counts['lost'] == 0 and counts['ok'] > 0, json.dumps(counts)
    tap.note('%d connections, none lost, slowest %g ms' % (counts['ok'], counts['worst_ms']))


def churn(kills, reloads, upgrades, count=4, concurrent=16, seed=1, pause=0.03):
    """Kills random workers, reloads and upgrades in random order under load; checks everything."""
    order = ['kill'] * kills + ['reload'] * reloads + ['upgrade'] * upgrades
    chance = random.Random(seed)
    chance.shuffle(order)
    with echod('respawn-budget = 0\n', workers=count) as daemon:
        whole(daemon, count)
        for _ in range(2):  # whatever is made on first use is made
            daemon.ctl('reload')
            whole(daemon, count)
        before = settled(daemon)
        load = Load(daemon.address('tcp'), 'echo', concurrent, timeout_ms=30000)
        for step in order:
            if step == 'kill':
                victims = until(lambda: worker_pids(daemon), 'a worker to kill', patience=60)
                os.kill(chance.choice(victims), signal.SIGKILL)
            elif step == 'reload':
                daemon.ctl('reload', patience=60)
            else:
                upgrade(daemon)
            time.sleep(pause)
        counts = load.finish()
        whole(daemon, count)
        only_in_flight(counts, kills, concurrent)
        after = until(lambda: holdings(daemon) == before and before or None,
                      'as many descriptors, segments and processes as before: %s, now %s'
                      % (before, holdings(daemon)), patience=15)
        tap.note('the master holds %s, as before' % after)


def upgrade(daemon):
    """Upgrades and waits until the new master answers."""
    old = daemon.pid
    daemon.ctl('upgrade', patience=60)

    def new_master():
        try:
            pid = daemon.status()['pid']
        except (OSError, EOFError, ValueError):
            return None
        return pid if pid != old else None
    daemon.pid = until(new_master, 'the new master answers', patience=60, pause=0.02)
    until(lambda: old not in daemon.processes(), 'the old master is gone', patience=60)
    until(lambda: re.search(r'the old process left.*\b%d\b' % old, daemon.log()),
          'the new master knows', patience=60)
