#include "common/service/control_server.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct keel_control_request request;
    struct keel_diag diag;
    if (keel_control_parse(bytes, size, &request, &diag) == 0) {
        size_t i;
        json_t *item;
        json_array_foreach(request.args, i, item)
            KEEL_ASSERT(json_string_value(item) != NULL, "an argument that is no string");
        keel_control_request_fini(&request);
    }
    return 0;
}
