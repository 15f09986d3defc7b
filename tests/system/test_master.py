"""The master in trouble: starts that fail, signals in storms, changes of schedule and addresses over
reloads and upgrades, workers that are frozen or hung, and what a process may hold."""
import os
import re
import resource
import signal
import socket
import stat
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from core import echod, upgrade, whole, worker_pids, workers
from keel import (Daemon, Load, Refused, directory, need_program, need_root, program, run, spawn,
                  tap, until)


def triald(text='', workers=2, **options):
    listen = '' if 'listen =' in text else 'listen = { "127.0.0.1:0" }\n'
    return Daemon(program('tests/support/triald'), conf=listen + text, listen=None, workers=workers,
                  **options)


def settled(daemon, count):
    """This many workers, serving or waiting, and nobody else."""
    until(lambda: len(daemon.children()) == count
          and all(row['state'] in ('serving', 'active', 'standby') for row in daemon.ctl('workers')),
          '%d workers and nobody else' % count, patience=30)


def ask(address, family=socket.AF_INET, patience=10):
    """(worker, pid, tag) of who answers a new connection."""
    with socket.socket(family, socket.SOCK_STREAM) as s:
        s.settimeout(patience)
        s.connect(address)
        s.sendall(b'x\n')
        worker, pid, tag, _ = s.recv(100).split()
        return int(worker), int(pid), tag.decode()


def all_answer(daemon, times=40):
    address = daemon.address('tcp')
    return {ask(address)[0] for _ in range(times)}


def refused(function, *words):
    try:
        function()
    except Refused as error:
        assert all(word in str(error) for word in words), error
    else:
        raise AssertionError('it was taken')


def ended(*args, **options):
    return subprocess.run([program('tests/support/triald'), *args], capture_output=True, text=True,
                          timeout=20, check=False, **options)


# ---- starts that fail

def failed_start(how, word, count=3):
    folder = directory()
    daemon = triald('unix = "%s/door"\nstart = %s\nstart-timeout = 1s\n' % (folder, how), wait=False,
                    folder=folder, workers=count)
    until(lambda: daemon.process.poll() is not None, 'the end', patience=30)
    daemon.stopped = True
    log = daemon.log()
    assert daemon.process.returncode == 1, (daemon.process.returncode, log)
    assert not daemon.processes()
    assert log.count('cannot start') == 1 and word in log, log
    assert not re.search(r'worker (failed|died)', log), log
    assert not os.path.exists(daemon.socket) and not os.path.exists(folder + '/door')


def nobody_is_told_ready():
    path = os.path.join(directory(), 'notify')
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
        door.bind(path)
        daemon = triald('start = fails\n', wait=False, env={'NOTIFY_SOCKET': path})
        until(lambda: daemon.process.poll() is not None, 'the end')
        daemon.stopped = True
        door.setblocking(False)
        heard = []
        while True:
            try:
                heard.append(door.recv(4096).decode())
            except BlockingIOError:
                break
        assert not any('READY=1' in text for text in heard), heard


def failed_reload():
    for how in ('fails', 'dies', 'waits'):
        with triald('start-timeout = 1s\n', workers=2) as daemon:
            before, address = worker_pids(daemon), daemon.address('tcp')
            with open(daemon.conf_path, encoding='utf-8') as f:
                good = f.read()
            daemon.write(daemon.conf_path, good.replace('}', ', "127.0.0.2:0" }') + 'start = %s\n' % how
                         + 'unix = "%s/door"\n' % daemon.folder)
            refused(lambda: daemon.ctl('reload', patience=30))
            assert worker_pids(daemon) == before and daemon.addresses('tcp') == [address]
            assert ask(address)[1] in before
            until(lambda: len(daemon.children()) == 2, 'the failed generation is gone', patience=30)
            assert not os.path.exists(daemon.folder + '/door')


def more_workers_undone():
    """Descriptors that were opened for workers that did not come are served by those there are."""
    for schedule in ('kernel', 'round-robin'):
        with triald('balance = 2\nstart-timeout = 2s\nschedule = %s\n' % schedule,
                    workers=None) as daemon:
            before = worker_pids(daemon)
            with open(daemon.conf_path, encoding='utf-8') as f:
                text = f.read()
            bad = text.replace('balance = 2', 'balance = 8').replace(schedule, 'kernel')
            daemon.write(daemon.conf_path, bad + 'start = fails\n')
            for _ in range(2):
                refused(lambda: daemon.ctl('reload', patience=30), 'told to fail')
            assert worker_pids(daemon) == before
            address = daemon.address('tcp')
            for _ in range(64):
                assert ask(address, patience=5)[1] in before


