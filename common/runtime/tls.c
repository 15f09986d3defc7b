#include "common/runtime/tls_private.h"

#include "common/base/clock.h"
#include "common/base/digest.h"
#include "common/base/mem.h"
#include "common/base/rand.h"
#include "common/service/log.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>

/* RFC 9325, 4.2: ephemeral keys and authenticated encryption; AES-128 first, which is enough. */
#define CIPHERS                                                                                    \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"     \
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
#define CIPHERS_1_3 "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define GROUPS "X25519:P-256:P-384"

/* What keel_tls_context_report has said about an end. */
enum { SAID_NOTHING, SAID_SOON, SAID_ENDED };
#define CERTIFICATE_SOON (7 * 86400) /* seconds */

const char *keel_tls_error_text(char *out, size_t size)
{
    unsigned long code = ERR_peek_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    if (reason)
        snprintf(out, size, "%s", reason);
    else if (code)
        ERR_error_string_n(code, out, size);
    else
        snprintf(out, size, "no reason given");
    ERR_clear_error();
    return out;
}

int keel_tls_fail(struct keel_diag *diag, const char *file, const char *what)
{
    char reason[256];
    keel_tls_error_text(reason, sizeof reason);
    return keel_diag_set(diag, KEEL_ETLS, "%s: %s: %s", file, what, reason);
}

/* ---- Rules ---- */

static int set_alpn(struct keel_tls_context *c, const struct keel_tls_options *o,
                    struct keel_diag *diag)
{
    for (unsigned i = 0; i < o->alpn_count; i++) {
        size_t n = strlen(o->alpn[i]);
        if (n == 0 || n > 255 || c->alpn_size + 1 + n > sizeof c->alpn)
            return keel_diag_set(diag, KEEL_EINVAL, "ALPN: \"%s\" is too long", o->alpn[i]);
        c->alpn[c->alpn_size++] = (uint8_t)n;
        memcpy(c->alpn + c->alpn_size, o->alpn[i], n);
        c->alpn_size += (unsigned)n;
    }
    return 0;
}

/* The server's key is the one that was named, and that is all that counts. */
static int on_verify_pin(X509_STORE_CTX *store, void *arg)
{
    const struct keel_tls_context *c = arg;
    X509 *x = X509_STORE_CTX_get0_cert(store);
    uint8_t digest[KEEL_DIGEST_MAX];
    unsigned char *spki = NULL;
    int n = x ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &spki) : -1;
    bool same = n > 0 && keel_digest(KEEL_SHA256, spki, (size_t)n, digest) == 0 &&
                keel_equal_secret(digest, c->pin, sizeof c->pin);
    OPENSSL_free(spki);
    X509_STORE_CTX_set_error(store, same ? X509_V_OK : X509_V_ERR_CERT_UNTRUSTED);
    return same;
}

/* A client's: whom it believes. */
static int trust_servers(struct keel_tls_context *c, SSL_CTX *ssl, const struct keel_tls_options *o,
                         struct keel_diag *diag)
{
    if (c->pinned) {
        SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER, NULL);
        SSL_CTX_set_cert_verify_callback(ssl, on_verify_pin, c);
        return 0;
    }
    if (o->ca_file && SSL_CTX_load_verify_file(ssl, o->ca_file) != 1)
        return keel_tls_fail(diag, o->ca_file, "cannot load the certificates to trust");
    if (!o->ca_file && !o->insecure && SSL_CTX_set_default_verify_paths(ssl) != 1)
        return keel_tls_fail(diag, "TLS", "cannot load the system's certificates");
    SSL_CTX_set_verify(ssl, o->insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    return 0;
}

static const char *where(const struct keel_tls_options *o, const char *file)
{
    return o->locate ? o->locate(o->locate_arg, file) : file;
}

