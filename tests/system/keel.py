"""Harness of the system tests: real daemons in a directory of their own, on port 0.

    from keel import Daemon, Load, run

    def answers():
        with Daemon('httpd', ['--root', '.'], listen=['127.0.0.1:0'], workers=2) as httpd:
            httpd.address('tcp')             # ('127.0.0.1', 40123)
            httpd.ctl('workers')             # the result of a control command
    run(('it answers', answers))

A case passes when its function returns, and is skipped when it raises Skip (need_root and
need_program do). Daemon.stop, which leaving the `with` block calls, insists that the daemon exits
with 0 and that none of its processes is left. Whatever happens, nothing outlives the test: every
process started here is killed at exit, and network namespaces live as long as a process of ours.

Python's standard library only.
"""
import atexit
import ctypes
import glob
import importlib
import importlib.util
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

SRCDIR = os.path.abspath(os.environ.get('KEEL_SRCDIR')
                         or os.path.join(os.path.dirname(__file__), '..', '..'))
BUILDDIR = os.path.abspath(os.environ.get('KEEL_BUILDDIR') or os.getcwd())
sys.path.insert(0, os.path.join(SRCDIR, 'tests', 'support'))
from tap import Skip, Tap  # noqa: E402

tap = Tap()
PATIENCE = 20.0  # seconds that anything may take which takes milliseconds on an idle machine

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
# Processes that lose their parent become our children, so that none can get away.
_libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def run(*cases):
    """Runs (name, function) pairs as the whole test, and exits."""
    tap.run(cases)


# ---- requirements ----------------------------------------------------------------------------

def need_root():
    if os.geteuid() != 0:
        raise Skip('needs root')


def need_program(*names):
    """Path of the first of these that is installed."""
    for name in names:
        path = shutil.which(name, path=os.environ.get('PATH', '') + ':/usr/sbin:/sbin')
        if path:
            return path
    raise Skip('needs ' + ' or '.join(names))


def use_python_of(*packages):
    """First thing in a test that wants modules of Debian's packages: where this Python lacks them,
    that of the system runs the test instead. The cases still need_python_module."""
    system = '/usr/bin/python3'
    lacks = any(importlib.util.find_spec(name) is None for name in packages)
    if lacks and os.path.realpath(sys.executable) != os.path.realpath(system):
        has = subprocess.run([system, '-c', 'import ' + ', '.join(packages)], check=False,
                             stderr=subprocess.DEVNULL) if os.path.exists(system) else None
        if has and has.returncode == 0:
            os.execv(system, [system] + sys.argv)


def need_python_module(name):
    try:
        return importlib.import_module(name)
    except ImportError:
        raise Skip('needs python3-' + name)


def program(name):
    """Path of something that this tree builds: 'httpd', 'keelctl', 'tests/support/load'."""
    places = [name] if '/' in name else [
        name + '/' + name, 'common/keelctl/' + name, 'doc/examples/' + name, 'tests/support/' + name]
    for place in places:
        path = os.path.join(BUILDDIR, place)
        if os.access(path, os.X_OK) and not os.path.isdir(path):
            return path
    raise Skip('%s is not built' % name)


def module(folder, where):
    """A copy of the shared object that was built as `where`, as a daemon loads it."""
    found = glob.glob(os.path.join(BUILDDIR, os.path.dirname(where), '.libs',
                                   os.path.basename(where) + '.so'))
    if not found:
        raise Skip('%s.so is not built' % where)
    path = os.path.join(folder, os.path.basename(where) + '.so')
    shutil.copyfile(found[0], path)
    os.chmod(path, 0o644)
    return path


def need_no_sanitizer():
    """For what a sanitized build cannot show: memory, and a seccomp filter."""
    with open(os.path.join(BUILDDIR, 'config.h'), encoding='utf-8') as f:
        if '#define KEEL_SANITIZE 1' in f.read():
            raise Skip('needs a build without sanitizers')


def make_environment(**more):
    """Ours without what the make that runs the tests left in it."""
    env = {k: v for k, v in os.environ.items() if not k.startswith('MAKE') and k != 'MFLAGS'
           and k != 'TESTS' and k != 'DESTDIR'}
    env.update(more)
    return env


