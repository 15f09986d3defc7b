/* echod: a complete daemon on libkeel. Sends back what it gets, over TCP, TLS and UDP. */
#include <keel.h>

enum { BYTES_TCP, BYTES_UDP };
static const struct keel_metric metrics[] = {
    [BYTES_TCP] = {"echod_bytes_total", KEEL_COUNTER, "transport=\"tcp\"", "Bytes sent back."},
    [BYTES_UDP] = {"echod_bytes_total", KEEL_COUNTER, "transport=\"udp\"", "Bytes sent back."},
    {0},
};

static const struct keel_option options[] = {
    {.name = "prefix", .type = KEEL_OPT_STRING, .def = "", .help = "Put before each echo."},
    {.name = "idle-timeout", .type = KEEL_OPT_DURATION, .def = "60s", .help = "Then it closes."},
    {.name = "certificate", .type = KEEL_OPT_PATH, .help = "For addresses with the word tls."},
    {.name = "key", .type = KEEL_OPT_PATH, .help = "Its private key."},
    {0},
};

struct settings {
    char *prefix;
    uint64_t idle_ns;
    struct keel_tls_context *tls;
};

static void free_settings(void *settings)
{
    struct settings *s = settings;
    keel_tls_context_free(s->tls);
    keel_free(s->prefix);
    keel_free(s);
}

static int configure(const struct keel_conf *conf, void **settings, struct keel_endpoints *listen,
                     struct keel_access *access, struct keel_diag *diag)
{
    struct keel_tls_certificate pem = {.certificate = keel_conf_str(conf, "certificate"),
                                       .key = keel_conf_str(conf, "key")};
    struct keel_tls_options tls = {.certificates = &pem, .certificate_count = 1};
    struct settings *s = *settings = keel_calloc(1, sizeof *s);
    if (!s || !(s->prefix = keel_strdup(keel_conf_str(conf, "prefix"))))
        return KEEL_ENOMEM;
    s->idle_ns = (uint64_t)keel_conf_int(conf, "idle-timeout");
    if (pem.certificate && keel_tls_configure(conf, &tls, access, &s->tls, diag) != 0)
        return keel_conf_error(conf, "certificate", diag, "%s", diag->text);
    return listen ? keel_endpoints_add_listen(listen, conf, "listen", true, true, diag) : 0;
}

static struct keel_tls_context *tls(void *settings, const struct keel_endpoint *endpoint)
{
    return ((struct settings *)settings)->tls;
}

static void on_connect(struct keel_connection *c)
{
    keel_stream_deadline(&c->stream, ((struct settings *)c->instance->settings)->idle_ns);
}

static size_t on_data(struct keel_stream *stream, const uint8_t *bytes, size_t size)
{
    struct keel_instance *instance = keel_connection_of(stream)->instance;
    struct settings *s = instance->settings;
    keel_stream_write(stream, s->prefix, strlen(s->prefix));
    if (keel_stream_write(stream, bytes, size) == KEEL_EAGAIN)
        keel_stream_pause(stream); /* a client that does not read: wait for it */
    keel_stream_deadline(stream, s->idle_ns);
    keel_metric_add(&instance->metrics, BYTES_TCP, size);
    return size;
}

static void on_batch(struct keel_instance *instance, const struct keel_endpoint *endpoint,
                     struct keel_dgram *d, struct keel_datagram *batch, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        keel_dgram_send(d, &batch[i], batch[i].bytes, batch[i].size);
        keel_metric_add(&instance->metrics, BYTES_UDP, batch[i].size);
    }
}

static int show_prefix(struct keel_instance *instance, json_t *args, json_t **result,
                       struct keel_diag *diag)
{
    *result = json_string(((struct settings *)instance->settings)->prefix);
    return 0;
}

static const struct keel_command commands[] = {{"prefix", "", "show it", KEEL_COMMAND_ONE, show_prefix}, {0}};
static const struct keel_stream_ops stream = {.name = "echo", .on_data = on_data, .on_drained = keel_stream_resume};
const struct keel_protocol keel_module = {
    KEEL_PROTOCOL, .name = "echod", .version = "1.0", .summary = "sends back what it gets",
    .options = options, .metrics = metrics, .commands = commands,
    .configure = configure, .free_settings = free_settings, .tls = tls,
    .connection_size = sizeof(struct keel_connection), .stream = &stream, .on_connect = on_connect,
    .on_batch = on_batch, .dgram = {.receive_size = 65535, .send_size = 65535},
};

int main(int argc, char **argv)
{
    return keel_main(argc, argv, &keel_module);
}
