"""httpd, nginx, lighttpd, h2o and the floor with the same files: what bench_http measures.

Each serves FOLDER/www: small/ and large/ tell nginx what is to go by sendfile. `log` asks for an
access log (combined), `workers` for so many processes. A server is started with start() and ended
with stop(), by its process id.
"""
import os
import pwd
import resource
import signal
import subprocess
import tempfile

import keel
from dns import free_port
from measure import tree

IDLE = 600  # seconds that a connection may wait
ENDLESS = 1000000000
FILES = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 30000)  # descriptors for each server
SCHEMES = {'plain': 'http', 'tls': 'https', 'h2c': 'http', 'h2': 'https'}


def an_account(*names):
    """Of the accounts that exist, the first: who serves when the bench runs as root."""
    for name in names:
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    return pwd.getpwuid(os.geteuid()).pw_name


class Server:
    """name; ports: one for each kind of SCHEMES that it serves; program: what must be installed;
    most: connections that it takes with FILES descriptors."""
    program = None
    most = FILES - 200

    def __init__(self, site, log=False, workers=1):
        if self.program:
            keel.need_program(self.program)
        self.site, self.log, self.workers = site, log, workers
        self.folder = tempfile.mkdtemp(dir=site)
        os.chmod(self.folder, 0o777)
        self.ports = {}
        self.process = None

    def path(self, name):
        return os.path.join(self.folder, name)

    def start(self):
        with open(self.path('conf'), 'w') as f:
            f.write(self.conf())
        with open(self.path('said'), 'wb') as said:
            self.process = keel.spawn(self.argv(), stdin=subprocess.DEVNULL, stdout=said,
                                      stderr=said, cwd=self.folder)
        keel.until(self.serves, '%s serves' % self.name)
        return self

    def serves(self):
        if self.process.poll() is not None:
            with open(self.path('said'), errors='replace') as f:
                raise AssertionError('%s ended:\n%s' % (self.name, f.read()[-4000:]))
        if len(tree(self.process.pid)) != self.processes():
            return False
        try:
            return all(self.get(kind, '/small/1k.txt') == '200 1024' for kind in self.ports)
        except AssertionError:
            return False

    def processes(self):
        return 1 + self.workers

    def get(self, kind, path):
        """Status and size of the body, as curl sees them."""
        version = '--http2-prior-knowledge' if kind == 'h2c' else '--http2' if kind == 'h2' else \
            '--http1.1'
        return keel.output(['curl', '-sk', '-o', '/dev/null', version, '-w',
                            '%{http_code} %{size_download}', self.url(kind, path)])

    def url(self, kind, path):
        return '%s://127.0.0.1:%d%s' % (SCHEMES[kind], self.ports[kind], path)

    @property
    def pid(self):
        return self.process.pid

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Httpd(Server):
    name = 'httpd'
    most = FILES - FILES // 8 - 200  # above that it makes room by closing idle ones

    def start(self):
        conf = '''listen = { "127.0.0.1:0", "127.0.0.1:0 tls" }
keepalive-timeout = %ds
%s
site "localhost" { default = true root = "%s/www" certificate = "%s/cert.pem" key = "%s/key.pem" }
''' % (IDLE, 'access-log { file = "%s" }' % self.path('access.log') if self.log else '',
            self.site, self.site, self.site)
        self.daemon = keel.Daemon('httpd', conf=conf, listen=(), workers=self.workers,
                                  folder=self.folder)
        self.process = self.daemon.process
        plain, tls = self.daemon.address('tcp')[1], self.daemon.address('tcp', tls=True)[1]
        self.ports = {'plain': plain, 'h2c': plain, 'tls': tls, 'h2': tls}
        keel.until(self.serves, 'httpd serves')
        return self

    def stop(self):
        self.daemon.stop()


class Nginx(Server):
    """At its best: descriptors kept open, small files read and written together with their head,
    large ones by sendfile, the log buffered, a listening socket for each worker."""
    name, program = 'nginx', 'nginx'
    http = '''sendfile off; open_file_cache max=1000 inactive=60s; etag on; gzip off;'''
    log_options = ' buffer=64k flush=1s'
    reuse = ' reuseport'
    kinds = ('plain', 'tls', 'h2c', 'h2')

    def conf(self):
        self.ports = {kind: free_port() for kind in self.kinds}
        options = {'plain': '', 'tls': ' ssl', 'h2c': ' http2', 'h2': ' ssl http2'}
        listen = ''.join('listen 127.0.0.1:%d%s%s; ' % (port, options[kind], self.reuse)
                         for kind, port in self.ports.items())
        log = 'access_log %s combined%s;' % (self.path('access.log'), self.log_options)
        return '''worker_processes %d; daemon off; pid nginx.pid; %s worker_rlimit_nofile %d;
events { worker_connections %d; }
http {
  include /etc/nginx/mime.types; keepalive_requests %d; keepalive_timeout %d;
  client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4;
  scgi_temp_path t5;
  %s %s
  ssl_certificate %s/cert.pem; ssl_certificate_key %s/key.pem; ssl_protocols TLSv1.3;
  server { %s root %s/www; location /large/ { sendfile on; tcp_nopush on; } }
}
''' % (self.workers, 'user %s;' % an_account('www-data', 'nobody') if os.geteuid() == 0 else '',
            FILES, FILES, ENDLESS, IDLE, self.http, log if self.log else 'access_log off;',
            self.site, self.site, listen, self.site)

    def argv(self):
        return [keel.need_program('nginx'), '-p', self.folder, '-e', self.path('error.log'),
                '-c', self.path('conf')]


