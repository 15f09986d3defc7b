/*
 * Values of options as a configuration may have them: the first octet chooses the type, the second
 * the room and whether it is a list; a line each is a value, for a record the first line is its
 * fields. What is written lies within the room, and the same again writes the same. The bytes are
 * relay agent information too.
 */
#include "dhcpd/wire/relay.h"

#define VALUES_MAX 16
#define ROOM_MAX 1024

static void encode(const struct dhcp_option_def *def, const struct keel_str *values, unsigned count,
                   size_t room)
{
    uint8_t first[ROOM_MAX + 1], second[ROOM_MAX];
    struct keel_diag diag = {""};
    unsigned wrong = 0;
    first[room] = 0xa5;
    int n = dhcp_option_encode(def, values, count, first, room, &wrong, &diag);
    KEEL_ASSERT(n <= (int)room && first[room] == 0xa5, "it stays in its room");
    if (n < 0) {
        KEEL_ASSERT(diag.text[0], "an error is told");
        KEEL_ASSERT(wrong < count || count == 0, "at one of the values");
        return;
    }
    int again = dhcp_option_encode(def, values, count, second, room, &wrong, &diag);
    KEEL_ASSERT(again == n && (n == 0 || memcmp(first, second, (size_t)n) == 0), "twice the same");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct dhcp_relay relay;
    dhcp_relay_parse(&relay, (struct dhcp_bytes){bytes, (uint16_t)(size < 255 ? size : 255)});
    if (size < 2)
        return 0;
    struct dhcp_option_def def = {.name = "fuzz",
                                  .code = 224,
                                  .type = (uint8_t)(bytes[0] % DHCP_TYPES_COUNT),
                                  .list = bytes[1] & 1};
    size_t room = bytes[1] & 2 ? (size_t)(bytes[1] >> 2) : ROOM_MAX;
    struct keel_str rest = {(const char *)bytes + 2, size - 2}, values[VALUES_MAX], line;
    struct keel_diag diag = {""};
    unsigned count = 0;
    if (def.type == DHCP_TYPE_RECORD &&
        (!keel_str_split(&rest, '\n', &line) || dhcp_option_fields_parse(line, &def, &diag) != 0))
        return 0;
    while (count < VALUES_MAX && keel_str_split(&rest, '\n', &values[count]))
        count++;
    encode(&def, values, count, room);
    return 0;
}
