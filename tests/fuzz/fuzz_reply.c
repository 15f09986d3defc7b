/*
 * A daemon's reply as keelctl shows it: any JSON is shown, and no byte of it steers a terminal.
 */
#include "common/keelctl/print.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct keel_buf out;
    json_t *v = json_loadb((const char *)bytes, size, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    if (!v)
        return 0;
    keel_buf_init(&out, 1 << 24);
    keelctl_print(v, size & 1, &out);
    for (size_t i = 0; i < keel_buf_size(&out); i++) {
        uint8_t c = keel_buf_bytes(&out)[i];
        if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f)
            abort();
    }
    keel_buf_fini(&out);
    json_decref(v);
    return 0;
}
