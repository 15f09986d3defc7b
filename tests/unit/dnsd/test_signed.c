/*
 * Answers of signed zones. The zones are signed here by ldns with a new key, and ldns judges every
 * answer: all signatures hold, and what is said not to exist is proved not to.
 */
#include "dnsd/answer/query.h"
#include "dnsd/wire/type.h"
#include "suites.h"
#include "support.h"

#include <ldns/ldns.h>
#include <stdlib.h>
#include <time.h>

/* Of the leak sanitizer, where there is one: ldns forgets names while it judges NSEC3 records. */
void __lsan_disable(void) __attribute__((weak));
void __lsan_enable(void) __attribute__((weak));

enum mode { NSEC, NSEC3, OPT_OUT, MODES };

static struct {
    struct dns_zones zones;
    ldns_rr_list *keys;
    ldns_rr *key;
} signed_zone[MODES];

static ldns_zone *read_plain(const char *text)
{
    ldns_zone *zone = NULL;
    FILE *f = fmemopen((void *)text, strlen(text), "r");
    ldns_status status = ldns_zone_new_frm_fp(&zone, f, NULL, 300, LDNS_RR_CLASS_IN);
    ck_assert_msg(status == LDNS_STATUS_OK, "%s", ldns_get_errorstr_by_id(status));
    fclose(f);
    return zone;
}

static char *print(const ldns_zone *zone)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    ldns_zone_print(f, zone);
    fclose(f);
    return text;
}

static void sign(enum mode mode, const char *text)
{
    ldns_zone *plain = read_plain(text), *made;
    ldns_key *key = ldns_key_new_frm_algorithm(LDNS_SIGN_ECDSAP256SHA256, 256);
    ldns_key_list *keys = ldns_key_list_new();
    uint8_t salt[2] = {0xAB, 0xCD};
    ck_assert_ptr_nonnull(key);
    ldns_key_set_pubkey_owner(key, ldns_dname_new_frm_str("signed."));
    ldns_key_set_inception(key, (uint32_t)time(NULL) - 3600);
    ldns_key_set_expiration(key, (uint32_t)time(NULL) + 3600);
    ldns_key_list_push_key(keys, key);
    ldns_rr *dnskey = ldns_key2rr(key);
    ldns_rr_set_ttl(dnskey, 300);
    ldns_key_set_keytag(key, ldns_calc_keytag(dnskey));
    ldns_zone_push_rr(plain, ldns_rr_clone(dnskey));
    if (mode == NSEC)
        made = ldns_zone_sign(plain, keys);
    else
        made = ldns_zone_sign_nsec3(plain, keys, LDNS_SHA1, mode == OPT_OUT ? 1 : 0, 2, 2, salt);
    ck_assert_ptr_nonnull(made);
    char *out = print(made);
    support_zones_init(&signed_zone[mode].zones);
    support_serve(&signed_zone[mode].zones, "signed", out);
    signed_zone[mode].key = dnskey;
    signed_zone[mode].keys = ldns_rr_list_new();
    ldns_rr_list_push_rr(signed_zone[mode].keys, dnskey);
    free(out);
    ldns_zone_deep_free(made);
    ldns_zone_deep_free(plain);
    ldns_key_list_free(keys);
}

static void setup(void)
{
    char *text = support_data("signed.zone");
    for (unsigned mode = 0; mode < MODES; mode++)
        sign(mode, text);
    free(text);
}

static void teardown(void)
{
    for (unsigned mode = 0; mode < MODES; mode++) {
        dns_zones_fini(&signed_zone[mode].zones);
        ldns_rr_list_deep_free(signed_zone[mode].keys);
    }
}

static uint8_t reply[UINT16_MAX];

/* With DO. Returns the reply's size. */
static size_t ask(enum mode mode, const char *name, uint16_t type, size_t room, bool tcp)
{
    uint8_t query[512];
    struct dns_answer_context context = {.zones = &signed_zone[mode].zones, .udp_size = 4096};
    size_t size = support_query(query, sizeof query, name, type, 4096);
    query[size - 4] = 0x80;
    return dns_query_process(&context, query, size, &support_peer, tcp, reply, room);
}

/* A cut's own NS records, and a CNAME that a DNAME made. */
static bool needs_no_signature(const ldns_pkt *pkt, const ldns_rr_list *set, bool authority)
{
    ldns_rr *rr = ldns_rr_list_rr(set, 0);
    if (authority && ldns_rr_get_type(rr) == LDNS_RR_TYPE_NS)
        return true;
    if (ldns_rr_get_type(rr) != LDNS_RR_TYPE_CNAME)
        return false;
    for (size_t i = 0; i < ldns_rr_list_rr_count(ldns_pkt_answer(pkt)); i++) {
        ldns_rr *other = ldns_rr_list_rr(ldns_pkt_answer(pkt), i);
        if (ldns_rr_get_type(other) == LDNS_RR_TYPE_DNAME &&
            ldns_dname_is_subdomain(ldns_rr_owner(rr), ldns_rr_owner(other)))
            return true;
    }
    return false;
}

