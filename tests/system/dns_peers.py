"""named, nsd and knotd, each in a folder of its own: what the tests and the benches stand beside
dnsd. Here what they all need, and servers of zone files, as plain as they can be made; those that
take part in zone transfers are in dns_transfers."""
import os
import subprocess
import tempfile

from dns import ask_udp, free_port, query
from keel import directory, need_program, spawn, until


class Server:
    """A server that nobody here wrote. It writes nothing beside its folder, and is ended by its
    process id. In a `with` block it serves."""
    program = None

    def __init__(self, port=None):
        need_program(self.program)
        self.folder = tempfile.mkdtemp(dir=directory())
        self.port = port or free_port()
        self.address = ('127.0.0.1', self.port)
        self.process = None

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), 'w', encoding='ascii') as f:
            f.write(text)

    def launch(self):
        """Starts it with what conf() says, and waits for nothing."""
        self.write('conf', self.conf())
        self.log = open(self.path('log'), 'a+b')
        self.process = spawn(self.argv(), stdin=subprocess.DEVNULL, stdout=self.log,
                             stderr=self.log, cwd=self.folder)

    def wait(self, serves, patience):
        """Until serves()."""
        def come():
            assert self.process.poll() is None, '%s ended:\n%s' % (self.program, self.text())
            return serves()
        try:
            until(come, '%s to serve' % self.program, patience=patience)
        except AssertionError as reason:
            raise AssertionError('%s\n%s' % (reason, self.text())) from None

    def text(self):
        """The end of its log."""
        with open(self.path('log'), encoding='utf-8', errors='replace') as f:
            return f.read()[-4000:]

    def stop(self):
        if not self.process:
            return
        self.process.terminate()  # not killed: it takes its children with it
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None
        self.log.close()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *what):
        self.stop()


class Named(Server):
    program = 'named'

    def argv(self):
        return ['named', '-g', '-n', '1', '-c', self.path('conf')]

    def head(self, options):
        """Its configuration but for the zones."""
        return '''options {
            directory "%s"; listen-on port %d { 127.0.0.1; }; listen-on-v6 { none; };
            pid-file none; session-keyfile none; lock-file none; recursion no;
            dnssec-validation no; empty-zones-enable no; %s
        };
        controls { };
        ''' % (self.folder, self.port, options)


class Nsd(Server):
    program = 'nsd'

    def argv(self):
        return ['nsd', '-d', '-c', self.path('conf')]

    def head(self, *lines):
        return '''server:
            ip-address: 127.0.0.1@%d
            server-count: 1
            username: ""
            chroot: ""
            database: ""
            zonesdir: "%s"
            pidfile: "%s"
            xfrdfile: "%s"
            xfrdir: "%s"
            zonelistfile: "%s"
        %s
        remote-control:
            control-enable: no
        ''' % (self.port, self.folder, self.path('pid'), self.path('xfrd'), self.folder,
               self.path('list'), ''.join('    %s\n        ' % line for line in lines))


class Knotd(Server):
    program = 'knotd'

    def argv(self):
        return ['knotd', '-c', self.path('conf')]

    def head(self, log, *lines):
        return '''server:
    rundir: "%s"
    listen: 127.0.0.1@%d
%slog:
  - target: stderr
    any: %s
database:
    storage: "%s"
''' % (self.folder, self.port, ''.join('    %s\n' % line for line in lines), log, self.folder)


# ---- servers of files

class Peer(Server):
    """A server of `zones`: name -> path of a file."""

    def __init__(self, zones, udp_size=1232, patience=60):
        super().__init__()
        self.zones, self.udp_size, self.patience = zones, udp_size, patience

    def start(self):
        self.launch()
        self.wait(self.serves, self.patience)
        return self

    def serves(self):
        """Every zone is there: the last one of the list may be the last that is read."""
        for zone in self.waiting():
            try:
                if ask_udp(self.address, query(zone, 6), patience=0.5)[3] & 15 != 0:
                    return False
            except OSError:
                return False
        return True

    def waiting(self):
        return list(self.zones)


class NamedPeer(Peer, Named):
    def argv(self):  # other than -g this heeds what the configuration says of logging
        return ['named', '-f', '-n', '1', '-L', self.path('messages'), '-c', self.path('conf')]

    def conf(self):
        return self.head('''notify no; minimal-responses no-auth; zero-no-soa-ttl no;
            max-udp-size %d; edns-udp-size %d; answer-cookie no; version none; hostname none;
            server-id none; tcp-clients 1000; minimal-any no;''' % (self.udp_size, self.udp_size)) + '''
        logging { category default { null; }; category general { default_stderr; };
                  category config { default_stderr; }; category zoneload { default_stderr; }; };
        ''' + ''.join(
            'zone "%s" { type primary; file "%s"; check-integrity no; check-names ignore; };\n'
            % row for row in self.zones.items())


class NsdPeer(Peer, Nsd):
    def conf(self):
        return self.head('ipv4-edns-size: %d' % self.udp_size, 'tcp-query-count: 0',
                         'tcp-count: 100', 'hide-version: yes', 'minimal-responses: yes',
                         'refuse-any: no', 'rrl-ratelimit: 0', 'rrl-whitelist-ratelimit: 0') \
            + ''.join('\nzone:\n    name: "%s"\n    zonefile: "%s"\n' % row
                      for row in self.zones.items())


class KnotdPeer(Peer, Knotd):
    def conf(self):
        return self.head('warning', 'udp-workers: 1', 'tcp-workers: 1', 'background-workers: 1',
                         'udp-max-payload: %d' % self.udp_size, 'tcp-max-clients: 1000',
                         'answer-rotation: off', 'nsid: ""') + '''control:
    listen: "%s"
template:
  - id: default
    storage: "%s"
    semantic-checks: off
    journal-content: none
    zonefile-load: whole
    zonefile-sync: -1
zone:
''' % (self.path('sock'), self.folder) + ''.join(
            '  - domain: "%s"\n    file: "%s"\n' % row for row in self.zones.items())


PEERS = {'named': NamedPeer, 'nsd': NsdPeer, 'knotd': KnotdPeer}


class Oracle(Named):
    """named with one zone, whose answers are compared with ours."""

    def __init__(self, zone, text, options=''):
        super().__init__()
        self.zone, self.options = zone, options
        self.write('the.zone', text)

    def start(self):
        self.launch()
        self.wait(self.answers, 30)

    def conf(self):
        return self.head('minimal-responses yes; notify no; max-udp-size 1232; zero-no-soa-ttl no; '
                         + self.options) \
            + 'zone "%s" { type primary; file "the.zone"; check-integrity no; check-names ignore; };' \
            % self.zone

    def answers(self):
        try:
            return ask_udp(self.address, query('.', 6), patience=0.5)
        except OSError:
            return None
