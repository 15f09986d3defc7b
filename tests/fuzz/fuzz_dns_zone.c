/*
 * The zone scanner and the compiler over any text; a zone that passes is walked through.
 */
#include "common/base/mem.h"
#include "dnsd/wire/rdata.h"
#include "dnsd/zone/compile.h"
#include "dnsd/zone/image_check.h"

#include <stdlib.h>

#define RECORDS_MAX 2000 /* a $GENERATE makes many of little text */

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
const char *__lsan_default_suppressions(void);

/* ldns 1.8.3 forgets pieces of malformed records (IPSECKEY, CERT, RRSIG). Whether we free what it
 * gives us is seen by the unit tests, which suppress nothing. */
const char *__lsan_default_suppressions(void)
{
    return "leak:libldns\n";
}

struct run {
    struct dns_compiler *compiler;
    unsigned records;
};

static int no_files(void *arg, const char *path, const char *from, char **text, size_t *size,
                    char **opened, struct keel_diag *diag)
{
    return keel_diag_set(diag, KEEL_ENOENT, "no files here");
}

static int record(void *arg, const struct dns_scanned *scanned, struct keel_diag *diag)
{
    struct run *run = arg;
    if (dns_rdata_check(scanned->type, scanned->rdata, scanned->rdata_size) != 0)
        abort();
    if (++run->records > RECORDS_MAX)
        return keel_diag_set(diag, KEEL_ELIMIT, "enough");
    int err = dns_compiler_add(run->compiler, scanned, diag);
    return err == KEEL_EINVAL ? 0 : err; /* go on: more of the scanner is seen */
}

/* The list of what is odd is looked through too. */
static void warn(void *arg, const char *text)
{
    if (text[0] == '\0')
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct dns_name apex;
    struct dns_image *image;
    struct keel_diag diag = {""};
    dns_name_from_text(&apex, KEEL_STR("z"), NULL);
    struct run run = {dns_compiler_new(&apex, (struct keel_hash_key){1, 2}), 0};
    struct dns_scan_io io = {no_files, record, &run};
    dns_compiler_on_warning(run.compiler, warn, NULL);
    int err = dns_scan_text((struct keel_str){(const char *)bytes, size}, "z", &apex, &io, &diag);
    if (err && diag.text[0] == '\0')
        abort(); /* every failure has its sentence */
    if (err == 0 && dns_compiler_finish(run.compiler, &image, &diag) == 0) {
        for (uint32_t i = 0; i < image->node_count; i++) {
            const struct dns_node *node = dns_image_node(image, i);
            const uint8_t *name = dns_node_name(image, node);
            uint64_t hash = dns_image_hash(image, name, node->name_size);
            if (dns_image_find(image, hash, name, node->name_size) != node)
                abort();
        }
        /* what was made passes the check of what comes from a disk */
        if (dns_image_check(image, image->size, &diag) != 0)
            abort();
        keel_free(image);
    }
    dns_compiler_free(run.compiler);
    return 0;
}