/* The signatures in the section over this set. */
static ldns_rr_list *signatures_of(const ldns_rr_list *section, const ldns_rr *first)
{
    ldns_rr_list *found = ldns_rr_list_new();
    for (size_t i = 0; i < ldns_rr_list_rr_count(section); i++) {
        ldns_rr *rr = ldns_rr_list_rr(section, i);
        if (ldns_rr_get_type(rr) == LDNS_RR_TYPE_RRSIG &&
            ldns_dname_compare(ldns_rr_owner(rr), ldns_rr_owner(first)) == 0 &&
            ldns_rdf2rr_type(ldns_rr_rrsig_typecovered(rr)) == ldns_rr_get_type(first))
            ldns_rr_list_push_rr(found, rr);
    }
    return found;
}

static void check_section(enum mode mode, const ldns_pkt *pkt, const ldns_rr_list *section,
                          bool authority, const char *what)
{
    ldns_rr_list *left = ldns_rr_list_new(), *set;
    for (size_t i = 0; i < ldns_rr_list_rr_count(section); i++)
        if (ldns_rr_get_type(ldns_rr_list_rr(section, i)) != LDNS_RR_TYPE_RRSIG)
            ldns_rr_list_push_rr(left, ldns_rr_list_rr(section, i));
    ldns_rr_list_sort(left);
    while ((set = ldns_rr_list_pop_rrset(left))) {
        ldns_rr_list *signatures = signatures_of(section, ldns_rr_list_rr(set, 0));
        if (!needs_no_signature(pkt, set, authority)) {
            ldns_status status = ldns_verify(set, signatures, signed_zone[mode].keys, NULL);
            ck_assert_msg(status == LDNS_STATUS_OK, "%s: %s", what,
                          ldns_get_errorstr_by_id(status));
        }
        ldns_rr_list_free(signatures);
        ldns_rr_list_free(set);
    }
    ldns_rr_list_free(left);
}

/* The NSEC or NSEC3 records prove what the reply says about its last name. */
static void check_denial(enum mode mode, ldns_pkt *pkt, const char *name, uint16_t type,
                         const char *what)
{
    ldns_rr_type kind = mode == NSEC ? LDNS_RR_TYPE_NSEC : LDNS_RR_TYPE_NSEC3;
    ldns_rr_list *proofs = ldns_pkt_rr_list_by_type(pkt, kind, LDNS_SECTION_AUTHORITY);
    ldns_rr_list *signatures =
        ldns_pkt_rr_list_by_type(pkt, LDNS_RR_TYPE_RRSIG, LDNS_SECTION_AUTHORITY);
    ldns_rr *question = ldns_rr_new();
    ldns_rr_set_owner(question, ldns_dname_new_frm_str(name));
    ldns_rr_set_type(question, type);
    ck_assert_msg(proofs != NULL, "%s: no proof", what);
    if (__lsan_disable)
        __lsan_disable();
    ldns_status status =
        mode == NSEC
            ? ldns_dnssec_verify_denial(question, proofs, signatures)
            : ldns_dnssec_verify_denial_nsec3(question, proofs, signatures, ldns_pkt_get_rcode(pkt),
                                              type, ldns_pkt_ancount(pkt) == 0);
    if (__lsan_enable)
        __lsan_enable();
    ck_assert_msg(status == LDNS_STATUS_OK, "%s: %s", what, ldns_get_errorstr_by_id(status));
    ldns_rr_list_deep_free(proofs);
    ldns_rr_list_deep_free(signatures);
    ldns_rr_free(question);
}

static const char *const names[] = {
    "signed",           "www.signed",        "web.signed",
    "mail.signed",      "nothing.signed",    "0.signed",
    "zzzz.signed",      "ent.signed",        "b.ent.signed",
    "x.b.ent.signed",   "q.wild.signed",     "q.q.wild.signed",
    "host.wild.signed", "x.wild.signed",     "y.x.wild.signed",
    "wild.signed",      "*.wild.signed",     "q.cw.signed",
    "q.loop.signed",    "q.star.signed",     "*.star.signed",
    "h.old.signed",     "no.old.signed",     "todname.signed",
    "toname.signed",    "away.signed",       "tochild.signed",
    "secure.signed",    "www.secure.signed", "plain.signed",
    "www.plain.signed", "ns.plain.signed",   "only.signed",
    "c1.only.signed",   "c3.only.signed",    "mixed.signed",
    "d.mixed.signed",   "e.mixed.signed",
};
static const uint16_t types[] = {DNS_TYPE_A,   DNS_TYPE_NS,   DNS_TYPE_MX,
                                 DNS_TYPE_TXT, DNS_TYPE_SOA,  DNS_TYPE_DS,
                                 DNS_TYPE_ANY, DNS_TYPE_NSEC, 65400};

