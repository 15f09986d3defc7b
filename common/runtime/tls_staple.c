/*
 * Stapled OCSP responses (RFC 6066, 8; RFC 6960): checked when they are read, sent while they hold.
 */
#include "common/runtime/tls_private.h"

#include "common/base/mem.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <string.h>
#include <time.h>

/* Clocks differ by that much, in seconds. */
#define SKEW 300

int64_t keel_tls_seconds(const ASN1_TIME *time)
{
    struct tm tm;
    if (!time || ASN1_TIME_to_tm(time, &tm) != 1)
        return INT64_MAX;
    return (int64_t)timegm(&tm);
}

/* Reads the file into item->response. 0, KEEL_ETLS or KEEL_ENOMEM with diag. */
static int read_file(struct keel_tls_item *item, const char *file, const char *where,
                     struct keel_diag *diag)
{
    BIO *bio = BIO_new_file(where, "rb");
    if (!bio)
        return keel_tls_fail(diag, file, "cannot open the OCSP response");
    item->response = keel_malloc(KEEL_TLS_RESPONSE_MAX + 1);
    int n = item->response ? BIO_read(bio, item->response, KEEL_TLS_RESPONSE_MAX + 1) : -1;
    BIO_free(bio);
    if (!item->response)
        return keel_diag_memory(diag);
    if (n <= 0 || n > KEEL_TLS_RESPONSE_MAX)
        return keel_diag_set(diag, KEEL_ETLS, "%s: no OCSP response: the file is %s", file,
                             n <= 0 ? "empty" : "larger than 64 KiB");
    item->response_size = (size_t)n;
    uint8_t *shrunk = keel_realloc(item->response, item->response_size);
    item->response = shrunk ? shrunk : item->response;
    return 0;
}

/* The issuer of x: x itself, or one of the chain; NULL: it is not there. */
static X509 *find_issuer(X509 *x, STACK_OF(X509) * chain)
{
    for (int i = 0; i < sk_X509_num(chain); i++) {
        X509 *candidate = sk_X509_value(chain, i);
        if (X509_check_issued(candidate, x) == X509_V_OK)
            return candidate;
    }
    return X509_check_issued(x, x) == X509_V_OK ? x : NULL;
}

/* The part of the response that is about x; NULL: none. */
static OCSP_SINGLERESP *find_single(OCSP_BASICRESP *basic, X509 *x, X509 *issuer)
{
    for (int i = 0; i < OCSP_resp_count(basic); i++) {
        OCSP_SINGLERESP *single = OCSP_resp_get0(basic, i);
        OCSP_CERTID *id = (OCSP_CERTID *)(uintptr_t)OCSP_SINGLERESP_get0_id(single);
        ASN1_OBJECT *algorithm = NULL;
        OCSP_id_get0_info(NULL, &algorithm, NULL, NULL, id);
        const EVP_MD *digest = algorithm ? EVP_get_digestbyobj(algorithm) : NULL;
        OCSP_CERTID *ours = digest ? OCSP_cert_to_id(digest, x, issuer) : NULL;
        bool same = ours && OCSP_id_cmp(ours, id) == 0;
        OCSP_CERTID_free(ours);
        if (same)
            return single;
    }
    return NULL;
}

/* Signed by the issuer, or by whom it charged with that (RFC 6960, 4.2.2.2). */
static bool is_signed(OCSP_BASICRESP *basic, X509 *issuer)
{
    X509_STORE *store = X509_STORE_new();
    STACK_OF(X509) *certificates = sk_X509_new_null();
    bool good = store && certificates && sk_X509_push(certificates, issuer) > 0 &&
                X509_STORE_add_cert(store, issuer) == 1 &&
                X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_NO_CHECK_TIME);
    good = good && OCSP_basic_verify(basic, certificates, store, 0) == 1;
    sk_X509_free(certificates);
    X509_STORE_free(store);
    return good;
}

/* Not stapled for that reason. 0 or KEEL_ENOMEM. */
static int reject(struct keel_tls_item *item, const char *why)
{
    keel_free(item->response);
    item->response = NULL;
    item->fault = keel_strdup(why);
    return item->fault ? 0 : KEEL_ENOMEM;
}

/* What it says about the certificate, and when. */
static int judge(struct keel_tls_item *item, OCSP_SINGLERESP *single)
{
    ASN1_GENERALIZEDTIME *this_update = NULL, *next_update = NULL;
    int reason, status = OCSP_single_get0_status(single, &reason, NULL, &this_update, &next_update);
    int64_t now = (int64_t)time(NULL);
    item->this_update = this_update ? keel_tls_seconds(this_update) : 0;
    item->next_update = keel_tls_seconds(next_update);
    if (status == V_OCSP_CERTSTATUS_REVOKED)
        return reject(item, "it says that the certificate is revoked");
    if (status != V_OCSP_CERTSTATUS_GOOD)
        return reject(item, "it says that the certificate is unknown");
    if (item->next_update < now)
        return reject(item, "it is out of date");
    if (item->this_update > now + SKEW)
        return reject(item, "its time has not come yet");
    return 0;
}

