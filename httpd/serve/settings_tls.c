#include "httpd/serve/settings_tls.h"

/* Each site's certificate is tried alone, so that an error can name its line. */
static int check_certificate(const struct keel_tls_options *all,
                             const struct keel_tls_certificate *one, const struct keel_conf *conf,
                             struct keel_diag *diag)
{
    struct keel_tls_options options = *all;
    struct keel_tls_context *context = NULL;
    struct keel_diag why = {""};
    options.certificates = one;
    options.certificate_count = 1;
    int err = keel_tls_context_new(&options, &context, &why);
    keel_tls_context_free(context);
    return err ? keel_conf_error(conf, "certificate", diag, "%s", why.text) : 0;
}

/* One context for all TLS addresses: the names in the certificates choose, the default site's
 * certificate serves everybody else. */
int http_settings_read_tls(struct http_settings *s, const struct keel_conf *conf,
                           struct keel_diag *diag)
{
    static const char *const alpn[] = {"h2", "http/1.1"};
    unsigned skip = !s->http2;
    unsigned count = 0;
    struct keel_tls_certificate *list = keel_arena_calloc(&s->arena, s->sites.count * sizeof *list);
    if (!list)
        return keel_diag_set(diag, KEEL_ENOMEM, "%s", keel_strerror(KEEL_ENOMEM));
    struct keel_tls_options options = {
        .alpn = alpn + skip, .alpn_count = 2 - skip, .minimum = KEEL_TLS_1_2};
    keel_conf_for (section, conf, "site") {
        struct keel_tls_certificate one = {keel_conf_str(section, "certificate"),
                                           keel_conf_str(section, "key")};
        if (!one.certificate) {
            if (one.key)
                return keel_conf_error(section, "key", diag, "a key without a certificate");
            continue;
        }
        int err = check_certificate(&options, &one, section, diag);
        if (err)
            return err;
        list[count++] = one;
        if (keel_conf_bool(section, "default")) { /* to the front */
            list[count - 1] = list[0];
            list[0] = one;
        }
    }
    options.certificates = list;
    options.certificate_count = count;
    return count > 0 ? keel_tls_context_new(&options, &s->tls, diag) : 0;
}

struct keel_tls_context *http_settings_tls(void *settings, const struct keel_endpoint *endpoint)
{
    return ((struct http_settings *)settings)->tls;
}
