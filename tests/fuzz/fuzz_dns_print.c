/*
 * Any rdata that is well formed for its type: what is printed is read back as the same bytes.
 *
 *     type 2 | rdata
 */
#include "dnsd/wire/rdata.h"
#include "dnsd/wire/type.h"
#include "dnsd/zone/rdata_print.h"
#include "dnsd/zone/rdata_text.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
const char *__lsan_default_suppressions(void);

/* ldns 1.8.3 forgets pieces of malformed records. */
const char *__lsan_default_suppressions(void)
{
    return "leak:libldns\n";
}

static void try(uint16_t type, const uint8_t *rdata, size_t size, const struct dns_name *origin,
                const struct dns_name *base)
{
    static uint8_t again[UINT16_MAX];
    struct keel_buf text = {0};
    struct dns_lexer lexer;
    struct dns_token token;
    struct keel_diag diag;
    keel_buf_puts(&text, "x ");
    if (dns_rdata_print(&text, type, rdata, size, origin) != 0)
        abort();
    struct keel_str line = {keel_buf_text(&text), keel_buf_size(&text)};
    dns_lexer_init(&lexer, line, 1);
    if (dns_lexer_entry(&lexer) != 1 || dns_lexer_next(&lexer, &token) != 1 ||
        dns_rdata_from_text(type, &lexer, base, again, sizeof again, &diag) != (int)size ||
        memcmp(again, rdata, size) != 0)
        abort();
    keel_buf_fini(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct dns_name origin, root;
    if (size < 2)
        return 0;
    uint16_t type = keel_get_u16(bytes);
    if (dns_type_is_meta(type) || dns_rdata_check(type, bytes + 2, size - 2) != 0)
        return 0;
    dns_name_set_root(&root);
    dns_name_from_text(&origin, KEEL_STR("z"), NULL);
    try(type, bytes + 2, size - 2, NULL, &root);
    try(type, bytes + 2, size - 2, &origin, &origin);
    return 0;
}
