/*
 * What there is to tell about the certificates of a context.
 */
#include "common/runtime/tls_private.h"

#include <openssl/err.h>
#include <stdio.h>
#include <string.h>

struct name_list {
    char *out;
    size_t size, used;
};

/* A name that could be taken for two is left out. */
static int add_name(void *arg, const char *text, size_t size)
{
    struct name_list *list = arg;
    if (memchr(text, ',', size) || memchr(text, '\0', size))
        return 0;
    if (list->used + size + 2 > list->size)
        return 1;
    if (list->used > 0)
        list->out[list->used++] = ',';
    memcpy(list->out + list->used, text, size);
    list->used += size;
    list->out[list->used] = '\0';
    return 0;
}

static void put_name(const X509_NAME *name, char *out, size_t size)
{
    size_t n = keel_tls_subject(name, out, size - 1);
    out[n] = '\0';
}

static void put_hex(const uint8_t *bytes, size_t n, char *out)
{
    for (size_t i = 0; i < n; i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

static void put_serial(const X509 *x, char *out, size_t size)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(x);
    size_t n = (size_t)ASN1_STRING_length(serial);
    if (2 * n < size)
        put_hex(ASN1_STRING_get0_data(serial), n, out);
}

static void put_key(X509 *x, char *out, size_t size)
{
    EVP_PKEY *key = X509_get0_pubkey(x);
    const char *kind = key ? EVP_PKEY_get0_type_name(key) : NULL;
    snprintf(out, size, "%s %d", kind ? kind : "-", key ? EVP_PKEY_get_bits(key) : 0);
}

bool keel_tls_context_certificate(const struct keel_tls_context *context, unsigned i,
                                  struct keel_tls_certificate_info *out)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    if (i >= context->item_count)
        return false;
    const struct keel_tls_item *item = &context->items[i];
    *out = (struct keel_tls_certificate_info){.file = item->file,
                                              .name = item->name,
                                              .not_before =
                                                  keel_tls_seconds(X509_get0_notBefore(item->x)),
                                              .not_after = item->not_after,
                                              .ocsp = item->response_file,
                                              .ocsp_fault = item->fault,
                                              .ocsp_until = item->next_update};
    struct name_list list = {out->names, sizeof out->names, 0};
    keel_tls_names_each(item->x, add_name, &list);
    put_name(X509_get_subject_name(item->x), out->subject, sizeof out->subject);
    put_name(X509_get_issuer_name(item->x), out->issuer, sizeof out->issuer);
    put_serial(item->x, out->serial, sizeof out->serial);
    put_key(item->x, out->key, sizeof out->key);
    if (X509_digest(item->x, EVP_sha256(), digest, &n) == 1 && 2 * n < sizeof out->sha256)
        put_hex(digest, n, out->sha256);
    ERR_clear_error();
    return true;
}
