/*
 * Which certificate and rules a client gets: by the name that it asks for (RFC 6066, 3).
 */
#include "common/runtime/tls_private.h"

#include "common/base/mem.h"

#include <openssl/x509v3.h>
#include <string.h>

static int name_equal(const void *value, const void *key, size_t key_size)
{
    const struct keel_tls_name *name = value;
    return name->size == key_size && memcmp(name->text, key, key_size) == 0;
}

/* The rules that have this very name, in lower case; NULL: none. */
static struct keel_tls_rules *find(struct keel_tls_context *c, const char *text, size_t size)
{
    struct keel_tls_name *name =
        keel_table_find(&c->names, keel_hash(&c->hash_key, text, size), text, size, name_equal);
    return name ? name->rules : NULL;
}

int keel_tls_name_add(struct keel_tls_rules *rules, const char *text, size_t size)
{
    struct keel_tls_context *c = rules->context;
    if (size > 0 && text[size - 1] == '.') /* a client's loses its dot, too */
        size--;
    struct keel_tls_name *name = keel_malloc(sizeof *name + size);
    if (!name)
        return KEEL_ENOMEM;
    name->rules = rules;
    name->size = size;
    for (size_t i = 0; i < size; i++)
        name->text[i] = (char)keel_to_lower((unsigned char)text[i]);
    if (find(c, name->text, size)) {
        keel_free(name);
        return 0;
    }
    int err = keel_table_add(&c->names, keel_hash(&c->hash_key, name->text, size), name);
    if (err)
        keel_free(name);
    return err;
}

int keel_tls_names_each(X509 *x, int (*visit)(void *arg, const char *text, size_t size), void *arg)
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

static int visit_add(void *arg, const char *text, size_t size)
{
    return keel_tls_name_add(arg, text, size);
}

int keel_tls_names_add_of(struct keel_tls_rules *rules, X509 *x)
{
    return keel_tls_names_each(x, visit_add, rules);
}

static int visit_first(void *arg, const char *text, size_t size)
{
    *(char **)arg = keel_strndup(text, size);
    return 1;
}

char *keel_tls_name_first(X509 *x)
{
    char *name = NULL;
    keel_tls_names_each(x, visit_first, &name);
    return name;
}

/* Exact first, then with the first label as "*" (RFC 6125, 6.4.3). */
static struct keel_tls_rules *choose(struct keel_tls_context *c, const unsigned char *name,
                                     size_t size)
{
    char text[256];
    size_t n = 0;
    for (; n < size && n < sizeof text; n++)
        text[n] = (char)keel_to_lower(name[n]);
    if (n > 0 && n < sizeof text && text[n - 1] == '.')
        n--;
    if (n == 0 || n == sizeof text)
        return NULL;
    struct keel_tls_rules *found = find(c, text, n);
    const char *dot = memchr(text, '.', n);
    if (found || !dot || dot == text)
        return found;
    char *wildcard = text + (dot - text) - 1;
    *wildcard = '*';
    return find(c, wildcard, n - (size_t)(wildcard - text));
}

/* The host name in a ClientHello's server_name: a list of (type, length, bytes), of which OpenSSL
 * will refuse all but a single host name. False: there is none. */
static bool find_host_name(SSL *ssl, const unsigned char **name, size_t *size)
{
    const unsigned char *p;
    size_t n;
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &p, &n) != 1 || n < 5 ||
        p[2] != TLSEXT_NAMETYPE_host_name)
        return false;
    *name = p + 5;
    *size = (size_t)p[3] << 8 | p[4];
    return *size <= n - 5;
}

/* Before OpenSSL looks at a ticket, so that a session of other rules is not resumed: its session id
 * context differs then. What an SSL copied from its first SSL_CTX is set anew. */
static int on_client_hello(SSL *ssl, int *alert, void *arg)
{
    struct keel_tls_context *c = arg;
    const unsigned char *name = NULL;
    size_t size = 0;
    struct keel_tls_rules *rules = find_host_name(ssl, &name, &size) ? choose(c, name, size) : NULL;
    if (!rules)
        rules = c->rules[0];
    if (rules == keel_tls_rules_of(ssl))
        return SSL_CLIENT_HELLO_SUCCESS;
    if (!SSL_set_SSL_CTX(ssl, rules->ssl)) {
        *alert = SSL_AD_INTERNAL_ERROR;
        return SSL_CLIENT_HELLO_ERROR;
    }
    SSL_set_verify(ssl, SSL_CTX_get_verify_mode(rules->ssl), NULL);
    return SSL_CLIENT_HELLO_SUCCESS;
}

/* OpenSSL keeps and acknowledges the name when somebody says that it is fine. */
static int on_server_name(SSL *ssl, int *alert, void *arg)
{
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

void keel_tls_names_install(struct keel_tls_rules *rules)
{
    struct keel_tls_context *c = rules->context;
    SSL_CTX_set_client_hello_cb(rules->ssl, on_client_hello, c);
    SSL_CTX_set_tlsext_servername_callback(rules->ssl, on_server_name);
    if (c->alpn_size > 0)
        SSL_CTX_set_alpn_select_cb(rules->ssl, on_alpn, c);
}

void keel_tls_names_fini(struct keel_tls_context *c)
{
    size_t cursor = 0;
    void *name;
    while ((name = keel_table_next(&c->names, &cursor)))
        keel_free(name);
    keel_table_fini(&c->names);
}