def setting(name):
    """A variable of the Makefile, as make sees it."""
    probe = 'keel-print:; @echo $(%s)' % name
    return output(['make', '-s', '-C', BUILDDIR, '-f', 'Makefile', '--eval', probe, 'keel-print'],
                  env=make_environment()).strip()


def until(condition, what, patience=PATIENCE, pause=0.01):
    """Waits for a true value and returns it; the text says what did not come."""
    deadline = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError('after %g s still not: %s' % (patience, what))
        time.sleep(pause)


# ---- processes -------------------------------------------------------------------------------

_mine = []      # every Popen of ours


def _die_with_parent():
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def spawn(argv, netns=None, **options):
    """subprocess.Popen, in a network namespace if one is given; killed at exit."""
    argv = [str(a) for a in argv]
    if netns is not None:
        argv = netns.prefix() + argv
    before = options.pop('preexec_fn', None)

    def prepare():
        _die_with_parent()
        if before:
            before()
    process = subprocess.Popen(argv, preexec_fn=prepare, **options)
    _mine.append(process)
    return process


def output(argv, netns=None, patience=PATIENCE, check=True, **options):
    """Runs a program to its end and returns what it said on stdout."""
    process = spawn(argv, netns, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE, text=True, **options)
    try:
        out, err = process.communicate(timeout=patience)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError('%s: no end after %g s\n%s%s' % (argv[0], patience, out, err))
    assert not check or process.returncode == 0, \
        '%s: exit status %d\n%s%s' % (shlex.join(map(str, argv)), process.returncode, out, err)
    return out


def processes():
    """pid -> (ppid, session, state, comm) of every process."""
    table = {}
    for name in os.listdir('/proc'):
        if not name.isdigit():
            continue
        try:
            with open('/proc/%s/stat' % name, encoding='utf-8', errors='replace') as f:
                text = f.read()
        except OSError:
            continue
        comm = text[text.index('(') + 1:text.rindex(')')]
        fields = text[text.rindex(')') + 2:].split()
        table[int(name)] = (int(fields[1]), int(fields[3]), fields[0], comm)
    return table


def descriptors(pid):
    """How many descriptors a process holds."""
    return len(os.listdir('/proc/%d/fd' % pid))


def memory(pids):
    """Private memory of these processes, in bytes."""
    total = 0
    for pid in pids:
        with open('/proc/%d/smaps_rollup' % pid, encoding='utf-8') as f:
            total += sum(int(line.split()[1]) for line in f if line.startswith('Private_')) << 10
    return total


def shared_segments(pid):
    """Names of the shared mappings of a process that have no file (memfd)."""
    with open('/proc/%d/maps' % pid, encoding='utf-8', errors='replace') as f:
        return sorted({line.split(None, 5)[5].strip() for line in f if 'memfd:' in line})


def _descendants(root):
    table = processes()
    found, front = set(), {root}
    while front:
        front = {pid for pid, row in table.items() if row[0] in front}
        found |= front
    return found


@atexit.register
def _leave_nothing():
    for process in _mine:
        if process.poll() is None:
            process.kill()
            process.wait()
    for _ in range(50):
        left = [pid for pid in _descendants(os.getpid()) if processes().get(pid, ' Z ')[2] != 'Z']
        if not left:
            break
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.02)
    for directory in _directories:
        shutil.rmtree(directory, ignore_errors=True)


# A test that takes too long is told so by SIGTERM: it ends like any other, through atexit.
signal.signal(signal.SIGTERM, lambda *_: sys.exit('ended by SIGTERM'))

_directories = []


def directory():
    """A new directory that anybody may enter (daemons give up root) and that goes at exit."""
    path = tempfile.mkdtemp(prefix='keel-test-')
    os.chmod(path, 0o755)
    _directories.append(path)
    return path


def certificate(name='localhost', folder=None):
    """A certificate that signs itself, and its key: the paths of both files."""
    folder = folder or directory()
    both = [os.path.join(folder, n) for n in ('certificate', 'key')]
    output([need_program('openssl'), 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
            'ec_paramgen_curve:prime256v1', '-nodes', '-subj', '/CN=' + name, '-addext',
            'subjectAltName=DNS:' + name, '-days', '2', '-out', both[0], '-keyout', both[1]])
    return both


