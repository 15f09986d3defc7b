#include "dnsd/zone/compile.h"

#include "common/base/list.h"
#include "dnsd/wire/type.h"
#include "dnsd/zone/check.h"
#include "dnsd/zone/layout.h"

struct dns_compiler {
    struct dns_tree tree;
    const char *file;  /* last one copied: files come in runs */
    const char *given; /* the same as it was given */
    dns_zone_warning warn;
    void *warn_arg;
    struct dns_layout layout; /* while finishing */
    struct dns_checks checks;
};

struct dns_compiler *dns_compiler_new(const struct dns_name *apex, struct keel_hash_key key)
{
    struct dns_compiler *c = keel_calloc(1, sizeof *c);
    if (c && dns_tree_init(&c->tree, apex, key) != 0) {
        dns_compiler_free(c);
        return NULL;
    }
    return c;
}

void dns_compiler_free(struct dns_compiler *c)
{
    if (!c)
        return;
    dns_layout_fini(&c->layout);
    dns_tree_fini(&c->tree);
    keel_free(c);
}

void dns_compiler_on_warning(struct dns_compiler *c, dns_zone_warning warn, void *arg)
{
    c->warn = warn;
    c->warn_arg = arg;
}

/* --- collecting --- */

/* Types that stand only at the apex, or only below it. */
static int check_place(const struct dns_compiler *c, const struct dns_name *owner, uint16_t type,
                       struct keel_diag *diag)
{
    bool wildcard =
        owner->labels > c->tree.apex_name.labels && owner->bytes[0] == 1 && owner->bytes[1] == '*';
    char text[DNS_NAME_TEXT];
    if (!dns_name_in(owner, &c->tree.apex_name)) {
        dns_name_to_text(text, owner->bytes);
        return keel_diag_set(diag, KEEL_EINVAL, "%s is outside of the zone", text);
    }
    if (type == DNS_TYPE_SOA && owner->labels != c->tree.apex_name.labels) {
        dns_name_to_text(text, c->tree.apex_name.bytes);
        return keel_diag_set(diag, KEEL_EINVAL, "SOA below the zone's apex %s", text);
    }
    if (wildcard && (type == DNS_TYPE_NS || type == DNS_TYPE_DNAME))
        /* RFC 4592, 4.2 and 4.4: no answer could be right */
        return keel_diag_set(diag, KEEL_EINVAL, "%s at a wildcard",
                             type == DNS_TYPE_NS ? "NS" : "DNAME");
    return 0;
}

int dns_compiler_add(void *compiler, const struct dns_scanned *record, struct keel_diag *diag)
{
    struct dns_compiler *c = compiler;
    struct dns_name owner = *record->owner;
    dns_name_lower(&owner);
    int err = check_place(c, &owner, record->type, diag);
    if (err)
        return err;
    if (!c->file || (c->given != record->file && strcmp(c->file, record->file) != 0))
        c->file = keel_arena_strdup(&c->tree.arena, record->file);
    c->given = record->file;
    struct dns_tree_node *node = dns_tree_get(&c->tree, &owner);
    const struct dns_tree_record head = {.file = c->file,
                                         .line = record->line,
                                         .ttl = record->ttl,
                                         .type = record->type,
                                         .size = record->rdata_size};
    if (!c->file || !node || dns_tree_add(&c->tree, node, &head, record->rdata) != 0)
        return keel_diag_memory(diag);
    return 0;
}

/* --- finishing --- */

static int check_apex(const struct dns_compiler *c, struct keel_diag *diag)
{
    char text[DNS_NAME_TEXT];
    dns_name_to_text(text, c->tree.apex_name.bytes);
    if (!dns_tree_record(c->tree.apex, DNS_TYPE_SOA))
        return keel_diag_set(diag, KEEL_EINVAL, "there is no SOA record for %s", text);
    if (!dns_tree_record(c->tree.apex, DNS_TYPE_NS))
        return keel_diag_set(diag, KEEL_EINVAL, "there is no NS record for %s", text);
    return 0;
}

/* Parents come before what is below them. */
static int set_flags(struct dns_compiler *c)
{
    for (size_t i = 0; i < c->tree.names.count; i++) {
        struct dns_tree_node *node = c->tree.order[i], *parent = node->parent;
        if (i + 8 < c->tree.names.count)
            __builtin_prefetch(c->tree.order[i + 8]);
        node->up = parent ? parent->number : node->number;
        if (dns_tree_flags(&c->tree, node, parent ? parent->flags : 0, parent ? parent->cut : 0))
            return dns_layout_fail(&c->layout, node->records, node,
                                   "below a DNAME (RFC 6672, 2.4)");
    }
    return 0;
}

static uint32_t find_addresses(void *arg, const uint8_t *name, size_t size)
{
    const struct dns_tree_node *node = dns_tree_find(arg, name, size);
    if (node && node->has & DNS_HAS_ADDRESS)
        return node->number;
    return DNS_NO_NODE;
}

static void look(struct dns_layout *layout, const struct dns_tree_node *node)
{
    struct dns_compiler *c = KEEL_CONTAINER(layout, struct dns_compiler, layout);
    dns_check_node(&c->checks, node);
}

int dns_compiler_finish(struct dns_compiler *c, struct dns_image **image, struct keel_diag *diag)
{
    struct keel_buf *out = &c->layout.out;
    c->layout = (struct dns_layout){
        .tree = &c->tree, .diag = diag, .find_addresses = find_addresses, .arg = &c->tree};
    int err = check_apex(c, diag);
    if (err)
        return err;
    if (dns_tree_fill(&c->tree) != 0 || dns_tree_sort(&c->tree) != 0)
        return keel_diag_memory(diag);
    err = set_flags(c);
    c->checks = (struct dns_checks){.tree = &c->tree, .warn = c->warn, .arg = c->warn_arg};
    c->layout.look = c->warn ? look : NULL;
    if (err == 0)
        err = dns_layout_write(&c->layout);
    if (err == 0 && c->warn)
        dns_check_end(&c->checks);
    if (err == 0)
        err = dns_denial_build(out, c->warn, c->warn_arg, diag);
    if (err)
        return err;
    dns_layout_header(&c->layout)->size = (uint32_t)keel_buf_size(out);
    *image = (struct dns_image *)keel_buf_take(out);
    return *image ? 0 : keel_diag_memory(diag);
}
