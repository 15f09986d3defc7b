#include "common/service/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct keel_manifest m;
    if (keel_manifest_parse(bytes, size, &m, NULL) == 0) {
        for (unsigned i = 0; i < m.fd_count; i++)
            KEEL_ASSERT(m.fds[i].endpoint < m.endpoints.count, "an endpoint that is not there");
        keel_manifest_fini(&m);
    }
    return 0;
}
