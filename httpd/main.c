/*
 * httpd: an HTTP server.
 */
#include "common/service/daemon.h"
#include "httpd/protocol.h"

int main(int argc, char **argv)
{
    return keel_main(argc, argv, &http_protocol);
}
