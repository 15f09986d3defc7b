#include "httpd/protocol.h"

#include "httpd/options.h"
#include "httpd/serve/connection.h"
#include "httpd/serve/figures.h"
#include "httpd/serve/metrics.h"
#include "httpd/serve/describe.h"
#include "httpd/serve/serve.h"
#include "httpd/serve/settings_tls.h"
#include "httpd/serve/worker.h"

const struct keel_protocol http_protocol = {
    KEEL_PROTOCOL,
    .name = "httpd",
    .version = KEEL_VERSION,
    .summary = "an HTTP server",
    .options = http_options,
    .cli = http_cli,
    .metrics = http_metrics,
    .commands = http_commands,
    .series = &http_series,
    .describe = http_serve_describe,
    .schedule = KEEL_SCHEDULE_KERNEL,
    .configure = http_settings_configure,
    .free_settings = http_settings_free,
    .tls = http_settings_tls,
    .start = http_serve_start,
    .drain = http_serve_drain,
    .stop = http_serve_stop,
    .connection_size = sizeof(struct http_connection),
    .stream = &http_stream_ops,
    .on_connect = http_serve_connect,
    .evictable = http_serve_evictable,
    .on_log_file = http_serve_log_file,
    .on_file = http_serve_file,
};
