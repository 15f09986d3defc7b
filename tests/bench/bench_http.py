"""CPU time per request of httpd, of nginx and of the floor, side by side.

Every server has one core to itself and wrk (or h2load) has another; they take turns, several rounds, and the
medians count. What is measured is the user and system time of a server's whole process tree, from
/proc, because rates on a shared machine are noise.

    bench_http.py [--rounds N] [--seconds S] [--only SUBSTRING]
"""
import argparse
import os
import re
import statistics
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'system'))
import keel  # noqa: E402

CONNECTIONS = 32
PIPELINE = 16
LUA = '''
init = function(args)
  local r = {}
  for i = 1, %d do r[i] = wrk.format("GET", "/1k.txt") end
  req = table.concat(r)
end
request = function() return req end
''' % PIPELINE

NGINX = '''
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; {events} }}
http {{
  include /etc/nginx/mime.types;
  keepalive_requests 1000000000;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  {http}
  server {{ listen 127.0.0.1:{port}{listen}; {server} root {folder}/www; }}
}}
'''
BEST = 'access_log off; sendfile off; open_file_cache max=1000 inactive=60s; etag on;'
PACKAGED = 'access_log {folder}/access.log; sendfile on; tcp_nopush on;'


def cpu_seconds(pids):
    total = 0
    for pid in pids:
        for thread in os.listdir('/proc/%d/task' % pid):
            with open('/proc/%d/task/%s/schedstat' % (pid, thread)) as f:
                total += int(f.read().split()[0])
    return total / 1e9


def tree(root):
    return sorted({root} | keel._descendants(root))


def free_port():
    import socket
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def pin(pids, core):
    for pid in pids:
        for thread in os.listdir('/proc/%d/task' % pid):
            os.sched_setaffinity(int(thread), {core})


class Server:
    """name, url of the 1 KiB file, root of the process tree."""

    def __init__(self, name, port, pid, scheme='http'):
        self.name, self.pid = name, pid
        self.url = '%s://127.0.0.1:%d/1k.txt' % (scheme, port)
        self.costs = {}


def start_floor():
    process = keel.spawn([keel.program('tests/bench/floor_http'), '1024'],
                         stdout=subprocess.PIPE, text=True)
    return Server('floor', int(process.stdout.readline()), process.pid)


def start_httpd(folder, certificate):
    conf = '''listen = { "127.0.0.1:0", "127.0.0.1:0 tls" }
site "localhost" { default = true root = "%s/www" certificate = "%s/cert.pem" key = "%s/key.pem" }
''' % (folder, certificate, certificate)
    daemon = keel.Daemon('httpd', conf=conf, listen=())
    plain = Server('httpd', daemon.address('tcp')[1], daemon.pid)
    tls = Server('httpd tls', daemon.address('tcp', tls=True)[1], daemon.pid, 'https')
    return daemon, plain, tls


