"""What test_keel.py runs the harness against: a master with one child and a control socket."""
import json
import os
import signal
import socket
import subprocess
import sys

control = sys.argv[sys.argv.index('--control') + 1]
behaviour = os.environ.get('FAKE', '')
if behaviour == 'broken':
    print('fake.conf:3: nonsense', file=sys.stderr)
    sys.exit(2)
child = subprocess.Popen(['sleep', '60'])
listening = socket.create_server(('127.0.0.1', 0))


def stop(*_):
    if behaviour != 'orphan':
        child.kill()
        child.wait()
    os._exit(1 if behaviour == 'status' else 0)  # in whatever we were


signal.signal(signal.SIGTERM, stop)
door = socket.socket(socket.AF_UNIX)
door.bind(control)
door.listen()
while True:
    client = door.accept()[0]
    with client, client.makefile('rw') as stream:
        request = json.loads(stream.readline())
        if request['command'] == 'status':
            reply = {'ok': True, 'result': {'pid': os.getpid(), 'state': 'serving', 'listeners': [
                {'kind': 'tcp', 'address': '127.0.0.1:%d' % listening.getsockname()[1],
                 'tls': False}]}}
        elif request['command'] == 'metrics':
            reply = {'ok': True, 'result': 'a_total{x="1",y="2"} 5\na_total{x="2"} 7\n'}
        else:
            reply = {'ok': False, 'error': 'no such command'}
        stream.write(json.dumps(reply) + '\n')
