"""dnsd with signed zones: every answer beside named's, and delv validates them. Zones are signed here
by BIND's tools and by ldns."""
import os
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from dns import dig, zone_text
from dns_peers import Oracle
from keel import Daemon, directory, need_program, output, run, tap

TYPES = ('A', 'NS', 'CNAME', 'SOA', 'MX', 'TXT', 'DNAME', 'DS', 'DNSKEY', 'NSEC', 'NSEC3',
         'NSEC3PARAM', 'TYPE65400')
KEYS = {}


def keys(zone):
    """A folder with one key that signs everything in the zone, made once."""
    if zone not in KEYS:
        folder = tempfile.mkdtemp(dir=directory())
        need_program('dnssec-keygen')
        output(['dnssec-keygen', '-q', '-a', 'ECDSAP256SHA256', '-f', 'KSK', '-K', folder, zone])
        KEYS[zone] = folder
    return KEYS[zone]


def key_file(zone, end):
    return [os.path.join(keys(zone), f) for f in os.listdir(keys(zone)) if f.endswith(end)][0]


def sign(zone, text, *options):
    """The zone signed by dnssec-signzone."""
    need_program('dnssec-signzone')
    folder = tempfile.mkdtemp(dir=directory())
    with open(os.path.join(folder, 'plain'), 'w') as f:
        f.write(text)
    output(['dnssec-signzone', '-q', '-S', '-z', '-K', keys(zone), '-o', zone, '-N', 'keep', '-P',
            *options, '-f', os.path.join(folder, 'signed'), os.path.join(folder, 'plain')],
           cwd=folder)
    with open(os.path.join(folder, 'signed')) as f:
        return f.read()


def sign_with_ldns(zone, text, *options):
    need_program('ldns-signzone')
    folder = tempfile.mkdtemp(dir=directory())
    # ldns reads neither $GENERATE nor what it calls bad in odd zones
    with open(os.path.join(folder, 'plain'), 'w') as f:
        f.write(text)
    key = key_file(zone, '.private')[:-len('.private')]
    output(['ldns-signzone', '-o', zone, *options, '-f', os.path.join(folder, 'signed'),
            os.path.join(folder, 'plain'), key], cwd=folder)
    with open(os.path.join(folder, 'signed')) as f:
        return f.read()


def names(zone, text):
    """Names of the zone, their neighbours that do not exist, and names below them."""
    found = {zone}
    for line in text.splitlines():
        word = line.split(' ')[0].split('\t')[0]
        if not word or word[0] in '$;@':
            continue
        name = word if word.endswith('.') else word + '.' + zone
        found |= {name, 'no.' + name, 'x.no.' + name, '*.' + name, name.split('.', 1)[1]}
        found.add(name.replace('.', '0.', 1))
    return sorted(n for n in found if n.endswith(zone) and '**' not in n)


def dnsd(zone, text):
    return Daemon('dnsd', conf='zone "%s" { file = "the.zone" }\n' % zone, files={'the.zone': text})


def same(mine, theirs):
    (status, flags, sections), (status2, flags2, sections2) = mine, theirs
    if status2 == 'SERVFAIL' and 'ANSWER' in sections2:
        status2 = 'NOERROR'  # what named says of a CNAME loop that the zone itself holds
    if status != status2 or any((f in flags) != (f in flags2) for f in ('aa', 'tc', 'ad')):
        return False
    return 'tc' in flags or all(sections.get(s) == sections2.get(s)
                                for s in ('ANSWER', 'AUTHORITY'))


def brief(answer):
    return '%s %s %s' % (answer[0], ' '.join(answer[1]), {
        section: [r[:60] for r in records if ' rrsig ' not in r]
        for section, records in answer[2].items() if section != 'ADDITIONAL'})


def beside_named(zone, plain, signed, options=('+dnssec', '+bufsize=4096', '+tcp', '+keepopen')):
    questions = ['%s %s' % (n, t) for n in names(zone, plain) for t in TYPES]
    with Oracle(zone, signed) as named, dnsd(zone, signed) as ours:
        mine = dig(ours.address('udp'), questions, *options)
        theirs = dig(named.address, questions, *options)
    wrong = ['%s:\n  ours:   %s\n  theirs: %s' % (q, brief(m), brief(t))
             for q, m, t in zip(questions, mine, theirs) if not same(m, t)]
    assert not wrong, '%d of %d differ:\n%s' % (len(wrong), len(questions), '\n'.join(wrong[:12]))
    tap.note('%d questions, the same answers' % len(questions))


def several_at_once(zone, plain, signed):
    """ANY and RRSIG over TCP: all that there are."""
    questions = ['%s %s' % (n, t) for n in names(zone, plain) for t in ('ANY', 'RRSIG')]
    with Oracle(zone, signed) as named, dnsd(zone, signed) as ours:
        for options in (('+dnssec',), ()):
            mine = dig(ours.address('udp'), questions, '+tcp', '+keepopen', *options)
            theirs = dig(named.address, questions, '+tcp', '+keepopen', *options)
            for question, m, t in zip(questions, mine, theirs):
                assert same(m, t), (question, options, brief(m), brief(t))