# ---- signals

def storm():
    with triald(workers=2) as daemon:
        for _ in range(100):
            daemon.kill(signal.SIGHUP)
        time.sleep(0.3)
        for _ in range(20):
            daemon.kill(signal.SIGHUP)
            time.sleep(0.005)
        whole(daemon, 2)
        assert daemon.status()['generation'] >= 2
        assert len(daemon.ctl('generations')) == 1


def stop_while(what, number=signal.SIGTERM):
    def case():
        with triald('start-timeout = 20s\n', workers=2) as daemon:
            if what == 'reloading':
                with open(daemon.conf_path, 'a', encoding='utf-8') as f:
                    f.write('start = waits\n')
                daemon.kill(signal.SIGHUP)
                until(lambda: len(daemon.children()) == 4, 'a new generation')
            elif what == 'draining':
                held = socket.create_connection(daemon.address('tcp'), timeout=10)
                held.sendall(b'x\n')
                held.recv(100)
                daemon.kill(signal.SIGTERM)
                until(lambda: daemon.ctl('status')['state'] == 'stopping', 'a drain')
                daemon.kill(signal.SIGTERM)
            daemon.kill(number)
            until(lambda: daemon.process.poll() is not None, 'the end', patience=30)
            daemon.stopped = True
            assert daemon.process.returncode == 0 and not daemon.processes(), daemon.log()
            assert not os.path.exists(daemon.socket)
    return case


def stop_while_starting():
    daemon = triald('start = waits\n', wait=False)
    until(lambda: len(daemon.children()) == 2, 'workers that start')
    daemon.kill(signal.SIGINT)
    daemon._wait(30)
    daemon.stopped = True
    assert not daemon.processes() and not os.path.exists(daemon.socket)


def group_signals():
    """Signals to the whole group, as a terminal sends them, at any moment of a worker's life."""
    with triald('respawn-budget = 0\n', workers=2) as daemon:
        for _ in range(30):
            os.killpg(daemon.session, signal.SIGHUP)
            os.killpg(daemon.session, signal.SIGUSR1)
            time.sleep(0.01)
        whole(daemon, 2)
        assert daemon.status()['respawns'] == 0, daemon.log()


# ---- reloads that change much

def schedules():
    text = 'balance = 3\nschedule = %s\ndrain-timeout = 1s\n'
    with triald(text % 'kernel', workers=None) as daemon:
        for schedule in ('single', 'kernel', 'round-robin', 'kernel', 'least', 'single',
                         'round-robin', 'single'):
            daemon.write(daemon.conf_path, 'listen = { "127.0.0.1:0" }\n' + text % schedule)
            daemon.ctl('reload')
            assert daemon.status()['schedule'] == schedule
            found = all_answer(daemon)
            assert len(found) == (1 if schedule == 'single' else 3), (schedule, found)


def worker_counts():
    with triald('balance = 1\n', workers=None) as daemon:
        address = daemon.address('tcp')
        for count in (4, 2, 8, 1, 3):
            daemon.write(daemon.conf_path, 'listen = { "127.0.0.1:0" }\nbalance = %d\n' % count)
            daemon.ctl('reload')
            whole(daemon, count)
            assert daemon.address('tcp') == address
            found = {ask(address)[0] for _ in range(24 * count)}
            assert len(found) == count, (count, found)


def order_of_addresses():
    """A connection that a dying worker of before had not read goes to the same address."""
    with triald(schedule='round-robin', workers=1) as daemon:
        first = daemon.address('tcp')
        old = worker_pids(daemon)[0]
        held = socket.create_connection(first, timeout=10)
        held.sendall(b'x\n')
        held.recv(100)
        os.kill(old, signal.SIGSTOP)
        waiting = socket.create_connection(first, timeout=10)
        waiting.sendall(b'x\n')
        time.sleep(0.1)
        daemon.write(daemon.conf_path, 'listen = { "127.0.0.2:0", "127.0.0.1:0" }\ntag = new\n')
        daemon.ctl('reload')
        os.kill(old, signal.SIGKILL)
        assert waiting.recv(100).split()[2:] == [b'new', b'127.0.0.1:0']
        held.close()
        waiting.close()
        whole(daemon, 1)


def wider_address():
    for _ in range(5):  # somebody else may have the port at another address of this machine
        with triald() as daemon:
            port = daemon.address('tcp')[1]
            try:
                for address in ('0.0.0.0', '127.0.0.1', '0.0.0.0'):
                    daemon.write(daemon.conf_path, 'listen = { "%s:%d" }\n' % (address, port))
                    daemon.ctl('reload')
                    whole(daemon, 2)
                    assert len(all_answer(daemon)) == 2
                    assert ask(('127.0.0.1', port))
                return
            except Refused as error:
                assert 'in use' in str(error), error
    raise AssertionError('no port is free at all addresses')


