#include "common/runtime/tls_private.h"

#include "common/base/digest.h"
#include "common/base/mem.h"
#include "common/base/rand.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

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

static int fail(struct keel_diag *diag, const char *file, const char *what)
{
    char reason[256];
    keel_tls_error_text(reason, sizeof reason);
    return keel_diag_set(diag, KEEL_ETLS, "%s: %s: %s", file, what, reason);
}

/* ---- Choosing by name ---- */

static int name_equal(const void *value, const void *key, size_t key_size)
{
    const struct keel_tls_name *name = value;
    return name->size == key_size && memcmp(name->text, key, key_size) == 0;
}

static SSL_CTX *find_name(struct keel_tls_context *c, const char *text, size_t size)
{
    struct keel_tls_name *name =
        keel_table_find(&c->names, keel_hash(&c->hash_key, text, size), text, size, name_equal);
    return name ? name->ssl : NULL;
}

/* Exact first, then with the first label as "*" (RFC 6125, 6.4.3). */
static SSL_CTX *choose(struct keel_tls_context *c, const char *server_name)
{
    char text[256];
    size_t n = 0;
    for (; server_name[n] != '\0' && n < sizeof text; n++)
        text[n] = (char)keel_to_lower((unsigned char)server_name[n]);
    if (n > 0 && n < sizeof text && text[n - 1] == '.')
        n--;
    if (n == 0 || n == sizeof text)
        return NULL;
    SSL_CTX *found = find_name(c, text, n);
    const char *dot = memchr(text, '.', n);
    if (found || !dot || dot == text)
        return found;
    char *wildcard = text + (dot - text) - 1;
    *wildcard = '*';
    return find_name(c, wildcard, n - (size_t)(wildcard - text));
}

static int on_server_name(SSL *ssl, int *alert, void *arg)
{
    struct keel_tls_context *c = arg;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    SSL_CTX *found = name ? choose(c, name) : NULL;
    if (found && found != SSL_get_SSL_CTX(ssl))
        SSL_set_SSL_CTX(ssl, found);
    return SSL_TLSEXT_ERR_OK;
}

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_size,
                   const unsigned char *in, unsigned in_size, void *arg)
{
    struct keel_tls_context *c = arg;
    if (SSL_select_next_proto((unsigned char **)(uintptr_t)out, out_size, c->alpn, c->alpn_size, in,
                              in_size) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    return SSL_TLSEXT_ERR_OK;
}

static int add_name(struct keel_tls_context *c, SSL_CTX *ssl, const char *text, size_t size)
{
    struct keel_tls_name *name = keel_malloc(sizeof *name + size);
    if (!name)
        return KEEL_ENOMEM;
    name->ssl = ssl;
    name->size = size;
    for (size_t i = 0; i < size; i++)
        name->text[i] = (char)keel_to_lower((unsigned char)text[i]);
    uint64_t hash = keel_hash(&c->hash_key, name->text, size);
    /* The first certificate with a name has it. */
    if (keel_table_find(&c->names, hash, name->text, size, name_equal)) {
        keel_free(name);
        return 0;
    }
    int err = keel_table_add(&c->names, hash, name);
    if (err)
        keel_free(name);
    return err;
}

/* Calls visit with each DNS name of the certificate; with the common name when there is none.
 * Stops at the first result that is not 0 and returns it. */
static int each_name(X509 *x, int (*visit)(void *arg, const char *text, size_t size), void *arg)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
    int result = 0;
    bool any = false;
    for (int i = 0; names && i < sk_GENERAL_NAME_num(names) && result == 0; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_DNS)
            continue;
        any = true;
        result = visit(arg, (const char *)ASN1_STRING_get0_data(name->d.dNSName),
                       (size_t)ASN1_STRING_length(name->d.dNSName));
    }
    GENERAL_NAMES_free(names);
    if (any)
        return result;
    char common[256];
    int n =
        X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, common, sizeof common);
    return n > 0 ? visit(arg, common, (size_t)n) : 0;
}

struct naming {
    struct keel_tls_context *context;
    SSL_CTX *ssl;
};

static int visit_add(void *arg, const char *text, size_t size)
{
    struct naming *naming = arg;
    return add_name(naming->context, naming->ssl, text, size);
}

static int visit_first(void *arg, const char *text, size_t size)
{
    struct naming *naming = arg;
    struct keel_tls_context *c = naming->context;
    char lower[256];
    if (size >= sizeof lower)
        return 1;
    for (size_t i = 0; i < size; i++)
        lower[i] = (char)keel_to_lower((unsigned char)text[i]);
    naming->ssl = find_name(c, lower, size);
    return 1;
}

/* ---- Making ---- */

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