static int check(struct keel_tls_item *item, OCSP_BASICRESP *basic, STACK_OF(X509) * chain,
                 struct keel_diag *diag)
{
    const char *file = item->response_file;
    X509 *issuer = find_issuer(item->x, chain);
    if (!issuer)
        return keel_diag_set(
            diag, KEEL_ETLS,
            "%s: cannot be checked: the issuer's certificate does not stand behind "
            "the certificate in %s",
            file, item->file);
    OCSP_SINGLERESP *single = find_single(basic, item->x, issuer);
    if (!single)
        return keel_diag_set(diag, KEEL_ETLS, "%s: the OCSP response is not for the certificate %s",
                             file, item->file);
    if (!is_signed(basic, issuer))
        return keel_tls_fail(diag, file, "the signature of the OCSP response is wrong");
    return judge(item, single);
}

/* What item->response is worth for item->x. */
static int examine(struct keel_tls_item *item, STACK_OF(X509) * chain, struct keel_diag *diag)
{
    const char *file = item->response_file;
    int err;
    const unsigned char *p = item->response;
    OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &p, (long)item->response_size);
    if (!response || p != item->response + item->response_size) {
        err = keel_diag_set(diag, KEEL_ETLS, "%s: no OCSP response in DER", file);
    } else if (OCSP_response_status(response) != OCSP_RESPONSE_STATUS_SUCCESSFUL) {
        err = reject(item, OCSP_response_status_str(OCSP_response_status(response)));
    } else {
        OCSP_BASICRESP *basic = OCSP_response_get1_basic(response);
        err = basic ? check(item, basic, chain, diag)
                    : keel_tls_fail(diag, file, "no basic OCSP response");
        OCSP_BASICRESP_free(basic);
    }
    OCSP_RESPONSE_free(response);
    ERR_clear_error();
    return err == KEEL_ENOMEM ? keel_diag_memory(diag) : err;
}

int keel_tls_staple_read(struct keel_tls_item *item, const char *file, const char *where,
                         STACK_OF(X509) * chain, struct keel_diag *diag)
{
    item->response_file = keel_strdup(file);
    if (!item->response_file)
        return keel_diag_memory(diag);
    int err = read_file(item, file, where, diag);
    return err ? err : examine(item, chain, diag);
}

/* A new response for the item; the old one stays when it is wrong. */
static int restaple(struct keel_tls_item *item, const void *bytes, size_t size,
                    struct keel_diag *diag)
{
    struct keel_tls_item fresh = *item;
    STACK_OF(X509) *chain = NULL;
    fresh.fault = NULL;
    fresh.response_said = 0;
    fresh.response = keel_malloc(size);
    fresh.response_size = size;
    if (!fresh.response)
        return keel_diag_memory(diag);
    memcpy(fresh.response, bytes, size);
    if (SSL_CTX_select_current_cert(item->rules->ssl, item->x) == 1)
        SSL_CTX_get0_chain_certs(item->rules->ssl, &chain);
    int err = examine(&fresh, chain, diag);
    struct keel_tls_item *loser = err ? &fresh : item;
    keel_free(loser->response);
    keel_free(loser->fault);
    if (!err)
        *item = fresh;
    return err;
}

int keel_tls_context_restaple(struct keel_tls_context *context, const char *file, const void *bytes,
                              size_t size, struct keel_diag *diag)
{
    int err = 0;
    if (size == 0 || size > KEEL_TLS_RESPONSE_MAX)
        return keel_diag_set(diag, KEEL_ETLS, "%s: no OCSP response", file);
    for (unsigned i = 0; i < context->item_count && !err; i++) {
        struct keel_tls_item *item = &context->items[i];
        if (item->response_file && strcmp(item->response_file, file) == 0)
            err = restaple(item, bytes, size, diag);
    }
    return err;
}

/* The client would like a response (status_request) and the certificate is chosen. */
static int on_status(SSL *ssl, void *arg)
{
    const struct keel_tls_context *c = keel_tls_rules_of(ssl)->context;
    const X509 *x = SSL_get_certificate(ssl);
    for (unsigned i = 0; i < c->item_count; i++) {
        const struct keel_tls_item *item = &c->items[i];
        if (item->x != x || !item->response || item->next_update < (int64_t)time(NULL))
            continue;
        unsigned char *copy = OPENSSL_memdup(item->response, item->response_size);
        if (!copy)
            return SSL_TLSEXT_ERR_NOACK;
        SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)item->response_size);
        return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_NOACK;
}

void keel_tls_staple_install(struct keel_tls_rules *rules)
{
    SSL_CTX_set_tlsext_status_cb(rules->ssl, on_status);
}

void keel_tls_staple_fini(struct keel_tls_item *item)
{
    keel_free(item->response);
    keel_free(item->response_file);
    keel_free(item->fault);
}