/* A server's: whose certificates its clients may show. */
static int trust_clients(SSL_CTX *ssl, const struct keel_tls_options *o,
                         const struct keel_tls_certificate *pair, struct keel_diag *diag)
{
    if (pair->verify == KEEL_TLS_VERIFY_NONE)
        return 0;
    if (!pair->ca_file)
        return keel_diag_set(diag, KEEL_EINVAL, "TLS: to verify clients a CA file is needed");
    const char *file = where(o, pair->ca_file);
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(file);
    if (!names || SSL_CTX_load_verify_file(ssl, file) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return keel_tls_fail(diag, pair->ca_file, "cannot load the certificates to trust");
    }
    SSL_CTX_set_client_CA_list(ssl, names);
    int mode = SSL_VERIFY_PEER;
    if (pair->verify == KEEL_TLS_VERIFY_REQUIRED)
        mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_CTX_set_verify(ssl, mode, NULL);
    return 0;
}

static void set_modes(const struct keel_tls_context *c, SSL_CTX *ssl,
                      const struct keel_tls_options *o)
{
    SSL_CTX_set_min_proto_version(ssl,
                                  o->minimum == KEEL_TLS_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION);
    /* The chain is what stands in the file; nothing is looked for in each handshake. */
    SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN);
    /* One recv takes a whole flight instead of a header and a body. */
    SSL_CTX_set_read_ahead(ssl, 1);
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    uint64_t options = SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION;
    if (!c->client) /* many clients close without close_notify; our protocols frame their messages
                     */
        options |= SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                   SSL_OP_IGNORE_UNEXPECTED_EOF;
    SSL_CTX_set_options(ssl, options);
}

static int set_ciphers(const struct keel_tls_context *c, SSL_CTX *ssl, const char *ciphers,
                       struct keel_diag *diag)
{
    if (!ciphers && c->client)
        return 0;
    if (SSL_CTX_set_cipher_list(ssl, ciphers ? ciphers : CIPHERS) != 1)
        return keel_tls_fail(diag, ciphers ? ciphers : "TLS", "no such cipher");
    if (!c->client && (SSL_CTX_set_ciphersuites(ssl, CIPHERS_1_3) != 1 ||
                       SSL_CTX_set1_groups_list(ssl, GROUPS) != 1))
        return keel_tls_fail(diag, "TLS", "cannot set ciphers and groups");
    return 0;
}

int keel_tls_check_ciphers(const char *ciphers, struct keel_diag *diag)
{
    SSL_CTX *ssl = SSL_CTX_new(TLS_server_method());
    ERR_clear_error();
    int err = ssl && SSL_CTX_set_cipher_list(ssl, ciphers) == 1
                  ? 0
                  : keel_diag_set(diag, KEEL_ETLS, "\"%s\": OpenSSL knows no such cipher", ciphers);
    SSL_CTX_free(ssl);
    ERR_clear_error();
    return err;
}

/* Appends new rules with everything but a certificate. pair NULL: a client's. */
static int add_rules(struct keel_tls_context *c, const struct keel_tls_options *o,
                     const struct keel_tls_certificate *pair, struct keel_tls_rules **out,
                     struct keel_diag *diag)
{
    struct keel_tls_rules **grown =
        keel_realloc(c->rules, (c->count + 1) * sizeof(struct keel_tls_rules *));
    if (grown)
        c->rules = grown;
    struct keel_tls_rules *rules = grown ? keel_calloc(1, sizeof *rules) : NULL;
    if (!rules)
        return keel_diag_memory(diag);
    c->rules[c->count++] = rules;
    rules->context = c;
    rules->ssl = SSL_CTX_new(c->client ? TLS_client_method() : TLS_server_method());
    if (!rules->ssl)
        return keel_tls_fail(diag, "TLS", "cannot make a context");
    SSL_CTX_set_app_data(rules->ssl, rules);
    set_modes(c, rules->ssl, o);
    *out = rules;
    int err = set_ciphers(c, rules->ssl, o->ciphers, diag);
    if (err)
        return err;
    if (c->client) {
        if (c->alpn_size > 0)
            SSL_CTX_set_alpn_protos(rules->ssl, c->alpn, c->alpn_size);
        return trust_servers(c, rules->ssl, o, diag);
    }
    rules->verify = pair->verify;
    rules->tag = pair->tag;
    keel_tls_names_install(rules);
    keel_tls_tickets_install(rules);
    keel_tls_staple_install(rules);
    return trust_clients(rules->ssl, o, pair, diag);
}