class NginxPackaged(Nginx):
    """With the options of the package's nginx.conf, which has a log."""
    name = 'nginx packaged'
    http = 'sendfile on; tcp_nopush on; gzip on;'
    log_options = reuse = ''
    kinds = ('plain', 'tls')

    def __init__(self, site, log=True, workers=1):
        super().__init__(site, True, workers)


class Lighttpd(Server):
    name, program = 'lighttpd', 'lighttpd'
    most = FILES // 2 - 200

    def conf(self):
        plain, tls = free_port(), free_port()
        self.ports = {'plain': plain, 'h2c': plain, 'tls': tls, 'h2': tls}
        log = 'server.modules += ( "mod_accesslog" ) accesslog.filename = "%s"\n' \
            % self.path('access.log')
        return '''server.modules = ( "mod_openssl" )
%sserver.document-root = "%s/www"
server.bind = "127.0.0.1" server.port = %d
server.errorlog = "%s" server.max-keep-alive-requests = 65535 server.max-keep-alive-idle = %d
server.max-fds = %d server.max-connections = %d server.max-worker = %d
server.feature-flags = ( "server.h2proto" => "enable", "server.h2c" => "enable" )
mimetype.assign = ( ".txt" => "text/plain; charset=utf-8", "" => "application/octet-stream" )
%s
$SERVER["socket"] == "127.0.0.1:%d" {
  ssl.engine = "enable" ssl.pemfile = "%s/cert.pem" ssl.privkey = "%s/key.pem"
  ssl.openssl.ssl-conf-cmd = ( "MinProtocol" => "TLSv1.3" )
}
''' % (log if self.log else '', self.site, plain, self.path('error.log'), IDLE,
            FILES, FILES // 2, self.workers if self.workers > 1 else 0,
            'server.username = "%s"' % an_account('www-data', 'nobody')
            if os.geteuid() == 0 else '', tls, self.site, self.site)

    def argv(self):
        return [keel.need_program('lighttpd'), '-D', '-f', self.path('conf')]

    def processes(self):
        return 1 + (self.workers if self.workers > 1 else 0)


class H2o(Server):
    """2.2.5 is what Debian 12 has. Its workers are threads."""
    name, program = 'h2o', 'h2o'

    def conf(self):
        plain, tls = free_port(), free_port()
        self.ports = {'plain': plain, 'h2c': plain, 'tls': tls, 'h2': tls}
        return '''%snum-threads: %d
max-connections: %d
http1-request-timeout: %d
http2-idle-timeout: %d
error-log: %s
%slisten:
  host: 127.0.0.1
  port: %d
listen:
  host: 127.0.0.1
  port: %d
  ssl:
    certificate-file: %s/cert.pem
    key-file: %s/key.pem
hosts:
  default:
    paths:
      /:
        file.dir: %s/www
''' % ('user: %s\n' % an_account('www-data', 'nobody') if os.geteuid() == 0 else '', self.workers,
            FILES - 100, IDLE, IDLE, self.path('error.log'),
            'access-log: %s\n' % self.path('access.log') if self.log else '', plain, tls, self.site,
            self.site, self.site)

    def argv(self):
        return [keel.need_program('h2o'), '-m', 'worker', '-c', self.path('conf')]

    def processes(self):
        return 1


class Floor(Server):
    """A bare loop with a canned answer; a process for each size of the body."""
    name = 'floor'

    def __init__(self, site, size):
        super().__init__(site)
        self.size = size

    def start(self):
        self.process = keel.spawn([keel.program('tests/bench/floor_http'), self.size],
                                  stdout=subprocess.PIPE, text=True)
        self.ports = {'plain': int(self.process.stdout.readline())}
        return self

    def stop(self):
        self.process.kill()
        self.process.wait()


def make_site():
    """A folder with www/ and a certificate of an ECDSA key."""
    site = keel.directory()
    for name, size in (('small/1k.txt', 1024), ('large/100k.txt', 100 << 10),
                       ('large/10m.txt', 10 << 20)):
        path = os.path.join(site, 'www', name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'w') as f:
            f.write('x' * size)
    keel.output(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
                 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=localhost',
                 '-keyout', site + '/key.pem', '-out', site + '/cert.pem'])
    os.chmod(site + '/key.pem', 0o644)
    return site