def check_conf(daemon, conf, files=(), options=()):
    """`daemon --check` of this text, beside files: name -> text. (exit status, what it said), the
    latter without the name of the folder."""
    folder = directory()
    path = os.path.join(folder, daemon + '.conf')
    for name, content in dict(files, **{daemon + '.conf': conf}).items():
        with open(os.path.join(folder, name), 'w', encoding='utf-8') as f:
            f.write(content)
    ended = subprocess.run([program(daemon), '--check', '-c', path, *options], capture_output=True,
                           text=True, timeout=20, check=False)
    return ended.returncode, ended.stderr.replace(folder + '/', '')


# ---- network namespaces ----------------------------------------------------------------------

class NetNs:
    """A network namespace, kept by a process of ours and gone with it; lo is up."""

    def __init__(self):
        need_root()
        need_program('ip')
        self.holder = spawn([need_program('unshare'), '-n', 'sleep', 'infinity'],
                            stdin=subprocess.DEVNULL)
        mine = os.readlink('/proc/self/ns/net')
        until(lambda: self._link() not in (None, mine), 'a network namespace of its own')
        self.ip('link', 'set', 'lo', 'up')

    def _link(self):
        if self.holder.poll() is not None:
            raise Skip('network namespaces cannot be made here')
        try:
            return os.readlink('/proc/%d/ns/net' % self.holder.pid)
        except OSError:
            return None

    def prefix(self):
        return [need_program('nsenter'), '-t', str(self.holder.pid), '-n', '--']

    def ip(self, *args):
        return output(['ip'] + list(args), netns=self)

    def add_veth(self, name, other, other_name, address=None, other_address=None, mac=None):
        """A cable from `name` here to `other_name` in the namespace `other`; both ends up."""
        self.ip('link', 'add', name, 'type', 'veth', 'peer', 'name', other_name,
                'netns', str(other.holder.pid))
        if mac:
            other.ip('link', 'set', other_name, 'address', mac)
        for ns, interface, addr in ((self, name, address), (other, other_name, other_address)):
            if addr:
                ns.ip('addr', 'add', addr, 'dev', interface)
            ns.ip('link', 'set', interface, 'up')

    def close(self):
        self.holder.kill()
        self.holder.wait()

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.close()


# ---- daemons ---------------------------------------------------------------------------------

class Refused(Exception):
    """A control command was answered with an error."""


