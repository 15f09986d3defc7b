/*
 * UPDATE messages, one behind another {size 2, bytes}, against one zone: whatever they make of it,
 * the delta answers as an image made anew, and the differences lead from one to the next.
 */
#include "common/base/mem.h"
#include "dnsd/answer/query.h"
#include "dnsd/transfer/update.h"
#include "dnsd/wire/type.h"
#include "dnsd/zone/compile.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static const char zone_text[] =
    "$TTL 60\n@ SOA ns h 7 2 3 4 5\n@ NS ns\n@ MX 1 mail\n@ MX 2 other.test.\nns A 192.0.2.1\n"
    "* TXT x\na.b CNAME c.d\nd DNAME e\nsub NS ns.sub\nns.sub AAAA ::1\n_s._tcp SRV 1 2 3 ns\n";

#define SPACE ((size_t)1 << 20)
#define STEPS_MAX 8
#define PAGE 4096u

static struct dns_name apex;

static int no_files(void *arg, const char *path, const char *from, char **text, size_t *size,
                    char **opened, struct keel_diag *diag)
{
    return keel_diag_set(diag, KEEL_ENOENT, "no files here");
}

static struct dns_image *compile(void)
{
    struct dns_image *image = NULL;
    struct keel_diag diag;
    dns_name_from_text(&apex, KEEL_STR("z"), NULL);
    struct dns_compiler *compiler = dns_compiler_new(&apex, (struct keel_hash_key){1, 2});
    struct dns_scan_io io = {no_files, dns_compiler_add, compiler};
    if (dns_scan_text(keel_str(zone_text), "z", &apex, &io, &diag) != 0 ||
        dns_compiler_finish(compiler, &image, &diag) != 0)
        abort();
    dns_compiler_free(compiler);
    return image;
}

static void no_release(struct dns_version *version)
{
}

static size_t ask(const struct dns_view *view, const char *text, uint16_t type, uint8_t *reply)
{
    struct dns_version version = {.view = *view, .refs = 1, .release = no_release};
    struct dns_zones zones;
    struct dns_answer_context context = {.zones = &zones, .udp_size = DNS_UDP_SIZE};
    struct keel_addr peer;
    struct keel_writer w;
    struct dns_name name;
    uint8_t query[512];
    dns_zones_init(&zones, (struct keel_hash_key){1, 2});
    if (dns_zones_add(&zones, &apex, NULL, "z") != 0)
        abort();
    dns_zone_set_version(zones.items[0], &version);
    keel_addr_set4(&peer, 0x7F000001, 53);
    dns_name_from_text(&name, keel_str(text), NULL);
    keel_writer_init(&w, query, sizeof query);
    keel_write_bytes(&w, "\0\1\0\0\0\1\0\0\0\0\0\0", 12);
    keel_write_bytes(&w, name.bytes, name.size);
    keel_write_u32(&w, (uint32_t)type << 16 | DNS_CLASS_IN);
    size_t n =
        dns_query_process(&context, query, keel_writer_offset(&w), &peer, true, reply, UINT16_MAX);
    dns_zones_fini(&zones);
    return n;
}

/* Sets may stand in another order: codes, counts and size are the same all the same. */
static void compare(const struct dns_view *served, const struct dns_view *fresh)
{
    static const char *const names[] = {"z",     "ns.z",     "x.z",     "a.b.z", "c.d.z",
                                        "y.d.z", "ns.sub.z", "q.sub.z", "b.z",   "_s._tcp.z",
                                        "x.b.z", "mail.z",   "d.z",     "sub.z", "*.z"};
    static const uint16_t types[] = {DNS_TYPE_A,   DNS_TYPE_NS,  DNS_TYPE_MX,
                                     DNS_TYPE_SRV, DNS_TYPE_ANY, DNS_TYPE_DS};
    static uint8_t a[UINT16_MAX], b[UINT16_MAX];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        for (size_t k = 0; k < sizeof types / sizeof types[0]; k++) {
            size_t n = ask(served, names[i], types[k], a), m = ask(fresh, names[i], types[k], b);
            if (n != m || memcmp(a, b, DNS_HEADER_SIZE) != 0)
                abort();
        }
}

static void look(const struct dns_edit *edit, const struct dns_image *base)
{
    static uint8_t *space;
    struct keel_diag diag = {""};
    struct dns_image *delta = NULL, *image = NULL;
    uint32_t origin = (base->size + PAGE - 1) / PAGE * PAGE;
    if (!space)
        space = aligned_alloc(PAGE, SPACE);
    if (dns_edit_image(edit, (struct keel_hash_key){3, 4}, &image, &diag) != 0)
        abort(); /* what was committed is a zone */
    int err = dns_edit_delta(edit, origin, SPACE - origin, &delta, &diag);
    if (err != 0 && err != KEEL_ENOSPC)
        abort();
    if (delta) {
        memcpy(space, base, base->size);
        memcpy(space + origin, delta, delta->size);
        const struct dns_view served = {(void *)space, (void *)(space + origin)},
                              fresh = {image, NULL};
        if (delta->records != image->records || delta->serial != image->serial)
            abort();
        compare(&served, &fresh);
    }
    keel_free(delta);
    keel_free(image);
}

/* The same step once more, in another edit, as the journal would bring it. False: it is no zone. */
static bool replay(struct dns_edit *copy, const struct dns_edit *edit)
{
    struct dns_diff diff, again;
    struct keel_diag diag;
    struct keel_buf bytes = {0};
    dns_diff_init(&diff);
    if (dns_edit_difference(edit, &diff) != 0 || dns_diff_encode(&diff, &bytes) != 0 ||
        dns_diff_decode(&again, keel_buf_bytes(&bytes), keel_buf_size(&bytes)) != 0)
        abort();
    dns_edit_begin(copy);
    if (dns_edit_apply(copy, &again, &diag) != 0)
        abort();
    int err = dns_edit_commit(copy, &diag);
    if (err)
        dns_edit_rollback(copy);
    else if (dns_edit_serial(copy) != dns_edit_serial(edit))
        abort();
    dns_diff_fini(&diff);
    dns_diff_fini(&again);
    keel_buf_fini(&bytes);
    return err == 0;
}

static void update(struct dns_edit *edit, struct dns_edit *copy, const struct dns_image *base,
                   const uint8_t *bytes, size_t size)
{
    struct dns_message message;
    struct keel_diag diag = {""};
    bool changed = false;
    if (dns_message_parse_query(&message, bytes, size) != 0 ||
        dns_message_opcode(&message) != DNS_OPCODE_UPDATE)
        return;
    if (dns_update_process(edit, &apex, bytes, size, &changed, &diag) != DNS_NOERROR || !changed)
        return;
    if (dns_edit_serial(edit) == dns_edit_serial(copy))
        abort(); /* a change without a new serial number */
    bool fits = replay(copy, edit);
    if ((dns_edit_commit(edit, &diag) == 0) != fits)
        abort();
    if (!fits)
        dns_edit_rollback(edit);
    look(edit, base);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct dns_image *base;
    if (!base)
        base = compile();
    struct dns_edit *edit = dns_edit_new(base), *copy = dns_edit_new(base);
    for (unsigned i = 0; i < STEPS_MAX && size >= 2; i++) {
        size_t n = keel_get_u16(bytes);
        if (n > size - 2)
            n = size - 2;
        update(edit, copy, base, bytes + 2, n);
        bytes += 2 + n;
        size -= 2 + n;
    }
    dns_edit_free(edit);
    dns_edit_free(copy);
    return 0;
}
