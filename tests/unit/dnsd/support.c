#include "support.h"

#include "common/base/mem.h"
#include "dnsd/wire/type.h"

#include <ldns/ldns.h>
#include <stdio.h>
#include <stdlib.h>

const struct keel_addr support_peer = {
    .in4 = {.sin_family = AF_INET, .sin_port = 0x3500, .sin_addr = {0x010200C0}}};

struct dns_name support_name(const char *text)
{
    struct dns_name name;
    ck_assert_msg(dns_name_from_text(&name, keel_str(text), NULL) == 0, "name %s", text);
    return name;
}

int support_no_files(void *arg, const char *path, const char *from, char **text, size_t *size,
                     char **opened, struct keel_diag *diag)
{
    return keel_diag_set(diag, KEEL_ENOENT, "cannot open \"%s\": No such file or directory", path);
}

int support_compile(const char *origin, const char *text, struct dns_image **image,
                    struct keel_diag *diag)
{
    struct dns_name apex;
    ck_assert_int_eq(dns_name_from_text(&apex, keel_str(origin), NULL), 0);
    struct dns_compiler *compiler = dns_compiler_new(&apex, (struct keel_hash_key){1, 2});
    if (!compiler)
        return keel_diag_set(diag, KEEL_ENOMEM, "no memory");
    struct dns_scan_io io = {support_no_files, dns_compiler_add, compiler};
    int err = dns_scan_text(keel_str(text), "zone", &apex, &io, diag);
    if (err == 0)
        err = dns_compiler_finish(compiler, image, diag);
    dns_compiler_free(compiler);
    return err;
}

struct dns_image *support_image(const char *origin, const char *text)
{
    struct dns_image *image = NULL;
    struct keel_diag diag = {""};
    int err = support_compile(origin, text, &image, &diag);
    ck_assert_msg(err == 0, "%s", diag.text);
    return image;
}

void support_zones_init(struct dns_zones *zones)
{
    dns_zones_init(zones, (struct keel_hash_key){3, 4});
}

void support_serve(struct dns_zones *zones, const char *origin, const char *text)
{
    struct dns_name apex = support_name(origin);
    ck_assert_int_eq(dns_zones_add(zones, &apex, support_image(origin, text), "zone"), 0);
}

char *support_data(const char *name)
{
    const char *top = getenv("KEEL_SRCDIR");
    char path[4096];
    snprintf(path, sizeof path, "%s/tests/unit/dnsd/data/%s", top ? top : ".", name);
    FILE *f = fopen(path, "rb");
    ck_assert_msg(f != NULL, "cannot open %s", path);
    char *text = calloc(1, 1 << 20);
    ck_assert_uint_lt(fread(text, 1, (1 << 20) - 1, f), (1 << 20) - 1);
    fclose(f);
    return text;
}

size_t support_query(uint8_t *out, size_t room, const char *name, uint16_t type, uint16_t edns)
{
    struct dns_name qname = support_name(name);
    struct keel_writer w;
    keel_writer_init(&w, out, room);
    keel_write_u16(&w, 0x1234);
    keel_write_u16(&w, DNS_FLAG_RD);
    keel_write_u16(&w, 1);
    keel_write_u32(&w, 0);
    keel_write_u16(&w, edns ? 1 : 0);
    keel_write_bytes(&w, qname.bytes, qname.size);
    keel_write_u16(&w, type);
    keel_write_u16(&w, DNS_CLASS_IN);
    if (edns)
        dns_edns_build(&w, &(struct dns_edns){.udp_size = edns});
    ck_assert(!w.bad);
    return keel_writer_offset(&w);
}

void support_expect(const struct dns_edit *e, const char *text)
{
    struct keel_diag diag = {""};
    struct dns_image *made, *wanted = support_image("z", text);
    struct dns_diff diff;
    dns_diff_init(&diff);
    ck_assert_msg(dns_edit_image(e, (struct keel_hash_key){7, 8}, &made, &diag) == 0, "%s",
                  diag.text);
    int err = dns_view_difference(&(struct dns_view){made, NULL}, &(struct dns_view){wanted, NULL},
                                  &diff);
    ck_assert_msg(err == KEEL_EEXIST, "error %d, %u records too many, %u missing", err,
                  diff.deleted_count, diff.added_count);
    dns_diff_fini(&diff);
    keel_free(made);
    keel_free(wanted);
}

static void show_section(char *out, size_t room, const char *title, const ldns_rr_list *list)
{
    for (size_t i = 0; i < ldns_rr_list_rr_count(list); i++) {
        char *text = ldns_rr2str(ldns_rr_list_rr(list, i));
        for (char *p = text; *p; p++)
            if (*p == '\t')
                *p = ' ';
        size_t used = strlen(out);
        snprintf(out + used, room - used, "%s %s", title, text);
        free(text);
    }
}

void support_show(char *out, size_t room, const uint8_t *reply, size_t size)
{
    ldns_pkt *pkt = NULL;
    if (size == 0) {
        snprintf(out, room, "silence\n");
        return;
    }
    ldns_status status = ldns_wire2pkt(&pkt, reply, size);
    ck_assert_msg(status == LDNS_STATUS_OK, "ldns: %s", ldns_get_errorstr_by_id(status));
    char *rcode = ldns_pkt_rcode2str(ldns_pkt_get_rcode(pkt));
    snprintf(out, room, "%s%s%s%s%s\n", rcode, ldns_pkt_qr(pkt) ? " qr" : "",
             ldns_pkt_aa(pkt) ? " aa" : "", ldns_pkt_tc(pkt) ? " tc" : "",
             ldns_pkt_ra(pkt) ? " ra" : "");
    free(rcode);
    show_section(out, room, "answer", ldns_pkt_answer(pkt));
    show_section(out, room, "authority", ldns_pkt_authority(pkt));
    show_section(out, room, "additional", ldns_pkt_additional(pkt));
    ldns_pkt_free(pkt);
}