class Daemon:
    """A running daemon.

    binary   'httpd' and the like, or a path
    args     command line beside what this class adds
    first    what must stand before all of that
    conf     text of a configuration file, written as FOLDER/NAME.conf; None: no file
    listen   addresses for --listen; None: none is added (the configuration has them)
    workers  --balance=N
    files    name -> content, written into the folder before the start
    """

    def __init__(self, binary, args=(), conf=None, listen=('127.0.0.1:0',), workers=1, files=None,
                 netns=None, env=None, rlimits=(), folder=None, log_level='info', wait=True,
                 schedule=None, pass_fds=(), first=()):
        self.name = os.path.basename(binary)
        self.binary = binary if os.path.isabs(binary) else program(binary)
        self.folder = folder or directory()
        self.socket = os.path.join(self.folder, self.name + '.sock')
        self.log_path = os.path.join(self.folder, self.name + '.log')
        self.conf_path = os.path.join(self.folder, self.name + '.conf')
        for name, content in (files or {}).items():
            self.write(name, content)
        self.argv = [self.binary] + list(first)
        if conf is not None:
            self.write(self.conf_path, conf)
            self.argv += ['-c', self.conf_path]
        for address in listen or ():
            self.argv += ['--listen', address]
        self.argv += ['--control', self.socket, '--state-dir', os.path.join(self.folder, 'state'),
                      '--log-level=' + log_level]
        if workers is not None:
            self.argv += ['--balance=%d' % workers]
        if schedule:
            self.argv += ['--schedule=' + schedule]
        self.argv += list(args)
        environment = {k: v for k, v in os.environ.items()
                       if not k.startswith(('NOTIFY_SOCKET', 'LISTEN_', 'WATCHDOG_'))}
        environment.update(env or {})

        def prepare():
            import resource
            for which, limit in rlimits:
                resource.setrlimit(which, (limit, limit))
        with open(self.log_path, 'ab') as log:
            self.process = spawn(self.argv, netns=netns, cwd=self.folder, env=environment,
                                 stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                 start_new_session=True, preexec_fn=prepare,
                                 pass_fds=pass_fds)
        self.session = self.process.pid
        self.pid = self.process.pid  # of the master; an upgrade changes it
        self.stopped = False
        if wait:
            self.ready()

    # -- looking at it

    def log(self):
        with open(self.log_path, encoding='utf-8', errors='replace') as f:
            return f.read()

    def processes(self):
        """pids of the master and everything it started (they share a session)."""
        return sorted(pid for pid, row in processes().items()
                      if row[1] == self.session and row[2] != 'Z')

    def children(self):
        return [pid for pid in self.processes() if pid != self.pid]

    def ready(self, patience=PATIENCE):
        """Waits until the control socket answers `status`; returns that."""
        deadline = time.monotonic() + patience
        while True:
            if self.process.poll() is not None and not self.processes():
                raise AssertionError('%s ended with status %s before it was ready:\n%s'
                                     % (self.name, self.process.returncode, self.log()))
            try:
                status = self.status()
                if status['state'] == 'serving':
                    return status
                error = 'it says ' + status['state']
            except (OSError, ValueError, EOFError, Refused) as reason:
                error = reason
            if time.monotonic() > deadline:
                raise AssertionError('%s is not ready after %g s: %s\n%s'
                                     % (self.name, patience, error, self.log()))
            time.sleep(0.01)

    def ask(self, command, *args, patience=PATIENCE):
        """Sends a control command; the function that it returns waits for the result."""
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        s.settimeout(patience)
        try:
            s.connect(self.socket)
            s.sendall(json.dumps({'command': command, 'args': [str(a) for a in args]}).encode()
                      + b'\n')
        except OSError:
            s.close()
            raise

        def result():
            with s:
                received = b''
                while not received.endswith(b'\n'):
                    part = s.recv(65536)
                    if not part:
                        raise EOFError('the control socket closed without an answer')
                    received += part
            answer = json.loads(received)
            if not answer.get('ok'):
                raise Refused(answer.get('error', 'no reason given'))
            return answer.get('result')
        return result

    def ctl(self, command, *args, patience=PATIENCE):
        """The result of a control command; Refused when the answer is an error. Who is told to try
        again does."""
        limit = time.monotonic() + patience
        while True:
            try:
                result = self.ask(command, *args, patience=patience)()
                break
            except Refused as refused:
                if not str(refused).endswith('try again') or time.monotonic() > limit:
                    raise
                time.sleep(0.05)
        if not isinstance(result, dict) or 'rows' not in result:
            return result
        rows = result['rows']  # a list in pages
        while result.get('next'):
            result = self.ask(command, *args, *result['next'], patience=patience)()
            rows += result['rows']
        return rows

    def status(self):
        return self.ctl('status')

    def settled(self):
        """Waits until no reload is under way: one that a signal asked for ends without telling us."""
        until(lambda: all(row['state'] != 'starting' for row in self.ctl('generations')),
              'the end of a reload')

    def addresses(self, kind='tcp', tls=False):
        """(host, port) of every listener of this kind."""
        found = []
        for listener in self.status()['listeners']:
            if listener['kind'] == kind and bool(listener.get('tls')) == tls:
                host, port = listener['address'].rsplit(':', 1)
                found.append((host.strip('[]'), int(port)))
        return found

    def address(self, kind='tcp', tls=False):
        found = self.addresses(kind, tls)
        assert found, 'no %s listener in %s' % (kind, self.status())
        return found[0]

    def metric(self, name, **labels):
        """Sum of a metric's samples whose labels fit."""
        total = 0.0
        for line in self.metrics_text().splitlines():
            match = re.match(r'([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$', line)
            if match and match.group(1) == name:
                have = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', match.group(2) or ''))
                if all(have.get(k) == str(v) for k, v in labels.items()):
                    total += float(match.group(3))
        return total

    def metrics_text(self):
        result = self.ctl('metrics')
        return result if isinstance(result, str) else result['text']

    # -- doing things to it

    def write(self, name, content):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'wb' if isinstance(content, bytes) else 'w') as f:
            f.write(content)
        return path

    def kill(self, number):
        os.kill(self.pid, number)

    def kill_master(self):
        """SIGKILL to the master and everything that it started; no check."""
        self.stopped = True
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()

    def stop(self, number=signal.SIGTERM, patience=PATIENCE, status=0):
        """Stops it and checks: exit status, and no process left behind."""
        if self.stopped:
            return
        self.stopped = True
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            pass
        ended = self._wait(patience)
        until(lambda: not self.processes(), 'no process of %s left; log:\n%s'
              % (self.name, self.log()), patience=5)
        assert ended == status, '%s ended with status %s, not %s:\n%s' % (
            self.name, ended, status, self.log())

    def _wait(self, patience):
        """Exit status of the master, which after an upgrade is not the process started here."""
        if self.pid == self.process.pid:
            try:
                return self.process.wait(patience)
            except subprocess.TimeoutExpired:
                raise AssertionError('%s does not stop; log:\n%s' % (self.name, self.log()))
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            try:
                pid, ended = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:
                # still the child of the old master's
                if not os.path.exists('/proc/%d' % self.pid):
                    return 0
                pid = 0
            if pid:
                return os.waitstatus_to_exitcode(ended)
            time.sleep(0.01)
        raise AssertionError('%s does not stop; log:\n%s' % (self.name, self.log()))

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if kind is None:
            self.stop()
            return
        if kind is not Skip:
            tap.note('log of %s:' % self.name)
            tap.note('\n'.join(self.log().splitlines()[-60:]))
        if not self.stopped:
            self.kill_master()


