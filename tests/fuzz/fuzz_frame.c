/*
 * Ethernet, IPv4 and UDP: whatever is parsed lies inside of the frame and, built again, is the
 * same. The first byte says whether the IPv4 checksum is mended (a fuzzer does not guess one) and
 * whether the UDP checksum is looked at.
 */
#include "common/base/wire.h"
#include "common/runtime/packet.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void mend_checksum(uint8_t *ip, size_t size)
{
    size_t header = (ip[0] & 0x0fu) * 4u;
    uint32_t sum = 0;
    if (header < 20 || header > size)
        return;
    keel_put_u16(ip + 10, 0);
    for (size_t i = 0; i < header; i += 2)
        sum += keel_get_u16(ip + i);
    sum = (sum & 0xffff) + (sum >> 16);
    keel_put_u16(ip + 10, (uint16_t) ~((sum & 0xffff) + (sum >> 16)));
}

static void check(const uint8_t *bytes, size_t size, bool unverified)
{
    static uint8_t again[KEEL_UDP_FRAME_OVERHEAD + 65507];
    struct keel_udp_frame frame, back;
    if (keel_udp_frame_parse(&frame, bytes, size, unverified) != 0)
        return;
    if (frame.payload < bytes || frame.payload + frame.size > bytes + size)
        abort();
    if (frame.ttl == 0) /* which building takes for "the usual" */
        return;
    int n = keel_udp_frame_build(&frame, again, sizeof again);
    if (n < 0 || keel_udp_frame_parse(&back, again, (size_t)n, false) != 0)
        abort();
    if (memcmp(frame.destination, back.destination, KEEL_MAC_SIZE) != 0 ||
        memcmp(frame.source, back.source, KEEL_MAC_SIZE) != 0 ||
        !keel_addr_equal(&frame.from, &back.from) || !keel_addr_equal(&frame.to, &back.to) ||
        frame.ttl != back.ttl || frame.size != back.size ||
        memcmp(frame.payload, back.payload, frame.size) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size < 1)
        return 0;
    uint8_t flags = bytes[0], *frame = malloc(size); /* exactly sized but for the first byte */
    if (!frame)
        return 0;
    memcpy(frame + 1, bytes + 1, size - 1);
    if (flags & 1 && size - 1 >= 34)
        mend_checksum(frame + 15, size - 15);
    check(frame + 1, size - 1, flags & 2);
    free(frame);
    return 0;
}
