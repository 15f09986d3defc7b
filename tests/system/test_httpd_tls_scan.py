"""What sslscan and testssl.sh say of httpd as it is when nothing is configured but certificates."""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from keel import Daemon, directory, need_program, output, run, tap
from tls import Authority

CONF = '''
listen = { "127.0.0.1:0 tls" }
site "localhost" {
  root        = "www"
  certificate = { "ec.pem", "rsa.pem" }
  key         = { "ec.key", "rsa.key" }
}
'''
# What an answer of HTTP may say is for who writes the pages to decide.
# what is said of the scanner's own openssl and of HTTP
NOT_TLS = {'HSTS', 'security_headers', 'engine_problem'}


def httpd():
    folder = directory()
    authority = Authority(folder)
    authority.sign('ec', 'localhost')
    authority.sign('rsa', 'localhost', kind='rsa')
    return Daemon('httpd', conf=CONF, listen=None, folder=folder, files={'www/index.html': 'here\n'})


def target(daemon):
    return 'localhost:%d' % daemon.address('tcp', tls=True)[1]


def sslscan():
    with httpd() as daemon:
        said = output([need_program('sslscan'), '--no-colour', target(daemon)], patience=120)
        lines = [line.split() for line in said.splitlines()]
        enabled = [line[0] for line in lines if line[1:] == ['enabled']]
        assert enabled == ['TLSv1.2', 'TLSv1.3'], said
        assert 'renegotiation not supported' in said and 'vulnerable to heartbleed' in said, said
        assert said.count('not vulnerable to') == said.count('vulnerable to'), said
        ciphers = [(line[1], line[4]) for line in lines if line[:1] in (['Preferred'], ['Accepted'])]
        assert len(ciphers) == 9, said
        for version, cipher in ciphers:
            assert version == 'TLSv1.3' or cipher.startswith('ECDHE-'), cipher
            assert 'GCM' in cipher or 'POLY1305' in cipher, cipher
        groups = {line[3] for line in lines if len(line) > 3 and line[0].startswith('TLSv1.')
                  and line[2] == 'bits'}
        assert groups == {'secp256r1', 'secp384r1', 'x25519'}, said


def testssl():
    with httpd() as daemon:
        path = os.path.join(daemon.folder, 'findings.json')
        # testssl.sh says with its status how many sections it could not do
        subprocess.run([need_program('testssl'), '--ip', '127.0.0.1', '--color', '0', '--warnings',
                        'off', '--quiet', '--jsonfile', path, '-p', '-s', '-f', '-P', '-h', '-U',
                        target(daemon)], check=False, capture_output=True, timeout=280,
                       cwd=daemon.folder)
        with open(path, encoding='utf-8') as f:
            findings = json.load(f)
        seen = {row['id'] for row in findings}
        for needed in ('TLS1_3', 'cipherlist_aNULL', 'FS', 'cipher_order', 'heartbleed', 'ROBOT',
                       'secure_client_renego', 'BEAST', 'LUCKY13', 'RC4'):
            assert any(name.startswith(needed) or name.startswith('P' + needed) for name in seen), \
                (needed, sorted(seen))
        weak = [row for row in findings if row['severity'] not in ('OK', 'INFO')
                and row['id'].split()[0] not in NOT_TLS]
        assert not weak, weak
        tap.note('%d findings, none weak' % len(findings))


run(('sslscan', sslscan), ('testssl.sh', testssl))
