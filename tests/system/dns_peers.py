"""named, nsd and knotd with the same zones, each in a folder of its own and as plain as it can be
made: what the tests and the benches stand beside dnsd."""
import os
import signal
import subprocess
import tempfile

from dns import ask_udp, free_port, query
from keel import directory, need_program, spawn, until


class Peer:
    """A server of `zones`: name -> path of a file. Used in a `with` block. It writes nothing beside
    its folder, and is ended by its process id."""
    program = None

    def __init__(self, zones, udp_size=1232, patience=60):
        need_program(self.program)
        self.zones, self.udp_size, self.patience = zones, udp_size, patience
        self.folder = tempfile.mkdtemp(dir=directory())
        self.port = free_port()
        self.address = ('127.0.0.1', self.port)
        with open(self.path('conf'), 'w') as f:
            f.write(self.conf())

    def path(self, name):
        return os.path.join(self.folder, name)

    def start(self):
        self.log = open(self.path('log'), 'w+b')
        self.process = spawn(self.argv(), stdin=subprocess.DEVNULL, stdout=self.log,
                             stderr=self.log, cwd=self.folder)
        until(self.serves, '%s to serve; log: %s' % (self.program, self.path('log')),
              patience=self.patience)
        return self

    def serves(self):
        """Every zone is there: the last one of the list may be the last that is read."""
        if self.process.poll() is not None:
            with open(self.path('log'), errors='replace') as f:
                raise AssertionError('%s ended:\n%s' % (self.program, f.read()[-4000:]))
        for zone in self.waiting():
            try:
                if ask_udp(self.address, query(zone, 6), patience=0.5)[3] & 15 != 0:
                    return False
            except OSError:
                return False
        return True

    def waiting(self):
        return list(self.zones)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()

    def __enter__(self):
        return self.start()

    def __exit__(self, *what):
        self.stop()


class Named(Peer):
    program = 'named'

    def argv(self):
        return ['named', '-f', '-n', '1', '-L', self.path('messages'), '-c', self.path('conf')]

    def conf(self):
        return '''options {
            directory "%s"; listen-on port %d { 127.0.0.1; }; listen-on-v6 { none; };
            pid-file none; session-keyfile none; lock-file none; recursion no; notify no;
            minimal-responses no-auth; dnssec-validation no; zero-no-soa-ttl no;
            max-udp-size %d; edns-udp-size %d; answer-cookie no; version none; hostname none;
            server-id none; empty-zones-enable no; tcp-clients 1000; minimal-any no;
        };
        controls { };
        logging { category default { null; }; category general { default_stderr; };
                  category config { default_stderr; }; category zoneload { default_stderr; }; };
        ''' % (self.folder, self.port, self.udp_size, self.udp_size) + ''.join(
            'zone "%s" { type primary; file "%s"; check-integrity no; check-names ignore; };\n'
            % row for row in self.zones.items())


class Nsd(Peer):
    program = 'nsd'

    def argv(self):
        return ['nsd', '-d', '-c', self.path('conf')]

    def conf(self):
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
            ipv4-edns-size: %d
            tcp-query-count: 0
            tcp-count: 100
            hide-version: yes
            minimal-responses: yes
            refuse-any: no
            rrl-ratelimit: 0
            rrl-whitelist-ratelimit: 0
        remote-control:
            control-enable: no
        ''' % (self.port, self.folder, self.path('pid'), self.path('xfrd'), self.folder,
               self.path('list'), self.udp_size) + ''.join(
            '\nzone:\n    name: "%s"\n    zonefile: "%s"\n' % row for row in self.zones.items())


class Knotd(Peer):
    program = 'knotd'

    def argv(self):
        return ['knotd', '-c', self.path('conf')]

    def conf(self):
        return '''server:
    rundir: "%s"
    listen: 127.0.0.1@%d
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
    udp-max-payload: %d
    tcp-max-clients: 1000
    answer-rotation: off
    nsid: ""
log:
  - target: stderr
    any: warning
database:
    storage: "%s"
control:
    listen: "%s"
template:
  - id: default
    storage: "%s"
    semantic-checks: off
    journal-content: none
    zonefile-load: whole
    zonefile-sync: -1
zone:
''' % (self.folder, self.port, self.udp_size, self.folder, self.path('sock'), self.folder) + ''.join(
            '  - domain: "%s"\n    file: "%s"\n' % row for row in self.zones.items())


PEERS = {'named': Named, 'nsd': Nsd, 'knotd': Knotd}
