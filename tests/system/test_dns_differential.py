"""The same questions to dnsd, named, knotd and nsd, all with the same zones: each difference between
their answers and ours is explained by a rule, or the test fails. doc/dnsd-differences.md says what
each rule means and why.

    test_dns_differential.py [--count N] [--seed S] [--show RULE] [--samples N]
"""
import argparse
import collections
import json
import os
import random
import struct
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import dns_questions
from dns_peers import PEERS
from dns_rules import facets, explain
from keel import SRCDIR, Daemon, Skip, directory, need_program, output, program, run, tap

parser = argparse.ArgumentParser()
parser.add_argument('--count', type=int, default=8000)
parser.add_argument('--seed', default='1', help='a number, or "random"')
parser.add_argument('--show', default='', help='print some differences that this rule explains')
parser.add_argument('--samples', type=int, default=4, help='of each kind that nothing explains')
OPTIONS = parser.parse_args()


# ---- zones

def sign_with_bind(zone, path, key, *options):
    output(['dnssec-signzone', '-q', '-S', '-z', '-K', key, '-o', zone, '-N', 'keep', '-P',
            *options, '-f', path + '.signed', path], cwd=os.path.dirname(path))
    output(['dnssec-verify', '-q', '-z', '-o', zone, path + '.signed'])
    return path + '.signed'


def sign_with_ldns(zone, path, key, *options):
    base = [os.path.join(key, f) for f in os.listdir(key) if f.endswith('.private')][0][:-8]
    output(['ldns-signzone', '-o', zone, *options, '-f', path + '.signed', path, base])
    output(['ldns-verify-zone', '-V', '0', path + '.signed'])
    return path + '.signed'


SIGNED = (
    ('nsec.test', sign_with_bind, ()),
    ('nsec3.test', sign_with_bind, ('-3', '-')),
    ('optout.test', sign_with_bind, ('-3', '-', '-A')),
    ('salted.test', sign_with_ldns, ('-n', '-s', 'aabbcc', '-t', '5')),
    ('lnsec.test', sign_with_ldns, ()),
)


def make_zones(seed):
    """({zone: path}, {zone: (apex, names)})"""
    need_program('dnssec-signzone', 'dnssec-keygen', 'dnssec-verify', 'ldns-signzone',
                 'ldns-verify-zone')
    rng = random.Random(seed)
    folder = directory()
    common = dns_questions.COMMON + dns_questions.bulk(rng)
    paths, zones = {}, {}

    def write(zone, text):
        paths[zone] = os.path.join(folder, zone)
        with open(paths[zone], 'w') as f:
            f.write('$ORIGIN %s.\n%s' % (zone, text))
        apex = dns_questions.flat(zone)
        zones[zone] = (tuple(apex), dns_questions.owners(text, apex))
        return paths[zone]
    write('plain.test', common + dns_questions.ODD)
    write('child.plain.test', dns_questions.CHILD)
    for zone, sign, options in SIGNED:
        path = write(zone, common)
        key = tempfile.mkdtemp(dir=folder)
        output(['dnssec-keygen', '-q', '-a', 'ECDSAP256SHA256', '-f', 'KSK', '-K', key, zone])
        paths[zone] = sign(zone, path, key, *options)
    return paths, zones


# ---- the comparison

def conf(paths):
    return ''.join('zone "%s" { file = "%s" }\n' % row for row in paths.items())


def compare(count, seed):
    began = time.monotonic()
    paths, zones = make_zones(seed)
    questions = list(dns_questions.questions(seed, count, zones))
    path = os.path.join(directory(), 'questions')
    with open(path, 'wb') as f:
        for q in questions:
            f.write(struct.pack('>BBH', q.tcp, q.silent, len(q.bytes)) + q.bytes)
    peers = [PEERS[name](paths) for name in sorted(PEERS)]
    started = []
    try:
        for peer in peers:
            started.append(peer.start())
        with Daemon('dnsd', conf=conf(paths), listen=('127.0.0.1:0',)) as ours:
            asked = time.monotonic()
            lines = output([program('tests/support/dns_compare'), path,
                            'dnsd=%d' % ours.address('udp')[1]]
                           + ['%s=%d' % (p.program, p.port) for p in peers], patience=1500)
    finally:
        for peer in started:
            peer.stop()
    answered = time.monotonic()
    tap.note('seed %d: %d questions of 4 servers, prepared in %.1f s, asked in %.1f s' % (
        seed, count, asked - began, answered - asked))
    return judge(questions, [json.loads(line) for line in lines.splitlines()])


def judge(questions, differences):
    counts, shown, unexplained = collections.Counter(), 0, []
    kinds = collections.Counter()
    for d in differences:
        q = questions[d['q']]
        for facet in facets(d):
            rule = explain(q, d, facet)
            counts[rule, d['server']] += 1
            if rule is None:
                kinds[d['server'], facet] += 1
                if kinds[d['server'], facet] <= OPTIONS.samples:
                    unexplained.append('%s, %s: %s\n%s' % (d['server'], facet, q, brief(d)))
            elif rule == OPTIONS.show and shown < 10:
                shown += 1
                tap.note('%s: %s, %s: %s\n%s' % (rule, d['server'], facet, q, brief(d)))
    for rule in sorted({r for r, _ in counts if r}):
        tap.note('%-24s %s' % (rule, '  '.join('%s %d' % (server, n) for (r, server), n in sorted(
            counts.items(), key=str) if r == rule)))
    assert not unexplained, '%d differences are not explained: %s\n%s' % (
        sum(kinds.values()), dict(kinds), '\n'.join(sorted(unexplained)))


def brief(d):
    text = '   ours   %s\n   theirs %s\n' % (d['ours'], d['theirs'])
    for sign, side in (('-', 'minus'), ('+', 'plus')):
        for section, owner, kind, _, ttl, rdata in d[side][:6]:
            text += '   %s %s %s %d type %d %s\n' % (
                sign, ('answer', 'authority', 'additional')[section], owner, ttl, kind, rdata[:80])
    return text


def rules_are_explained():
    """Every rule has its place in doc/."""
    from dns_rules import RULES
    with open(os.path.join(SRCDIR, 'doc', 'dnsd-differences.md')) as f:
        text = f.read()
    missing = [r.__name__ for r in RULES if '\n### ' + r.__name__.replace('_', '-') not in text]
    assert not missing, missing


SEED = random.SystemRandom().randrange(1 << 30) if OPTIONS.seed == 'random' else int(OPTIONS.seed)
run(('every rule is explained', rules_are_explained),
    ('the same answers', lambda: compare(OPTIONS.count, SEED)))