def control_moves():
    folder = directory()
    one, two = folder + '/one.sock', folder + '/two.sock'
    conf = os.path.join(folder, 'triald.conf')

    def write(path, mode='0660'):
        with open(conf, 'w', encoding='utf-8') as f:
            f.write('listen = { "127.0.0.1:0" }\nstate-dir = "%s/state"\ncontrol = "%s"\n'
                    'control-mode = "%s"\n' % (folder, path, mode))
    write(one)
    daemon = triald(wait=False, folder=folder)      # for its methods; it is not what we look at
    daemon.kill_master()
    log = open(folder + '/log', 'wb')
    daemon.process = spawn([program('tests/support/triald'), '-c', conf], stdin=subprocess.DEVNULL,
                           stdout=log, stderr=log, start_new_session=True)
    daemon.pid = daemon.session = daemon.process.pid
    daemon.stopped, daemon.socket, daemon.log_path = False, one, folder + '/log'
    write(one)
    with daemon:
        daemon.ready()
        write(one, '0600')
        daemon.ctl('reload')
        assert stat.S_IMODE(os.stat(one).st_mode) == 0o600
        write(two)
        daemon.ctl('reload')
        daemon.socket = two
        assert daemon.status()['pid'] == daemon.pid and not os.path.exists(one)
        write(one)
        upgrade_moving(daemon, one)
        assert not os.path.exists(two)
        write(conf + '/x')     # cannot be: it stays
        daemon.ctl('reload')
        assert daemon.status() and 'stays where it was' in daemon.log()
    assert not os.path.exists(one)


def upgrade_moving(daemon, path):
    old = daemon.pid
    daemon.ctl('upgrade', patience=60)
    daemon.socket = path

    def new_master():
        try:
            pid = daemon.status()['pid']
        except (OSError, EOFError, ValueError):
            return None
        return pid if pid != old else None
    daemon.pid = until(new_master, 'the new master answers at its new place', pause=0.02)
    until(lambda: old not in daemon.processes(), 'the old master is gone')


# ---- unix sockets

def unix_sockets():
    folder = directory()
    stream, dgram = folder + '/stream', folder + '/dgram'
    for path, kind in ((stream, socket.SOCK_STREAM), (dgram, socket.SOCK_DGRAM)):
        with socket.socket(socket.AF_UNIX, kind) as s:     # left behind by a dead one
            s.bind(path)
    conf = 'unix = "%s"\nunix-dgram = "%s"\n' % (stream, dgram)

    def both_answer(pids=None):
        assert ask(stream, socket.AF_UNIX)[1] in (pids or worker_pids(daemon))
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.settimeout(10)
            s.bind(os.path.join(directory(), 'client'))
            s.connect(dgram)
            s.send(b'x')
            assert int(s.recv(100).split()[1]) in (pids or worker_pids(daemon))
    for schedule in ('kernel', 'round-robin', 'single'):
        with triald(conf, folder=folder, schedule=schedule) as daemon:
            both_answer()
            daemon.ctl('reload')
            settled(daemon, 2)
            both_answer()
            upgrade(daemon)
            settled(daemon, 2)
            both_answer()
            daemon.write(daemon.conf_path, 'listen = { "127.0.0.1:0" }\nstart = fails\n' + conf)
            refused(lambda: daemon.ctl('upgrade', patience=60))
            both_answer()
            assert daemon.status()['pid'] == daemon.pid
            daemon.write(daemon.conf_path, 'listen = { "127.0.0.1:0" }\n')
            daemon.ctl('reload')
            settled(daemon, 2)
            assert not os.path.exists(stream) and not os.path.exists(dgram)
            daemon.write(daemon.conf_path, 'listen = { "127.0.0.1:0" }\n' + conf)
            daemon.ctl('reload')
            both_answer()
        assert not os.path.exists(stream) and not os.path.exists(dgram)


# ---- upgrades

def upgrade_with_other_addresses():
    with triald() as daemon:
        first = daemon.address('tcp')
        daemon.write(daemon.conf_path, 'listen = { "127.0.0.2:0", "127.0.0.1:0" }\nbalance = 4\n')
        upgrade(daemon)
        assert first in daemon.addresses('tcp') and len(daemon.addresses('tcp')) == 2
        for address in daemon.addresses('tcp'):
            assert ask(address)
        daemon.write(daemon.conf_path, 'listen = { "127.0.0.2:0" }\n')
        upgrade(daemon)
        assert len(daemon.addresses('tcp')) == 1
        try:
            ask(first)
        except ConnectionRefusedError:
            pass
        else:
            raise AssertionError('an address that is not served any more answers')