def keelctl(*args, check=True, patience=PATIENCE):
    return output([program('keelctl')] + list(args), check=check, patience=patience)


# ---- followed live ----------------------------------------------------------------------------

class Follow:
    """keelctl that follows, in a process of its own; its lines so far."""

    def __init__(self, daemon, *words, options=()):
        self.process = subprocess.Popen([program('keelctl'), *options, daemon.socket, 'trace', *words],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.lines = []
        self.reader = threading.Thread(target=lambda: self.lines.extend(self.process.stdout))
        self.reader.start()

    def end(self):
        self.process.send_signal(signal.SIGINT)
        self.reader.join()
        status, errors = self.process.wait(20), self.process.stderr.read()
        self.process.stderr.close()
        self.process.stdout.close()
        assert status == 0, (status, errors)
        return self.lines


# ---- load ------------------------------------------------------------------------------------

class Load:
    """tests/support/load in the background: short connections, each failure counted by kind."""

    def __init__(self, address, protocol='http', concurrent=16, connections=None, seconds=None,
                 sources=100, timeout_ms=10000, netns=None):
        argv = [program('load'), '-a', '%s:%d' % address, '-p', protocol, '-c', concurrent,
                '-f', sources, '-t', timeout_ms]
        if connections:
            argv += ['-n', connections]
        if seconds:
            argv += ['-s', seconds]
        self.process = spawn(argv, netns, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
        self.process.stderr.readline()  # it takes signals from now on

    def finish(self, stop=True, patience=60):
        """Lets connections under way end; returns the counts."""
        if stop:
            self.process.send_signal(signal.SIGTERM)
        out, _ = self.process.communicate(timeout=patience)
        counts = json.loads(out)
        counts['lost'] = sum(counts[k] for k in (
            'refused', 'reset_connect', 'reset_in_flight', 'wrong', 'timeout_connect',
            'timeout_reply', 'other'))
        return counts


class Sink(threading.Thread):
    """Reads a socket to its end in the background; .received is what came."""

    def __init__(self, sock):
        super().__init__(daemon=True)
        self.sock, self.received, self.error = sock, b'', None
        self.start()

    def run(self):
        try:
            while True:
                part = self.sock.recv(65536)
                if not part:
                    return
                self.received += part
        except OSError as error:
            self.error = error


def variation(counts):
    """Coefficient of variation of these numbers."""
    mean = sum(counts) / len(counts)
    return (sum((n - mean) ** 2 for n in counts) / len(counts)) ** 0.5 / mean if mean else 0.0
