/*
 * Expressions and the messages that they look at: text up to a line end, then a message. What
 * compiles must run, on any message, and the column of an error lies within the text.
 */
#include "dhcpd/engine/expression.h"

#include <stdio.h>

static int option_code(void *arg, struct keel_str name)
{
    const struct dhcp_option_def *def = dhcp_option_by_name(name);
    return def ? def->code : -1;
}
static int class_index(void *arg, struct keel_str name)
{
    return name.n ? (unsigned char)name.p[0] : -1;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct dhcp_message message;
    const struct dhcp_names names = {option_code, class_index, NULL};
    const uint8_t *end = size ? memchr(bytes, '\n', size) : NULL;
    struct keel_str text = {(const char *)bytes, end ? (size_t)(end - bytes) : size};
    struct keel_arena arena;
    struct keel_diag diag = {""};
    struct dhcp_expression e;
    keel_arena_init(&arena, 0);
    int err = dhcp_expression_parse(&e, text, &names, &arena, &diag);
    if (err == KEEL_EINVAL) {
        unsigned column = 0;
        KEEL_ASSERT(sscanf(diag.text, "column %u: ", &column) == 1, "an error says where");
        KEEL_ASSERT(column >= 1 && column <= text.n + 1, "the column is in the text");
    }
    const uint8_t *rest = end ? end + 1 : bytes + size;
    memset(&message, 0, sizeof message);
    int parsed = dhcp_message_parse(&message, rest, (size_t)(bytes + size - rest));
    if (parsed)
        memset(&message, 0, sizeof message);
    struct dhcp_facts facts = {.message = &message,
                               .relay = dhcp_message_option(&message, DHCP_OPTION_RELAY_INFO),
                               .interface = "lan0"};
    if (!err)
        dhcp_expression_holds(&e, &facts);
    keel_arena_fini(&arena);
    return 0;
}