def counters(daemon):
    return {m.group(1): float(m.group(2)) for m in
            re.finditer(r'^(\w+_total(?:\{[^}]*\})?) (\S+)$', daemon.metrics_text(), re.M)}


def counters_over_upgrades():
    """Seen from outside, all the time: no counter ever goes back."""
    with echod('drain-timeout = 2s\n', workers=2) as daemon:
        address = daemon.address('tcp')
        worst, seen, done = [], [0], threading.Event()

        def watch():
            last = {}
            while not done.is_set():
                try:
                    now = counters(daemon)
                except (OSError, EOFError, ValueError):
                    continue
                for name, value in last.items():
                    if now.get(name, 0) < value:
                        worst.append('%s went from %g to %g' % (name, value, now.get(name, 0)))
                last = now
                seen[0] += 1
        held = socket.create_connection(address, timeout=10)  # so that the old one drains for long
        held.sendall(b'x\n')
        held.recv(100)
        daemon.ctl('reload')
        os.kill(worker_pids(daemon)[0], signal.SIGKILL)
        whole_but_draining(daemon, 2)
        watcher = threading.Thread(target=watch)
        watcher.start()
        load = Load(address, 'echo', 4)
        for _ in range(2):
            upgrade(daemon)
        load.finish()
        done.set()
        watcher.join()
        held.close()
        assert not worst, worst[:5]
        status = daemon.status()
        assert status['reloads'] == 1 and status['respawns'] == 1, status
        tap.note('%d looks' % seen[0])


def whole_but_draining(daemon, count):
    until(lambda: len(workers(daemon)) == count, '%d workers' % count)


def reload_while_upgrading():
    with triald('tag = old\n') as daemon:
        old, before = daemon.pid, worker_pids(daemon)
        daemon.kill(signal.SIGUSR2)
        until(lambda: 'upgrade: started' in daemon.log(), 'an upgrade', pause=0.001)
        daemon.write(daemon.conf_path, 'listen = { "127.0.0.1:0" }\ntag = new\n')
        daemon.kill(signal.SIGHUP)
        until(lambda: old not in daemon.processes(), 'the old master is gone', patience=30)
        daemon.pid = [p for p in daemon.processes()][0]
        until(lambda: ask(daemon.ready() and daemon.address('tcp'))[2] == 'new', 'the new tag')
        whole(daemon, 2)
        assert not set(before) & set(worker_pids(daemon))


def upgrade_while_reloading():
    with triald('start-timeout = 2s\n') as daemon:
        before = worker_pids(daemon)
        with open(daemon.conf_path, 'a', encoding='utf-8') as f:
            f.write('start = waits\n')
        daemon.kill(signal.SIGHUP)
        until(lambda: len(daemon.children()) == 4, 'a new generation')
        refused(lambda: daemon.ctl('upgrade'), 'reload')
        until(lambda: daemon.children() == before, 'it is undone', patience=30)


def stop_while_upgrading():
    with triald('start-timeout = 20s\n') as daemon:
        with open(daemon.conf_path, 'a', encoding='utf-8') as f:
            f.write('start = waits\n')
        daemon.kill(signal.SIGUSR2)
        until(lambda: len(daemon.children()) == 5, 'a new master with two workers')
        daemon.kill(signal.SIGTERM)
        until(lambda: not daemon.processes(), 'the end of all', patience=30)
        daemon.stopped = True
        assert daemon.process.wait() == 0
        assert not os.path.exists(daemon.socket)


def watchdog_after_upgrade():
    path = os.path.join(directory(), 'notify')
    start = os.path.join(directory(), 'triald')
    with open(start, 'w', encoding='utf-8') as f:
        f.write('#!/bin/sh\nWATCHDOG_PID=$$\nexport WATCHDOG_PID\nexec %s "$@"\n'
                % program('tests/support/triald'))
    os.chmod(start, 0o755)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
        door.bind(path)
        door.setsockopt(socket.SOL_SOCKET, 16, 1)  # SO_PASSCRED
        door.settimeout(15)
        with Daemon(start, conf='listen = { "127.0.0.1:0" }\n', listen=None, workers=1,
                    env={'NOTIFY_SOCKET': path, 'WATCHDOG_USEC': '400000'}) as daemon:
            old = daemon.pid
            upgrade(daemon)
            door.setblocking(False)
            heard = []

            def hears(word, sender):
                try:
                    while True:
                        text, control, _, _ = door.recvmsg(4096, 256)
                        pid = int.from_bytes(control[0][2][:4], sys.byteorder)
                        heard.append((pid, text.decode()))
                except BlockingIOError:
                    pass
                return any(pid == sender and word in text for pid, text in heard)
            until(lambda: hears('WATCHDOG=1', daemon.pid), 'WATCHDOG=1 of the new one')
            assert hears('MAINPID=%d' % daemon.pid, old), heard


