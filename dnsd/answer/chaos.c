#include "dnsd/answer/chaos.h"

#include "dnsd/wire/type.h"

struct keel_str dns_chaos_text(const struct dns_message *m,
                               const struct dns_answer_context *context)
{
    static const struct {
        uint8_t size;
        bool version;
        const char *name;
    } rows[] = {
        {14, true, "\7version\4bind"},
        {16, true, "\7version\6server"},
        {11, false, "\2id\6server"},
        {15, false, "\10hostname\4bind"},
    };
    if (m->qtype == DNS_TYPE_TXT || m->qtype == DNS_TYPE_ANY)
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
            if (m->qname.size == rows[i].size &&
                memcmp(m->qname.bytes, rows[i].name, rows[i].size) == 0)
                return rows[i].version ? context->version : context->identity;
    return (struct keel_str){"", 0};
}

bool dns_chaos_write(struct dns_reply *reply, struct keel_str text)
{
    struct keel_writer before = reply->out;
    keel_write_u16(&reply->out, 0xC000 | DNS_HEADER_SIZE);
    keel_write_u16(&reply->out, DNS_TYPE_TXT);
    keel_write_u16(&reply->out, DNS_CLASS_CH);
    keel_write_u32(&reply->out, 0);
    keel_write_u16(&reply->out, (uint16_t)(1 + text.n));
    keel_write_u8(&reply->out, (uint8_t)text.n);
    keel_write_bytes(&reply->out, text.p, text.n);
    if (reply->out.bad) {
        reply->out = before;
        return false;
    }
    reply->counts[DNS_ANSWER]++;
    return true;
}