static int set_trust(struct keel_tls_context *c, SSL_CTX *ssl, const struct keel_tls_options *o,
                     struct keel_diag *diag)
{
    if (o->ca_file && SSL_CTX_load_verify_file(ssl, o->ca_file) != 1)
        return fail(diag, o->ca_file, "cannot load the certificates to trust");
    if (c->pinned) {
        SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER, NULL);
        SSL_CTX_set_cert_verify_callback(ssl, on_verify_pin, c);
        return 0;
    }
    if (c->client) {
        if (!o->ca_file && !o->insecure && SSL_CTX_set_default_verify_paths(ssl) != 1)
            return fail(diag, "TLS", "cannot load the system's certificates");
        SSL_CTX_set_verify(ssl, o->insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
        return 0;
    }
    if (o->verify == KEEL_TLS_VERIFY_NONE)
        return 0;
    if (!o->ca_file)
        return keel_diag_set(diag, KEEL_EINVAL, "TLS: to verify clients a CA file is needed");
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(o->ca_file);
    if (!names)
        return fail(diag, o->ca_file, "cannot load the certificates to trust");
    SSL_CTX_set_client_CA_list(ssl, names);
    int mode = SSL_VERIFY_PEER;
    if (o->verify == KEEL_TLS_VERIFY_REQUIRED)
        mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_CTX_set_verify(ssl, mode, NULL);
    return 0;
}

static void set_modes(struct keel_tls_context *c, SSL_CTX *ssl, const struct keel_tls_options *o)
{
    SSL_CTX_set_min_proto_version(ssl,
                                  o->minimum == KEEL_TLS_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION);
    SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    /* One recv takes a whole flight instead of a header and a body. */
    SSL_CTX_set_read_ahead(ssl, 1);
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    uint64_t options = SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION;
    if (!c->client) {
        /* Many clients close without close_notify; our protocols frame their messages. */
        options |= SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                   SSL_OP_IGNORE_UNEXPECTED_EOF;
        /* A resumed session must not skip the check of the client's certificate: RFC 8446, 4.6.1
         * leaves it to the server to bind tickets to its rules. */
        static const unsigned char id[] = "keel";
        SSL_CTX_set_session_id_context(ssl, id, sizeof id - 1);
        SSL_CTX_set_tlsext_servername_callback(ssl, on_server_name);
        SSL_CTX_set_tlsext_servername_arg(ssl, c);
        if (c->alpn_size > 0)
            SSL_CTX_set_alpn_select_cb(ssl, on_alpn, c);
    } else if (c->alpn_size > 0) {
        SSL_CTX_set_alpn_protos(ssl, c->alpn, c->alpn_size);
    }
    SSL_CTX_set_options(ssl, options);
}

/* Appends a new SSL_CTX with everything but its certificate. */
static int add_ssl(struct keel_tls_context *c, const struct keel_tls_options *o, SSL_CTX **out,
                   struct keel_diag *diag)
{
    SSL_CTX **grown = keel_realloc(c->ssl, (c->count + 1) * sizeof *grown);
    if (!grown)
        return keel_diag_set(diag, KEEL_ENOMEM, "TLS: no memory");
    c->ssl = grown;
    SSL_CTX *ssl = SSL_CTX_new(c->client ? TLS_client_method() : TLS_server_method());
    if (!ssl)
        return fail(diag, "TLS", "cannot make a context");
    c->ssl[c->count++] = ssl;
    set_modes(c, ssl, o);
    if (o->ciphers && SSL_CTX_set_cipher_list(ssl, o->ciphers) != 1)
        return fail(diag, o->ciphers, "no such cipher");
    *out = ssl;
    return set_trust(c, ssl, o, diag);
}

static X509 *read_certificate(const char *file)
{
    BIO *bio = BIO_new_file(file, "r");
    X509 *x = bio ? PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    return x;
}

/* The SSL_CTX that already serves the first name of x with a key of another type; else NULL. */
static SSL_CTX *partner(struct keel_tls_context *c, X509 *x)
{
    struct naming naming = {c, NULL};
    each_name(x, visit_first, &naming);
    if (!naming.ssl)
        return NULL;
    EVP_PKEY *ours = X509_get0_pubkey(x);
    X509 *other = SSL_CTX_get0_certificate(naming.ssl);
    EVP_PKEY *theirs = other ? X509_get0_pubkey(other) : NULL;
    bool same = ours && theirs && EVP_PKEY_get_base_id(ours) == EVP_PKEY_get_base_id(theirs);
    return same ? NULL : naming.ssl;
}