def inherited_over_reload_and_upgrade():
    """Sockets of systemd: dropped and taken again by reloads, kept over upgrades, never removed."""
    path = os.path.join(directory(), 'given')
    with socket.create_server(('127.0.0.1', 0)) as tcp, \
            socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as unix:
        unix.bind(path)
        unix.listen()
        tcp_text = 'listen = { "127.0.0.1:%d" }\n' % tcp.getsockname()[1]
        both = tcp_text + 'unix = "%s"\n' % path
        start = os.path.join(directory(), 'triald')
        with open(start, 'w', encoding='utf-8') as f:
            f.write('#!/bin/sh\nexec 9<&%d 8<&%d\nexec 3<&9 4<&8 9<&- 8<&-\n'
                    'LISTEN_PID=$$ LISTEN_FDS=2\nexport LISTEN_PID LISTEN_FDS\nexec %s "$@"\n'
                    % (tcp.fileno(), unix.fileno(), program('tests/support/triald')))
        os.chmod(start, 0o755)
        with Daemon(start, conf=both, listen=None, workers=2,
                    pass_fds=(tcp.fileno(), unix.fileno())) as daemon:
            def answers():
                assert ask(tcp.getsockname()) and ask(path, socket.AF_UNIX)
            answers()
            for text in ('listen = { "127.0.0.1:0" }\n', both, tcp_text, both):
                daemon.write(daemon.conf_path, text)
                daemon.ctl('reload')
                whole(daemon, 2)
            answers()
            for _ in range(2):
                upgrade(daemon)
                answers()
        assert os.path.exists(path)


# ---- workers in trouble

def frozen():
    """All of us stopped for a while (a container that was paused): nobody is to blame."""
    with triald('worker-timeout = 1s\n') as daemon:
        before = daemon.processes()
        for pid in before:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(2)
        for pid in [daemon.pid] + before:
            os.kill(pid, signal.SIGCONT)
        time.sleep(1)
        assert daemon.processes() == before, daemon.log()


def hung_in_turn():
    """Schedule round-robin: what was passed to a worker that hangs is served by others soon."""
    for schedule in ('round-robin', 'least'):
        with triald('worker-timeout = 10s\n', schedule=schedule, workers=2) as daemon:
            address = daemon.address('tcp')
            victim = worker_pids(daemon)[0]
            os.kill(victim, signal.SIGSTOP)
            begin = time.monotonic()
            held = [socket.create_connection(address, timeout=10) for _ in range(20)]
            for s in held:
                s.sendall(b'x\n')
            for s in held:
                assert int(s.recv(100).split()[1]) != victim
                s.close()
            took = time.monotonic() - begin
            os.kill(victim, signal.SIGCONT)
            until(lambda: ask(address)[1] == victim, 'it serves again')
            tap.note('%s: all answered after %.1f s' % (schedule, took))
            assert took < 1.5, took


def killed_in_turn():
    """Schedule round-robin with one worker: connections wait for its replacement."""
    with triald('respawn-budget = 0\n', schedule='round-robin', workers=1) as daemon:
        address = daemon.address('tcp')
        for _ in range(3):
            victim = worker_pids(daemon)[0]
            os.kill(victim, signal.SIGSTOP)
            held = [socket.create_connection(address, timeout=10) for _ in range(20)]
            for s in held:
                s.sendall(b'x\n')
            time.sleep(0.1)
            os.kill(victim, signal.SIGKILL)
            for s in held:
                assert int(s.recv(100).split()[1]) != victim
                s.close()
            whole(daemon, 1)


def out_of_descriptors():
    """The master accepts for its workers, and has no descriptor left: they wait, nothing spins."""
    with triald(schedule='round-robin', workers=1) as daemon:
        address = daemon.address('tcp')
        ask(address)
        used = max(int(name) for name in os.listdir('/proc/%d/fd' % daemon.pid)) + 1
        _, hard = resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (used, used))
        with socket.create_connection(address, timeout=10) as s:
            s.sendall(b'x\n')
            before = cpu(daemon.pid)
            time.sleep(1)
            spent = cpu(daemon.pid) - before
            try:
                resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (4096, 4096))
            except PermissionError:
                daemon.kill_master()
                return
            assert s.recv(100)
        assert spent < 0.3, spent
        tap.note('%.2f s of CPU in a second without descriptors' % spent)


