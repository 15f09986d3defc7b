/*
 * DHCP messages as the network may send them: the parser, and the whole engine with a store in
 * memory. An input is a short conversation, each message behind four octets: how it came, how much
 * time had passed, its length. Whatever the engine answers must parse, and a promise must be in
 * the store.
 */
#include "common/base/err.h"
#include "tests/support/dhcp_lab.h"

#define CONVERSATION_MAX 16

static void play(struct lab *lab, unsigned how, unsigned pause, const uint8_t *bytes, size_t size)
{
    struct dhcp_input input = {
        .bytes = bytes,
        .size = size,
        .peer = how & 2 ? IP(192, 0, 2, 100) : 0,
        .peer_port = 68,
        .local = how & 4 ? 0 : LAB_SERVER,
        .local_port = how & 8 ? 6767 : 67,
        .interface = how & 1 ? "" : "lan0",
    };
    if (how & 16)
        lab->config.authoritative = !lab->config.authoritative;
    if (how & 32)
        KEEL_ASSERT(lab_restart(lab) == 0, "the engine can be built again");
    lab_wait(lab, pause * 10);
    struct dhcp_decision *d = &lab->decision;
    dhcp_engine_process(lab->engine, &input, lab->reply, sizeof lab->reply, d);
    KEEL_ASSERT((d->outcome == DHCP_REPLIED) == (d->sent != DHCP_NONE), "outcome and reply agree");
    if (d->sent) {
        KEEL_ASSERT(dhcp_message_parse(&lab->answer, lab->reply, d->size) == 0, "replies parse");
        KEEL_ASSERT(lab->answer.type == d->sent, "the reply is what the decision says");
    }
    if (d->sent == DHCP_ACK && lab->answer.yiaddr)
        KEEL_ASSERT(lab_state(lab, lab->answer.yiaddr) == DHCP_LEASE_ACTIVE, "a promise is stored");
    for (unsigned i = 0; i < d->changes; i++)
        dhcp_engine_resync(lab->engine, d->changed[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct lab lab;
    lab_init(&lab);
    for (unsigned i = 0; size >= 4 && i < CONVERSATION_MAX; i++) {
        unsigned how = bytes[0], pause = bytes[1];
        size_t length = (size_t)bytes[2] << 8 | bytes[3];
        bytes += 4;
        size -= 4;
        if (length > size)
            length = size;
        play(&lab, how, pause, bytes, length);
        bytes += length;
        size -= length;
    }
    lab_fini(&lab);
    return 0;
}
