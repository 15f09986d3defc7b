/*
 * TSIG over any bytes: as they came, and with a record of our own behind them, which must be taken
 * whatever the message is. Replies are signed and must verify.
 */
#include "dnsd/wire/tsig.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define NOW 1795217937 /* when the seeds were signed */

static void must(bool good)
{
    if (!good)
        abort();
}

static const struct dns_tsig_keys *keys(void)
{
    static struct dns_tsig_keys all;
    if (all.by_name.count == 0) {
        uint8_t secret[32];
        struct dns_name name;
        for (unsigned i = 0; i < sizeof secret; i++)
            secret[i] = (uint8_t)(i + 1);
        dns_tsig_keys_init(&all, (struct keel_hash_key){1, 2});
        must(dns_name_from_text(&name, KEEL_STR("key.example."), NULL) == 0);
        must(dns_tsig_keys_add(&all, &name, DNS_HMAC_SHA256, secret, sizeof secret, 16) == 0);
    }
    return &all;
}

/* Whatever was said of a request, the reply to it can be signed, and its client can tell. */
static void reply(struct dns_tsig_session *server, struct dns_tsig_session *client,
                  const uint8_t *request)
{
    uint8_t *message = malloc(DNS_HEADER_SIZE + server->room);
    struct keel_writer w;
    unsigned error = 0;

    memcpy(message, request, 2);
    memset(message + 2, 0, DNS_HEADER_SIZE - 2);
    message[2] = 0x80;
    keel_writer_init(&w, message, DNS_HEADER_SIZE + server->room);
    keel_write_skip(&w, DNS_HEADER_SIZE);
    must(dns_tsig_sign(server, &w, NOW) == 0);
    must(keel_writer_left(&w) == 0);
    if (client) {
        int err = dns_tsig_verify(client, message, keel_writer_offset(&w), NOW, &error);
        must(err == (server->error ? KEEL_EACCES : 0) && error == server->error);
    }
    free(message);
}

static void as_it_came(const uint8_t *bytes, size_t size)
{
    struct dns_tsig_session session;
    size_t at;
    if (dns_tsig_find(bytes, size, &at) != 0 || at == 0)
        return;
    enum dns_rcode rcode = dns_tsig_accept(&session, keys(), bytes, size, at, NOW);
    must(rcode == DNS_FORMERR ? !session.signs : session.signs);
    must((rcode == DNS_NOTAUTH) == (session.error != 0));
    if (session.signs)
        reply(&session, NULL, bytes);
}

static void signed_by_us(const uint8_t *bytes, size_t size)
{
    struct dns_tsig_session client, server;
    struct dns_name name;
    struct keel_writer w;
    size_t at;

    if (dns_tsig_find(bytes, size, &at) != 0 || at != 0 || size > 60000 ||
        keel_get_u16(bytes + 10) == UINT16_MAX)
        return;
    must(dns_name_from_text(&name, KEEL_STR("key.example."), NULL) == 0);
    dns_tsig_open(&client, dns_tsig_keys_find(keys(), &name));
    uint8_t *message = malloc(size + client.room);
    keel_writer_init(&w, message, size + client.room);
    keel_write_bytes(&w, bytes, size);
    must(dns_tsig_sign(&client, &w, NOW) == 0);
    must(dns_tsig_find(message, size + client.room, &at) == 0 && at == size);
    must(dns_tsig_accept(&server, keys(), message, size + client.room, at, NOW) == DNS_NOERROR);
    reply(&server, &client, message);
    reply(&server, &client, message); /* and as the second of a stream */
    free(message);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    as_it_came(bytes, size);
    signed_by_us(bytes, size);
    return 0;
}