def no_room_for_workers():
    """The master has no descriptor for a new worker: a reload is refused, a respawn tried again."""
    with triald('respawn-budget = 0\n', workers=2) as daemon:
        address = daemon.address('tcp')
        whole(daemon, 2)
        held = len(os.listdir('/proc/%d/fd' % daemon.pid))
        limits = resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)
        for room in range(0, 8):  # each step of a reload once without a descriptor
            resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (held + room, limits[1]))
            daemon.kill(signal.SIGHUP)
            time.sleep(0.1)
        assert daemon.log().count('reload refused') >= 3, daemon.log()
        resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, limits)
        whole(daemon, 2)
        victim = worker_pids(daemon)[0]
        held = len(os.listdir('/proc/%d/fd' % daemon.pid))
        resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (4, limits[1]))
        os.kill(victim, signal.SIGKILL)
        until(lambda: 'cannot start a worker' in daemon.log(), 'a respawn that fails')
        ask(address)
        resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, limits)
        whole(daemon, 2)
        daemon.ctl('reload')
        whole(daemon, 2)
        until(lambda: len(os.listdir('/proc/%d/fd' % daemon.pid)) <= held, 'no descriptor more')


def rss(pid):
    with open('/proc/%d/status' % pid, encoding='ascii') as f:
        return int(re.search(r'VmRSS:\s+(\d+)', f.read()).group(1)) << 10


def deaf_control_client():
    """A client that asks and asks and does not read: it waits, the master does not fill up."""
    with triald(workers=1) as daemon:
        before = rss(daemon.pid)
        with open('/proc/%d/maps' % daemon.pid, encoding='utf-8', errors='replace') as f:
            most = 256 << 20 if 'libasan' in f.read() else 8 << 20  # it keeps what is freed
        for command, times in (('help', 20000), ('lag', 5000)):
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
                s.settimeout(20)
                s.connect(daemon.socket)
                line = b'{"command":"%s"}\n' % command.encode()
                sender = threading.Thread(target=s.sendall, args=(line * times,))
                sender.start()
                time.sleep(1)
                grown = rss(daemon.pid) - before
                assert daemon.status()
                answers = 0
                while answers < times:
                    answers += s.recv(1 << 20).count(b'\n')
                sender.join()
            tap.note('%s: %d KiB more' % (command, grown >> 10))
            assert grown < most, grown


def reload_behind_an_upgrade():
    """The old master still finishes: the new one reloads all the same."""
    with triald('drain-timeout = 10s\ntag = one\n') as daemon:
        address, old = daemon.address('tcp'), daemon.pid
        with socket.create_connection(address, timeout=10) as held:
            held.sendall(b'x\n')
            held.recv(100)
            daemon.ctl('upgrade', patience=60)
            daemon.pid = until(lambda: daemon.ready()['pid'] != old and daemon.ready()['pid'],
                               'the new master answers')
            daemon.write(daemon.conf_path, 'listen = { "127.0.0.1:0" }\ntag = two\n')
            daemon.ctl('reload')
            assert ask(address)[2] == 'two'
            refused(lambda: daemon.ctl('upgrade'), 'has not left')
            held.sendall(b'x\n')
            assert held.recv(100).split()[2] == b'one'
        until(lambda: old not in daemon.processes(), 'the old master is gone')


def cpu(pid):
    with open('/proc/%d/stat' % pid, encoding='ascii') as f:
        fields = f.read().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


# ---- one that serves

def states(daemon):
    return sorted(row['state'] for row in daemon.ctl('workers'))


def takeover():
    with triald('respawn-budget = 0\n', schedule='single', workers=3) as daemon:
        address, took = daemon.address('tcp'), []
        for _ in range(5):
            pid = ask(address)[1]
            begin = time.monotonic()
            os.kill(pid, signal.SIGKILL)
            assert ask(address)[1] != pid
            took.append((time.monotonic() - begin) * 1000)
            until(lambda: states(daemon) == ['active', 'standby', 'standby'], 'two standbys')
        assert 'another owner' not in daemon.log()
        tap.note('an answer %s ms after the kill' % ', '.join('%.0f' % ms for ms in took))
        assert sorted(took)[2] < 100, took