/* ---- Certificates ---- */

/* A file's certificate and the chain behind it; the caller's also on error. */
struct loaded {
    X509 *x;
    STACK_OF(X509) * chain;
};

static void loaded_free(struct loaded *l)
{
    X509_free(l->x);
    sk_X509_pop_free(l->chain, X509_free);
}

static int load(struct loaded *l, const struct keel_tls_options *o, const char *file,
                struct keel_diag *diag)
{
    BIO *bio = BIO_new_file(where(o, file), "r");
    X509 *x = NULL;
    l->x = bio ? PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL) : NULL;
    l->chain = sk_X509_new_null();
    if (!l->x || !l->chain) {
        BIO_free(bio);
        return keel_tls_fail(diag, file, "cannot load the certificate");
    }
    while ((x = PEM_read_bio_X509(bio, NULL, NULL, NULL)) && sk_X509_push(l->chain, x) > 0)
        ;
    BIO_free(bio);
    if (x) {
        X509_free(x);
        return keel_diag_memory(diag);
    }
    if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
        return keel_tls_fail(diag, file, "cannot load the chain behind the certificate");
    ERR_clear_error(); /* that was the end of the file */
    return 0;
}

/* Which of the certificates it is. */
static int begin_item(struct keel_tls_item *item, const struct keel_tls_certificate *pair, X509 *x,
                      struct keel_diag *diag)
{
    item->type = EVP_PKEY_get_base_id(X509_get0_pubkey(x));
    item->file = keel_strdup(pair->certificate);
    item->name = pair->name_count > 0 ? keel_strdup(pair->names[0]) : keel_tls_name_first(x);
    if (!item->file || (pair->name_count > 0 && !item->name))
        return keel_diag_memory(diag);
    return 0;
}

/* Into *out the rules that serve the same first name already, with a key of another type; else
 * NULL. */
static int find_partner(struct keel_tls_context *c, const struct keel_tls_item *item,
                        const struct keel_tls_certificate *pair, struct keel_tls_rules **out,
                        struct keel_diag *diag)
{
    *out = NULL;
    for (const struct keel_tls_item *i = c->items; i < item; i++) {
        if (!item->name || !i->name || i->rules->tag != pair->tag ||
            !keel_str_equal_nocase(keel_str(item->name), keel_str(i->name)))
            continue;
        if (i->type != item->type)
            *out = i->rules;
        else if (pair->name_count > 0)
            return keel_diag_set(diag, KEEL_EINVAL, "%s: its key is of the same type as that of %s",
                                 item->file, i->file);
    }
    return 0;
}

/* Certificate, chain and key, into the rules. */
static int use(struct keel_tls_rules *rules, const struct keel_tls_options *o,
               const struct keel_tls_certificate *pair, const struct loaded *l,
               struct keel_diag *diag)
{
    const char *key = pair->key ? pair->key : pair->certificate;
    if (SSL_CTX_use_certificate(rules->ssl, l->x) != 1 ||
        SSL_CTX_set1_chain(rules->ssl, l->chain) != 1)
        return keel_tls_fail(diag, pair->certificate, "cannot use the certificate");
    if (SSL_CTX_use_PrivateKey_file(rules->ssl, where(o, key), SSL_FILETYPE_PEM) != 1)
        return keel_tls_fail(diag, key, "cannot use the private key");
    if (SSL_CTX_check_private_key(rules->ssl) != 1)
        return keel_tls_fail(diag, key, "the private key does not belong to the certificate");
    return 0;
}