static int add_certificate(struct keel_tls_context *c, const struct keel_tls_options *o,
                           const struct keel_tls_certificate *pair, SSL_CTX *into,
                           struct keel_diag *diag)
{
    const char *key = pair->key ? pair->key : pair->certificate;
    X509 *x = read_certificate(pair->certificate);
    if (!x)
        return fail(diag, pair->certificate, "cannot load the certificate");
    SSL_CTX *ssl = into ? into : partner(c, x);
    int err = ssl ? 0 : add_ssl(c, o, &ssl, diag);
    if (!err && SSL_CTX_use_certificate_chain_file(ssl, pair->certificate) != 1)
        err = fail(diag, pair->certificate, "cannot use the certificate");
    if (!err && SSL_CTX_use_PrivateKey_file(ssl, key, SSL_FILETYPE_PEM) != 1)
        err = fail(diag, key, "cannot use the private key");
    if (!err && SSL_CTX_check_private_key(ssl) != 1)
        err = fail(diag, key, "the private key does not belong to the certificate");
    struct naming naming = {c, ssl};
    if (!err && each_name(x, visit_add, &naming) != 0)
        err = keel_diag_set(diag, KEEL_ENOMEM, "TLS: no memory");
    X509_free(x);
    return err;
}

static int fill(struct keel_tls_context *c, const struct keel_tls_options *o,
                struct keel_diag *diag)
{
    SSL_CTX *ssl = NULL;
    int err = set_alpn(c, o, diag);
    if (err)
        return err;
    if (!o->client && o->certificate_count == 0)
        return keel_diag_set(diag, KEEL_EINVAL, "TLS: a server needs a certificate");
    if (o->client && o->certificate_count > 1)
        return keel_diag_set(diag, KEEL_EINVAL, "TLS: a client shows one certificate");
    c->method = keel_stream_tls_method();
    if (!c->method)
        return keel_diag_set(diag, KEEL_ENOMEM, "TLS: no memory");
    if (o->client)
        err = add_ssl(c, o, &ssl, diag);
    for (unsigned i = 0; !err && i < o->certificate_count; i++)
        err = add_certificate(c, o, &o->certificates[i], ssl, diag);
    if (err || o->client)
        return err;
    /* All of one context take each other's tickets: SNI may choose another one on resumption. */
    uint8_t key[64];
    keel_rand_bytes(key, sizeof key);
    err = keel_tls_context_set_ticket_key(c, key, sizeof key);
    OPENSSL_cleanse(key, sizeof key);
    return err ? keel_diag_set(diag, err, "TLS: cannot set the ticket key") : 0;
}

int keel_tls_context_new(const struct keel_tls_options *options, struct keel_tls_context **out,
                         struct keel_diag *diag)
{
    *out = NULL;
    struct keel_tls_context *c = keel_calloc(1, sizeof *c);
    if (!c)
        return keel_diag_set(diag, KEEL_ENOMEM, "TLS: no memory");
    c->references = 1;
    c->client = options->client;
    c->insecure = options->insecure;
    c->pinned = options->client && options->pin;
    if (c->pinned)
        memcpy(c->pin, options->pin, sizeof c->pin);
    keel_rand_bytes(&c->hash_key, sizeof c->hash_key);
    keel_table_init(&c->names);
    ERR_clear_error();
    int err = fill(c, options, diag);
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
    size_t cursor = 0;
    for (;;) {
        void *name = keel_table_next(&context->names, &cursor);
        if (!name)
            break;
        keel_free(name);
    }
    keel_table_fini(&context->names);
    for (unsigned i = 0; i < context->count; i++)
        SSL_CTX_free(context->ssl[i]);
    keel_free(context->ssl);
    BIO_meth_free(context->method);
    keel_free(context);
}

int keel_tls_context_set_ticket_key(struct keel_tls_context *context, const void *key, size_t size)
{
    /* OpenSSL wants 80 bytes (name, HMAC key, AES key): drawn from what was given. */
    uint8_t material[2 * KEEL_DIGEST_MAX];
    if (size < 48)
        return KEEL_EINVAL;
    int err = keel_hmac(KEEL_SHA512, key, size, "keel ticket 1", 13, material);
    if (!err)
        err = keel_hmac(KEEL_SHA512, key, size, "keel ticket 2", 13, material + KEEL_DIGEST_MAX);
    for (unsigned i = 0; !err && i < context->count; i++) {
        long want = SSL_CTX_set_tlsext_ticket_keys(context->ssl[i], NULL, 0);
        if (want > (long)sizeof material ||
            SSL_CTX_set_tlsext_ticket_keys(context->ssl[i], material, want) != 1)
            err = KEEL_ETLS;
    }
    OPENSSL_cleanse(material, sizeof material);
    ERR_clear_error();
    return err;
}