def one_at_a_time():
    with triald('respawn-budget = 0\nworker-timeout = 1s\n', schedule='single', workers=2) as daemon:
        address = daemon.address('tcp')
        for _ in range(3):
            daemon.ctl('reload')
            ask(address)
            os.kill(ask(address)[1], signal.SIGKILL)
            ask(address)
        upgrade(daemon)
        ask(address)
        stopped = ask(address)[1]
        os.kill(stopped, signal.SIGSTOP)
        begin = time.monotonic()
        assert ask(address)[1] != stopped
        tap.note('a stopped one is replaced after %.1f s' % (time.monotonic() - begin))
        until(lambda: stopped not in daemon.processes(), 'the stopped one is ended')
        assert 'another owner' not in daemon.log(), daemon.log()
        until(lambda: states(daemon) == ['active', 'standby'], 'one active, one standby')


# ---- what a process holds

def descriptors_of(pid):
    """What is open, by kind; all but 0, 1 and 2 must close on exec."""
    found = {}
    for name in os.listdir('/proc/%d/fd' % pid):
        try:
            place = os.readlink('/proc/%d/fd/%s' % (pid, name))
            with open('/proc/%d/fdinfo/%s' % (pid, name), encoding='ascii') as f:
                flags = int(re.search(r'flags:\s+(\d+)', f.read()).group(1), 8)
        except OSError:
            continue
        if int(name) > 2:
            assert flags & os.O_CLOEXEC, (name, place, oct(flags))
            kind = re.sub(r'[\[:\d\]]+$|\[(?=eventpoll)', '', place)
            found[kind] = found.get(kind, 0) + 1
    return found


def no_more_than_needed():
    with triald(workers=2) as daemon:
        first = descriptors_of(worker_pids(daemon)[0])
        # TCP and UDP of one address, and the channel
        assert first.get('socket') == 3, first
        assert not any('memfd:keel-manifest' in kind for kind in first), first
        daemon.ctl('reload')
        upgrade(daemon)
        whole(daemon, 2)
        for pid in worker_pids(daemon):
            now = descriptors_of(pid)
            assert now == first, (now, first)
            with open('/proc/%d/environ' % pid, encoding='utf-8') as f:
                assert 'PATH=' in f.read()
        descriptors_of(daemon.pid)


def closed_standard_descriptors():
    folder = directory()
    daemon = triald(wait=False, folder=folder)
    daemon.kill_master()
    with open(daemon.conf_path, 'w', encoding='utf-8') as f:
        f.write('listen = { "127.0.0.1:0" }\n')
    daemon.process = spawn(['/bin/sh', '-c', 'exec "$@" <&- >&- 2>&-', 'sh'] + daemon.argv,
                           start_new_session=True)
    daemon.pid = daemon.session = daemon.process.pid
    daemon.stopped = False
    with daemon:
        daemon.ready()
        daemon.ctl('reload')
        whole(daemon, 2)
        for pid in daemon.processes():
            for number in range(3):
                assert os.readlink('/proc/%d/fd/%d' % (pid, number)) == '/dev/null', pid


def blocked_signals():
    """Whoever starts it with signals blocked can still stop it."""
    daemon = triald(wait=False)
    daemon.kill_master()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGCHLD})
    try:
        daemon.process = spawn(daemon.argv, start_new_session=True, stderr=subprocess.DEVNULL)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGCHLD})
    daemon.pid = daemon.session = daemon.process.pid
    daemon.stopped = False
    with daemon:
        daemon.ready()


def process_one():
    """Process 1 of a container: orphans are reaped, and an upgrade is refused, for its end would be
    the container's."""
    need_root()
    folder = directory()
    daemon = triald(wait=False, folder=folder)
    daemon.kill_master()
    daemon.process = spawn([need_program('unshare'), '-pf', '--kill-child'] + daemon.argv,
                           start_new_session=True, stderr=subprocess.DEVNULL)
    daemon.pid = daemon.session = daemon.process.pid
    daemon.stopped = False
    try:
        until(lambda: daemon.process.poll() is not None or os.path.exists(daemon.socket), 'a start')
        daemon.ready()
        refused(lambda: daemon.ctl('upgrade'), 'container')
    finally:
        daemon.kill_master()


# ---- command line