static int add_loaded(struct keel_tls_context *c, const struct keel_tls_options *o,
                      const struct keel_tls_certificate *pair, const struct loaded *l,
                      struct keel_diag *diag)
{
    struct keel_tls_item *item = &c->items[c->item_count++];
    int err = begin_item(item, pair, l->x, diag);
    if (!err)
        err = find_partner(c, item, pair, &item->rules, diag);
    if (!err && !item->rules)
        err = add_rules(c, o, pair, &item->rules, diag);
    if (!err)
        err = use(item->rules, o, pair, l, diag);
    for (unsigned i = 0; i < pair->name_count && !err; i++)
        if (keel_tls_name_add(item->rules, pair->names[i], strlen(pair->names[i])) != 0)
            err = keel_diag_memory(diag);
    if (err)
        return err;
    item->x = SSL_CTX_get0_certificate(item->rules->ssl);
    item->not_after = keel_tls_seconds(X509_get0_notAfter(item->x));
    return pair->ocsp ? keel_tls_staple_read(item, pair->ocsp, where(o, pair->ocsp), l->chain, diag)
                      : 0;
}

static int add_certificate(struct keel_tls_context *c, const struct keel_tls_options *o,
                           const struct keel_tls_certificate *pair, struct keel_diag *diag)
{
    struct loaded l = {NULL, NULL};
    int err = load(&l, o, pair->certificate, diag);
    if (!err)
        err = add_loaded(c, o, pair, &l, diag);
    loaded_free(&l);
    return err;
}

/* A session is resumed only under the certificates and the rules that it was made under, whichever
 * process made it: they are its id context, so that no other site takes it for its own (RFC 8446,
 * 4.6.1), and nobody goes by a verification that would come out differently today. */
static int bind_sessions(struct keel_tls_context *c, struct keel_tls_rules *rules)
{
    uint8_t sum[KEEL_DIGEST_MAX] = {0}, part[2 * KEEL_DIGEST_MAX];
    const size_t size = keel_digest_size(KEEL_SHA256);
    STACK_OF(X509) *trusted = X509_STORE_get1_all_certs(SSL_CTX_get_cert_store(rules->ssl));
    int count = sk_X509_num(trusted), err = 0;
    sum[0] = (uint8_t)rules->verify;
    for (unsigned i = 0; i < c->item_count && !err; i++) {
        if (c->items[i].rules != rules)
            continue;
        memcpy(part, sum, size);
        err = X509_digest(c->items[i].x, EVP_sha256(), part + size, NULL) != 1 ||
              keel_digest(KEEL_SHA256, part, 2 * size, sum) != 0;
    }
    for (int i = 0; i < count && !err; i++) {
        memcpy(part, sum, size);
        err = X509_digest(sk_X509_value(trusted, i), EVP_sha256(), part + size, NULL) != 1 ||
              keel_digest(KEEL_SHA256, part, 2 * size, sum) != 0;
    }
    sk_X509_pop_free(trusted, X509_free);
    return err || SSL_CTX_set_session_id_context(rules->ssl, sum, (unsigned)size) != 1 ? KEEL_ETLS
                                                                                       : 0;
}

/* ---- Making ---- */

static int fill_client(struct keel_tls_context *c, const struct keel_tls_options *o,
                       struct keel_diag *diag)
{
    struct keel_tls_rules *rules = NULL;
    if (o->certificate_count > 1)
        return keel_diag_set(diag, KEEL_EINVAL, "TLS: a client shows one certificate");
    struct loaded l = {NULL, NULL};
    int err = add_rules(c, o, NULL, &rules, diag);
    if (err || o->certificate_count == 0)
        return err;
    err = load(&l, o, o->certificates[0].certificate, diag);
    if (!err)
        err = use(rules, o, &o->certificates[0], &l, diag);
    loaded_free(&l);
    return err;
}