def start_nginx(name, folder, http, server='', events='', scheme='http', http2=False):
    home = os.path.join(folder, name.replace(' ', '-'))
    os.makedirs(home)
    os.symlink(os.path.join(folder, 'www'), os.path.join(home, 'www'))
    port = free_port()
    path = os.path.join(home, 'nginx.conf')
    with open(path, 'w') as f:
        f.write(NGINX.format(folder=home, port=port, http=http.format(folder=home), server=server,
                             events=events, listen=(' ssl' if scheme == 'https' else '')
                             + (' http2' if http2 else '')))
    process = keel.spawn([keel.need_program('nginx'), '-e', home + '/error.log', '-c', path],
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    keel.until(lambda: os.path.exists(home + '/nginx.pid') and len(tree(process.pid)) > 1,
               name + ' runs')
    return Server(name, port, process.pid, scheme)


def load(server, seconds, script=None, streams=0):
    """Requests answered, and CPU seconds that they cost. streams: so many at once on a connection
    of HTTP/2; 0: HTTP/1.1."""
    pids = tree(server.pid)
    argv = ['taskset', '-c', '1']
    if streams:
        argv += ['h2load', '-t1', '-c%d' % CONNECTIONS, '-m%d' % streams, '-D%d' % seconds]
    else:
        argv += ['wrk', '-t1', '-c%d' % CONNECTIONS, '-d%ss' % seconds]
    argv += ['-s', script] if script else []
    before = cpu_seconds(pids)
    out = keel.output(argv + [server.url], patience=seconds + 20)
    cost = cpu_seconds(pids) - before
    assert 'Non-2xx' not in out and (not streams or ' 0 failed' in out), out
    return int(re.search(r'(\d+) (requests in|succeeded)', out).group(1)), cost


def measure(title, servers, rounds, seconds, script=None, streams=0):
    for server in servers:
        pin(tree(server.pid), 0)
        load(server, 1, script, streams)  # warm
        server.costs[title] = []
    for _ in range(rounds):
        for server in servers:
            requests, cost = load(server, seconds, script, streams)
            server.costs[title].append(cost / requests * 1e6)
    print('\n%s (CPU microseconds per request, median of %d rounds)' % (title, rounds))
    base = statistics.median(servers[0].costs[title])
    for server in servers:
        costs = server.costs[title]
        median = statistics.median(costs)
        print('  %-18s %7.2f   x %.2f of %s   (%.2f .. %.2f)'
              % (server.name, median, median / base, servers[0].name, min(costs), max(costs)))
    sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--seconds', type=int, default=3)
    parser.add_argument('--only', default='')
    options = parser.parse_args()
    if os.cpu_count() < 2:
        raise SystemExit('needs two cores: one for the server, one for the load')
    for name in ('wrk', 'h2load', 'taskset', 'nginx', 'openssl'):
        keel.need_program(name)
    folder = keel.directory()
    os.makedirs(folder + '/www')
    with open(folder + '/www/1k.txt', 'w') as f:
        f.write('x' * 1024)
    script = folder + '/pipeline.lua'
    with open(script, 'w') as f:
        f.write(LUA)
    keel.output(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
                 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=localhost',
                 '-keyout', folder + '/key.pem', '-out', folder + '/cert.pem'])
    floor = start_floor()
    daemon, httpd, httpd_tls = start_httpd(folder, folder)
    best = start_nginx('nginx best', folder, BEST)
    packaged = start_nginx('nginx packaged', folder, PACKAGED)
    best_tls = start_nginx(
        'nginx tls', folder, BEST + ' ssl_certificate %s/cert.pem; ssl_certificate_key %s/key.pem;'
        ' ssl_protocols TLSv1.3;' % (folder, folder), scheme='https')
    best_h2 = start_nginx('nginx h2', folder, BEST, http2=True)
    best_h2_tls = start_nginx(
        'nginx h2 tls', folder, BEST + ' ssl_certificate %s/cert.pem; ssl_certificate_key %s/key.pem;'
        ' ssl_protocols TLSv1.3;' % (folder, folder), scheme='https', http2=True)
    runs = (
        ('1 KiB file, keep-alive', [floor, httpd, best, packaged], None, 0),
        ('1 KiB file, %d pipelined' % PIPELINE, [floor, httpd, best], script, 0),
        ('1 KiB file, keep-alive, TLS', [best_tls, httpd_tls], None, 0),
        ('1 KiB file, HTTP/2, 1 stream', [best_h2, httpd], None, 1),
        ('1 KiB file, HTTP/2, 32 streams', [best_h2, httpd], None, 32),
        ('1 KiB file, HTTP/2, TLS, 32 streams', [best_h2_tls, httpd_tls], None, 32),
    )
    for title, servers, lua, streams in runs:
        if options.only in title:
            measure(title, servers, options.rounds, options.seconds, lua, streams)
    daemon.stop()


if __name__ == '__main__':
    main()