def usage():
    folder = directory()
    os.mkdir(folder + '/state')
    good = folder + '/good.conf'
    with open(good, 'w', encoding='utf-8') as f:
        f.write('listen = { "127.0.0.1:0" }\n')
    for args, word in (
            (('-c',), 'missing'), (('-c', folder), 'directory'), (('-c', folder + '/none'), 'No such'),
            (('--balance=',), 'balance'), (('--balance=0',), 'balance'), (('--balance=-1',), 'balance'),
            (('--listen',), 'missing'), (('--listen=',), 'listen'), (('--check=1',), 'value'),
            (('--',), 'unknown'), (('-x',), 'unknown'), (('--' + 'x' * 500,), 'unknown'),
            (('--listen', '127.0.0.1:0', '--log-level=loud'), 'loud'),
            (('--listen', '127.0.0.1:0', '--control', '/' + 'x' * 200), 'control'),
            (('--listen', '127.0.0.1:99999'), '99999'), ((), 'nothing to serve')):
        answer = ended(*args, cwd=folder)
        assert answer.returncode == 2 and word in answer.stderr, (args, answer)
        assert len(answer.stderr.splitlines()) <= 2, answer.stderr
    answer = ended('--check', '--balance=2', '--balance=3', '-c', good)
    assert answer.returncode == 0, answer
    answer = ended('--print-config', '--balance=2', '--balance=3', '-c', good)
    assert re.search(r'balance = "?3"?', answer.stdout), answer.stdout
    for name in ('--help', '--version'):
        assert ended('-c', '/nonexistent', name).returncode == 0


def configuration_from_a_pipe():
    """It can be read once: the start works, a reload says why not."""
    folder = directory()
    daemon = triald(wait=False, folder=folder)
    daemon.kill_master()
    read, write = os.pipe()
    os.write(write, b'listen = { "127.0.0.1:0" }\ntag = piped\n')
    os.close(write)
    argv = [a if a != daemon.conf_path else '/dev/fd/%d' % read for a in daemon.argv]
    with open(daemon.log_path, 'ab') as log:
        daemon.process = spawn(argv, start_new_session=True, pass_fds=(read,), stdout=log, stderr=log)
    os.close(read)
    daemon.pid = daemon.session = daemon.process.pid
    daemon.stopped = False
    with daemon:
        daemon.ready()
        assert ask(daemon.address('tcp'))[2] == 'piped'
        refused(lambda: daemon.ctl('reload'), '/dev/fd')
        refused(lambda: daemon.ctl('upgrade'), '/dev/fd')
        assert ask(daemon.address('tcp'))[2] == 'piped'


if __name__ == '__main__':
    run(('a start that fails is said once and leaves nothing', lambda: failed_start('fails', 'told to')),
        ('a worker that dies before it is ready', lambda: failed_start('dies', 'signal')),
        ('a worker that never gets ready', lambda: failed_start('waits', 'start-timeout')),
        ('systemd is not told that a failed start is ready', nobody_is_told_ready),
        ('a reload whose workers fail, die or wait is undone', failed_reload),
        ('more workers, undone: no address loses connections', more_workers_undone),
        ('a storm of SIGHUP', storm),
        ('TERM during a reload', stop_while('reloading')),
        ('TERM twice, then INT, during a drain', stop_while('draining', signal.SIGINT)),
        ('INT during the start', stop_while_starting),
        ('signals to the whole group', group_signals),
        ('reloads that change the schedule', schedules),
        ('reloads that change the number of workers', worker_counts),
        ('connections keep their address when its number changed', order_of_addresses),
        ('a wider address, and back', wider_address),
        ('the control socket moves', control_moves),
        ('unix sockets', unix_sockets),
        ('an upgrade to other addresses', upgrade_with_other_addresses),
        ('counters over upgrades', counters_over_upgrades),
        ('SIGHUP during an upgrade', reload_while_upgrading),
        ('an upgrade during a reload', upgrade_while_reloading),
        ('TERM during an upgrade', stop_while_upgrading),
        ('systemd after an upgrade', watchdog_after_upgrade),
        ("systemd's sockets over reloads and upgrades", inherited_over_reload_and_upgrade),
        ('everybody was frozen', frozen),
        ('round-robin with a hung worker', hung_in_turn),
        ('round-robin with a killed worker', killed_in_turn),
        ('round-robin without descriptors', out_of_descriptors),
        ('no descriptor for a new worker', no_room_for_workers),
        ('a control client that does not read', deaf_control_client),
        ('a reload behind an upgrade', reload_behind_an_upgrade),
        ('single: take-over', takeover),
        ('single: never two', one_at_a_time),
        ('descriptors and environment of workers', no_more_than_needed),
        ('standard descriptors closed at start', closed_standard_descriptors),
        ('signals blocked at start', blocked_signals),
        ('process 1 of a container', process_one),
        ('wrong command lines', usage),
        ('a configuration from a pipe', configuration_from_a_pipe))