static int fill_server(struct keel_tls_context *c, const struct keel_tls_options *o,
                       struct keel_diag *diag)
{
    if (o->certificate_count == 0)
        return keel_diag_set(diag, KEEL_EINVAL, "TLS: a server needs a certificate");
    c->items = keel_calloc(o->certificate_count, sizeof *c->items);
    if (!c->items)
        return keel_diag_memory(diag);
    int err = 0;
    for (unsigned i = 0; !err && i < o->certificate_count; i++)
        err = add_certificate(c, o, &o->certificates[i], diag);
    if (err)
        return err;
    /* Behind all the names that were given. */
    for (unsigned i = 0; !err && i < c->item_count; i++)
        err = keel_tls_names_add_of(c->items[i].rules, c->items[i].x);
    if (err)
        return keel_diag_memory(diag);
    for (unsigned i = 0; !err && i < c->count; i++)
        err = bind_sessions(c, c->rules[i]);
    if (!err)
        err = keel_tls_tickets_init(c);
    return err ? keel_diag_set(diag, err, "TLS: cannot prepare session tickets") : 0;
}

int keel_tls_context_new(const struct keel_tls_options *options, struct keel_tls_context **out,
                         struct keel_diag *diag)
{
    *out = NULL;
    struct keel_tls_context *c = keel_calloc(1, sizeof *c);
    if (!c)
        return keel_diag_memory(diag);
    c->references = 1;
    c->client = options->client;
    c->insecure = options->insecure;
    c->pinned = options->client && options->pin;
    if (c->pinned)
        memcpy(c->pin, options->pin, sizeof c->pin);
    keel_rand_bytes(&c->hash_key, sizeof c->hash_key);
    keel_table_init(&c->names);
    ERR_clear_error();
    int err = set_alpn(c, options, diag);
    c->method = keel_stream_tls_method();
    if (!err && !c->method)
        err = keel_diag_memory(diag);
    if (!err)
        err = c->client ? fill_client(c, options, diag) : fill_server(c, options, diag);
    if (err) {
        keel_tls_context_free(c);
        return err;
    }
    *out = c;
    return 0;
}

struct keel_tls_context *keel_tls_context_ref(struct keel_tls_context *context)
{
    context->references++;
    return context;
}

void keel_tls_context_free(struct keel_tls_context *context)
{
    if (!context || --context->references > 0)
        return;
    keel_tls_names_fini(context);
    for (unsigned i = 0; i < context->item_count; i++) {
        keel_tls_staple_fini(&context->items[i]);
        keel_free(context->items[i].file);
        keel_free(context->items[i].name);
    }
    keel_free(context->items);
    for (unsigned i = 0; i < context->count; i++) {
        SSL_CTX_free(context->rules[i]->ssl);
        keel_free(context->rules[i]);
    }
    keel_free(context->rules);
    keel_tls_tickets_fini(context);
    BIO_meth_free(context->method);
    keel_free(context);
}

/* ---- What ends ---- */

const char *keel_tls_context_staple_fault(const struct keel_tls_context *context, unsigned i)
{
    return i < context->item_count ? context->items[i].fault : NULL;
}

/* Says it once when the end comes near, and once when it is there. */
static void report_end(const char *what, const char *file, int64_t end, int64_t soon, int64_t now,
                       uint8_t *said)
{
    uint8_t state = now >= end ? SAID_ENDED : now >= end - soon ? SAID_SOON : SAID_NOTHING;
    if (state <= *said)
        return;
    *said = state;
    if (state == SAID_ENDED)
        keel_error("tls", "has ended", "what=%s file=%s", what, file);
    else
        keel_warning("tls", "ends soon", "what=%s file=%s hours=%lld", what, file,
                     (long long)((end - now) / 3600));
}

void keel_tls_context_report(struct keel_tls_context *context, uint64_t realtime_ns)
{
    int64_t now = (int64_t)(realtime_ns / KEEL_NS_PER_S);
    for (unsigned i = 0; i < context->item_count; i++) {
        struct keel_tls_item *item = &context->items[i];
        report_end("certificate", item->file, item->not_after, CERTIFICATE_SOON, now, &item->said);
        if (item->response && item->next_update != INT64_MAX) /* the last quarter of its time */
            report_end("stapled OCSP response", item->response_file, item->next_update,
                       (item->next_update - item->this_update) / 4, now, &item->response_said);
    }
}