/* What ldns knows how to judge: with opt-out little; of an empty non-terminal it wants the proof
 * that there is no wildcard; of an NSEC that is not there beside a CNAME that there is no CNAME. */
static bool can_judge(enum mode mode, const char *name, uint16_t type)
{
    const struct dns_image *image = signed_zone[mode].zones.items[0]->image;
    struct dns_name n = support_name(name);
    const struct dns_node *node =
        dns_image_find(image, dns_image_hash(image, n.bytes, n.size), n.bytes, n.size);
    if (mode == OPT_OUT || type == DNS_TYPE_ANY)
        return false;
    if (mode == NSEC)
        return !node || node->set_count > 0;
    return type != DNS_TYPE_NSEC && (node || type != DNS_TYPE_DS);
}

START_TEST(ldns_believes_every_answer)
{
    unsigned denied = 0;
    for (size_t n = 0; n < sizeof names / sizeof names[0]; n++)
        for (size_t t = 0; t < sizeof types / sizeof types[0]; t++) {
            char what[128], type_text[DNS_TYPE_TEXT];
            snprintf(what, sizeof what, "%s %s (%d)", names[n],
                     dns_type_format(type_text, types[t]), _i);
            ldns_pkt *pkt = NULL;
            size_t size = ask(_i, names[n], types[t], sizeof reply, true);
            ck_assert_int_eq(ldns_wire2pkt(&pkt, reply, size), LDNS_STATUS_OK);
            check_section(_i, pkt, ldns_pkt_answer(pkt), false, what);
            check_section(_i, pkt, ldns_pkt_authority(pkt), true, what);
            if (ldns_pkt_ancount(pkt) == 0 && ldns_pkt_aa(pkt) &&
                can_judge(_i, names[n], types[t])) {
                check_denial(_i, pkt, names[n], types[t], what);
                denied++;
            }
            ldns_pkt_free(pkt);
        }
    ck_assert(_i == OPT_OUT || denied > 100);
}
END_TEST

/* In any room there are whole sets with their signatures, or TC: never a set without them. */
START_TEST(cuts_by_sets_and_signatures)
{
    static const char *const asked[] = {"q.wild.signed", "nothing.signed", "signed"};
    for (size_t n = 0; n < sizeof asked / sizeof asked[0]; n++)
        for (size_t room = 512; room < 1400; room += 7) {
            ldns_pkt *pkt = NULL;
            size_t size = ask(_i, asked[n], DNS_TYPE_MX, room, false);
            ck_assert_uint_le(size, room);
            ck_assert_int_eq(ldns_wire2pkt(&pkt, reply, size), LDNS_STATUS_OK);
            check_section(_i, pkt, ldns_pkt_answer(pkt), false, asked[n]);
            check_section(_i, pkt, ldns_pkt_authority(pkt), true, asked[n]);
            check_section(_i, pkt, ldns_pkt_additional(pkt), false, asked[n]);
            ldns_pkt_free(pkt);
        }
}
END_TEST

/* A name that is a hash is no name of the zone (RFC 5155, 7.2.8). */
START_TEST(hides_hashes)
{
    const struct dns_image *image = signed_zone[NSEC3].zones.items[0]->image;
    const struct dns_nsec3 *entry = dns_image_nsec3(image);
    char name[DNS_NAME_TEXT];
    ck_assert_uint_eq(image->denial, DNS_DENIAL_NSEC3);
    dns_name_to_text(name, dns_node_name(image, dns_image_node(image, entry->node)));
    ask(NSEC3, name, DNS_TYPE_NSEC3, sizeof reply, true);
    ck_assert_int_eq(reply[3] & 15, DNS_NXDOMAIN);
}
END_TEST

START_TEST(adds_nothing_without_do)
{
    struct dns_answer_context context = {.zones = &signed_zone[_i].zones, .udp_size = 1232};
    static char shown[65536];
    for (size_t n = 0; n < sizeof names / sizeof names[0]; n++) {
        uint8_t query[512];
        size_t size = support_query(query, sizeof query, names[n], DNS_TYPE_A, 4096);
        size = dns_query_process(&context, query, size, &support_peer, true, reply, sizeof reply);
        support_show(shown, sizeof shown, reply, size);
        ck_assert_msg(!strstr(shown, "RRSIG") && !strstr(shown, "NSEC") && !strstr(shown, " DS "),
                      "%s", shown);
    }
}
END_TEST

Suite *signed_suite(void)
{
    Suite *s = suite_create("dnsd/answer/signed");
    TCase *t = tcase_create("signed");
    tcase_add_unchecked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, ldns_believes_every_answer, 0, MODES);
    tcase_add_loop_test(t, cuts_by_sets_and_signatures, 0, MODES);
    tcase_add_test(t, hides_hashes);
    tcase_add_loop_test(t, adds_nothing_without_do, 0, MODES);
    suite_add_tcase(s, t);
    return s;
}
