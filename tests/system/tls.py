"""What the tests of TLS share: an authority that signs certificates and answers OCSP, and openssl
s_client as the client."""
import datetime
import os
import subprocess

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import NameOID

from keel import need_program

DAY = datetime.timedelta(days=1)


def name_of(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def pem(*certificates):
    return b''.join(c.public_bytes(serialization.Encoding.PEM) for c in certificates)


class Authority:
    """Signs certificates; all files of it lie in its folder: NAME.pem (with the chain), NAME.key."""

    def __init__(self, folder, name='ca'):
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificates = {}
        self.certificate = self._make(name, self.key, name_of(name), self.key, 30 * DAY).add_extension(
            x509.BasicConstraints(True, None), True).sign(self.key, hashes.SHA256())
        self.file = self._write(name + '.pem', pem(self.certificate))

    def _make(self, subject, key, issuer, issuer_key, lasts):
        now = datetime.datetime.utcnow()
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
        return x509.CertificateBuilder().subject_name(name_of(subject)).issuer_name(issuer) \
            .public_key(key.public_key()).serial_number(x509.random_serial_number()) \
            .not_valid_before(now - DAY).not_valid_after(now + lasts) \
            .add_extension(identifier, False)

    def _write(self, name, content):
        path = os.path.join(self.folder, name)
        with open(path + '.new', 'wb') as f:
            f.write(content)
        os.rename(path + '.new', path)
        return path

    def sign(self, file, *names, kind='ec', chain=True, lasts=20 * DAY):
        """Writes file.pem and file.key for these names, the first one as the common name."""
        key = ec.generate_private_key(ec.SECP256R1()) if kind == 'ec' else \
            rsa.generate_private_key(65537, 2048)
        made = self._make(names[0], key, self.certificate.subject, self.key, lasts).add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), False) \
            .sign(self.key, hashes.SHA256())
        self.certificates[file] = made
        self._write(file + '.pem', pem(made, *[self.certificate][:chain]))
        self._write(file + '.key', key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption()))
        return made.serial_number

    def respond(self, file, to, status='GOOD', since=-1, until=7):
        """Writes the OCSP response `file` for certificate `to`; times in days from now."""
        now = datetime.datetime.utcnow()
        revoked = now - DAY if status == 'REVOKED' else None
        response = ocsp.OCSPResponseBuilder().add_response(
            self.certificates[to], self.certificate, hashes.SHA1(), ocsp.OCSPCertStatus[status],
            now + since * DAY, now + until * DAY, revoked, None).responder_id(
                ocsp.OCSPResponderEncoding.HASH, self.certificate).sign(self.key, hashes.SHA256())
        return self._write(file, response.public_bytes(serialization.Encoding.DER))

    def respond_by_openssl(self, file, to):
        """The same, good, made by openssl ocsp."""
        serial = '%X' % self.certificates[to].serial_number
        self._write('index.txt', b'V\t491231235959Z\t\t%s\tunknown\t/CN=x\n'
                    % (serial if len(serial) % 2 == 0 else '0' + serial).encode())
        self._write('authority.key', self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption()))
        at = self.folder + '/'
        leaf = self._write('leaf.pem', pem(self.certificates[to]))
        subprocess.run([need_program('openssl'), 'ocsp', '-index', at + 'index.txt', '-CA', self.file,
                        '-rsigner', self.file, '-rkey', at + 'authority.key', '-issuer', self.file,
                        '-cert', leaf, '-ndays', '5', '-noverify', '-respout', at + file],
                       check=True, capture_output=True, timeout=20)
        return at + file


class Answer:
    """What openssl s_client saw."""

    def __init__(self, text, status):
        self.text = text
        self.connected = status == 0 and 'Cipher is (NONE)' not in text
        self.reused = 'Reused, TLS' in text
        self.version = 'TLSv1.3' if ', TLSv1.3, Cipher' in text else 'TLSv1.2'
        self.http = int(text.split('HTTP/1.1 ')[1][:3]) if 'HTTP/1.1 ' in text else None

    def line(self, begin):
        """The rest of the first line that begins so."""
        found = [row[len(begin):].strip() for row in self.text.splitlines() if row.startswith(begin)]
        return found[0] if found else None


def s_client(address, name='localhost', *args, host=None, path='/'):
    """Asks for path and waits until the server closes."""
    request = 'GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' % (path, host or name)
    named = ['-servername', name] if name else ['-noservername']
    ended = subprocess.run([need_program('openssl'), 's_client', '-connect', '%s:%d' % address,
                            '-ign_eof'] + named + list(args), input=request.encode(),
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=30)
    return Answer(ended.stdout.decode('utf-8', 'replace'), ended.returncode)