# Every shape of an answer: present, alias, wildcard, no name, no type, delegation, below a DNAME.
SHAPES = ('signed SOA', 'signed DNSKEY', 'mail AAAA', 'www A', 'h.old A', 'no.old A', 'q.wild A',
          'q.q.wild MX', 'q.cw A', 'nothing A', 'x.y.z TXT', 'web MX', 'ent A', 'b.ent TXT',
          'q.wild TXT', 'secure DS', 'plain DS', 'c1.only DS', 'only A', 'd.mixed DS', 'q.star A',
          'toname A')


def validated(signed, opt_out=False):
    """delv, with the zone's key as its only anchor, believes every answer."""
    need_program('delv')
    with open(key_file('signed', '.key')) as f:
        words = [line for line in f if line[0] != ';'][0].split()
    key = words[words.index('DNSKEY') + 1:]
    anchor = os.path.join(directory(), 'anchor')
    with open(anchor, 'w') as f:
        f.write('trust-anchors { signed static-key %s %s %s "%s"; };\n' % (
            key[0], key[1], key[2], ''.join(key[3:])))
    with dnsd('signed', signed) as ours:
        for shape in SHAPES:
            name, qtype = shape.split()
            name = name if name == 'signed' else name + '.signed'
            said = output(['delv', '@127.0.0.1', '-p', str(ours.address('udp')[1]), '-a', anchor,
                           '+root=signed', name, qtype])
            # below a span with opt-out nothing can be more than "not signed" (RFC 5155, 6)
            assert 'fully validated' in said or (opt_out and '; unsigned answer' in said), (
                shape, said)


def warnings():
    plain, signed = SIGNED, sign('signed', SIGNED)
    lines = signed.splitlines()
    at = [i for i, line in enumerate(lines) if line.startswith('zz.signed.')][0]
    while 'RRSIG' not in lines[at]:
        at += 1
    end = [i for i in range(at, len(lines)) if ')' in lines[i]][0]
    cut = '\n'.join(lines[:at] + lines[end + 1:]) + '\n'
    salted = sign('signed', plain, *SALTED)
    for text, said in ((cut, '1 RRsets have no signature; the first is zz.signed. TXT'),
                       (salted, 'NSEC3PARAM: 5 iterations cost time and protect nothing')):
        with dnsd('signed', text) as ours:
            assert said in ours.log(), ours.log()
    with dnsd('signed', signed) as ours:
        told = [line for line in ours.log().splitlines() if 'WARNING' in line]
        # the zone has its oddities, but none of its signatures
        assert told and not [line for line in told if 'NSEC' in line or 'signatures' in line or
                             'no signature' in line], told


SIGNED = zone_text('signed.zone')
ODD = zone_text('odd.zone')
NSEC3 = ('-3', '-')
SALTED = ('-3', 'aabbccdd', '-H', '5')
OPT_OUT = ('-3', '-', '-A')

run(('NSEC beside named', lambda: beside_named('signed', SIGNED, sign('signed', SIGNED))),
    ('NSEC3 beside named', lambda: beside_named('signed', SIGNED, sign('signed', SIGNED, *NSEC3))),
    ('NSEC3 with salt and iterations',
     lambda: beside_named('signed', SIGNED, sign('signed', SIGNED, *SALTED))),
    ('NSEC3 with opt-out',
     lambda: beside_named('signed', SIGNED, sign('signed', SIGNED, *OPT_OUT))),
    ('odd, NSEC', lambda: beside_named('odd', ODD, sign('odd', ODD))),
    ('odd, NSEC3', lambda: beside_named('odd', ODD, sign('odd', ODD, *NSEC3))),
    ('ANY and RRSIG', lambda: several_at_once('signed', SIGNED, sign('signed', SIGNED))),
    ('delv validates NSEC', lambda: validated(sign('signed', SIGNED))),
    ('delv validates NSEC3', lambda: validated(sign('signed', SIGNED, *NSEC3))),
    ('delv validates opt-out', lambda: validated(sign('signed', SIGNED, *OPT_OUT), True)),
    ('signed by ldns, NSEC',
     lambda: beside_named('signed', SIGNED, sign_with_ldns('signed', SIGNED))),
    ('signed by ldns, NSEC3 with salt',
     lambda: beside_named('signed', SIGNED, sign_with_ldns('signed', SIGNED, '-n', '-s', 'aabb'))),
    ('what the checker warns of', warnings),
    ('without DO', lambda: beside_named('signed', SIGNED, sign('signed', SIGNED),
                                        ('+tcp', '+keepopen'))),
    ('over UDP', lambda: beside_named('signed', SIGNED, sign('signed', SIGNED),
                                      ('+dnssec', '+ignore'))))
