#include "dnsd/wire/type.h"
#include "dnsd/zone/image.h"
#include "suites.h"
#include "support.h"

#include "common/base/mem.h"

#include <stdio.h>

#define HEAD "$TTL 60\n@ SOA ns h 7 2 3 4 5\n@ NS ns\n"

static const struct dns_node *find(const struct dns_image *image, const char *text)
{
    struct dns_name name = support_name(text);
    return dns_image_find(image, dns_image_hash(image, name.bytes, name.size), name.bytes,
                          name.size);
}

START_TEST(finds_every_name_and_no_other)
{
    char name[64];
    struct dns_image *image = support_image("z", HEAD "$GENERATE 0-9999 n$.d A 192.0.2.1\n");
    ck_assert_uint_eq(image->node_count, 10002);
    for (unsigned i = 0; i < 10000; i++) {
        snprintf(name, sizeof name, "n%u.d.z", i);
        ck_assert_ptr_nonnull(find(image, name));
        snprintf(name, sizeof name, "m%u.d.z", i);
        ck_assert_ptr_null(find(image, name));
    }
    ck_assert_ptr_eq(find(image, "z"), dns_image_apex(image));
    ck_assert_ptr_nonnull(find(image, "d.z"));
    ck_assert_ptr_null(find(image, "."));
    keel_free(image);
}
END_TEST

/* a position-independent block: a copy elsewhere answers the same */
START_TEST(can_be_moved)
{
    struct dns_image *image =
        support_image("z", HEAD "a-name-that-is-longer-than-the-node-has-room-for.d A 192.0.2.1\n");
    struct dns_image *copy = keel_memdup(image, image->size);
    memset(image, 0xA5, image->size);
    keel_free(image);
    const struct dns_node *node =
        find(copy, "a-name-that-is-longer-than-the-node-has-room-for.d.z");
    ck_assert_ptr_nonnull(node);
    ck_assert_ptr_nonnull(dns_node_set(copy, node, DNS_TYPE_A));
    ck_assert_ptr_null(dns_node_set(copy, node, DNS_TYPE_NS));
    keel_free(copy);
}
END_TEST

START_TEST(walks_sets)
{
    struct dns_image *image =
        support_image("z", HEAD "a A 192.0.2.1\na TXT x\na AAAA ::1\ne.f A 192.0.2.1\n");
    const struct dns_node *node = find(image, "a.z");
    static const uint16_t types[] = {DNS_TYPE_A, DNS_TYPE_TXT, DNS_TYPE_AAAA};
    const struct dns_set *set = NULL;
    for (size_t i = 0; i < 3; i++) {
        set = dns_node_next_set(image, node, set);
        ck_assert_ptr_nonnull(set);
        ck_assert_uint_eq(set->type, types[i]);
    }
    ck_assert_ptr_null(dns_node_next_set(image, node, set));
    ck_assert_ptr_null(dns_node_next_set(image, find(image, "f.z"), NULL));
    keel_free(image);
}
END_TEST

static const struct {
    const char *name, *encloser;
    uint16_t flags;
} enclosers[] = {
    {"x.z", "z", DNS_NODE_WILDCARD},
    {"x.y.a.z", "a.z", 0},
    {"x.e.z", "e.z", 0},
    {"x.cut.z", "cut.z", DNS_NODE_CUT},
    {"x.ns.cut.z", "ns.cut.z", DNS_NODE_BELOW_CUT},
    {"x.old.z", "old.z", DNS_NODE_DNAME},
    {"a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r.s.t.u.v.w.x.y.z", "z", DNS_NODE_WILDCARD},
};

START_TEST(finds_the_closest_encloser)
{
    struct dns_image *image =
        support_image("z", HEAD "* A 192.0.2.1\na A 192.0.2.1\nb.e A 192.0.2.1\ncut NS ns.cut\n"
                                "ns.cut A 192.0.2.1\nold DNAME new\n");
    struct dns_name name = support_name(enclosers[_i].name);
    const struct dns_node *node = dns_image_encloser(image, &name, name.labels - 1u);
    ck_assert_ptr_eq(node, find(image, enclosers[_i].encloser));
    ck_assert_uint_eq(node->flags, enclosers[_i].flags);
    keel_free(image);
}
END_TEST

Suite *image_suite(void)
{
    Suite *s = suite_create("dnsd/zone/image");
    TCase *t = tcase_create("image");
    tcase_add_test(t, finds_every_name_and_no_other);
    tcase_add_test(t, can_be_moved);
    tcase_add_test(t, walks_sets);
    tcase_add_loop_test(t, finds_the_closest_encloser, 0, sizeof enclosers / sizeof enclosers[0]);
    suite_add_tcase(s, t);
    return s;
}
